/**
 * From an environment's definition to an image id. Modal keeps images by their definition, so asking for the same one again, from any
 * process or host, answers with the same id and builds nothing. The SDK's own `build` hides the log and knows no context: these
 * are the calls beneath it, in the order in which Modal's Python client makes them.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type ErrorDetails, ImageBuildError, ImagePullError, type PlumblineError } from '../../exception/errors.js';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import { parseReference } from '../../image/reference.js';
import type { CredentialSource } from '../../image/registry/credentials.js';
import type { ImageSpec, Platform, PreparedImage } from '../../model/image.js';
import type { PrepareContext } from '../../model/provider.js';
import type { BaseConfigs } from '../remote/base-config.js';
import { knownBuildFailure } from '../remote/build-failure.js';
import { imageDefaults } from '../remote/image-defaults.js';
import { type Bases, type DockerfileSource, identify, preparedImage, sourceOf } from '../remote/image-identity.js';
import { pinBases, pinnedName } from '../remote/pin-bases.js';
import { assertPlatform, remotePlatform } from '../remote/platform.js';
import { baseInstead, type Planner } from '../remote/replay.js';
import { again, type Cloud, limited } from './calls.js';
import { type BuildContext, buildContext, type ContextFile, scanContext } from './context.js';
import { dockerfileLines, readsContext } from './dockerfile.js';
import { describeEnd } from './ending.js';
import type { ImageDefinition, ModalResult } from './sdk.js';

/** `ObjectCreationType` of the wire. */
const ANONYMOUS_OWNED_BY_APP = 4;
const EPHEMERAL = 5;
/** `RegistryAuthType` of the wire. */
const PUBLIC = 3;
const STATIC_CREDENTIALS = 4;
const SUCCESS = 1;
const FAILURE = 2;
/** Seconds for which one call follows a build. */
const JOIN_SECS = 55;
const LOG_LIMIT = 256 * 1024;

const CONTEXT_TIMES = {
  code: 'ContextTimes',
  message:
    'files of the build context have other modification times than in a local build: a mount of Modal’s keeps none, and an archive with them would be another image for every checkout',
};

export interface Preparer {
  readonly cloud: Cloud;
  readonly baseConfigs: BaseConfigs;
  readonly credentials: CredentialSource;
  readonly emulated: boolean;
  readonly plan: Planner;
}

/** @throws ImageBuildError, ImagePullError, RegistryRateLimitError, EnvironmentDefinitionError and the provider errors */
export async function prepareImage(preparer: Preparer, spec: ImageSpec, ctx: PrepareContext): Promise<PreparedImage> {
  assertPlatform(spec, 'Modal', preparer.emulated);
  const source = sourceOf(spec);
  const { emulated, baseConfigs } = preparer;
  const platform = remotePlatform(emulated);
  const { warnings, healthcheck, bases } = await imageDefaults(source, platform, baseConfigs, ctx.signal);
  const { digest } = await identify(spec, platform, bases, {});
  const result = ({ imageId, cacheHit }: Built) =>
    preparedImage(spec, { ref: imageId, digest, cacheHit, healthcheck, warnings: [...warnings] }, emulated);
  if (source.kind === 'prebuilt') {
    return result(await fromRegistry(preparer, pinnedName(source.ref, bases.get(source.ref) ?? null), [], ctx));
  }
  const tmp = await mkdtemp(join(tmpdir(), 'plumbline-modal-'));
  try {
    const { definition, fromContext } = await dockerfileImage(preparer, source, bases, tmp, ctx);
    const built = result(await build(preparer.cloud, definition, false, ctx));
    return { ...built, warnings: [...built.warnings, ...(fromContext ? [CONTEXT_TIMES] : [])] };
  } catch (error) {
    const prepareBase = async (base: ImageSpec, at: PrepareContext) => {
      // Modal would start the base's ENTRYPOINT before the steps have run: after them, it is ours to start
      const from = sourceOf(base);
      if (from.kind !== 'prebuilt') throw error;
      return { ref: (await fromRegistry(preparer, from.ref, ['ENTRYPOINT []'], at)).imageId };
    };
    const { ref, warning } = await baseInstead(error, { image: spec, plan: preparer.plan, prepareBase }, ctx);
    return { ...result({ imageId: ref, cacheHit: false }), source: 'replayed', warnings: [...warnings, warning] };
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
}

async function fromRegistry(
  preparer: Preparer,
  ref: string,
  more: readonly string[],
  ctx: PrepareContext,
): Promise<Built> {
  const image = await registryImage(preparer, ref, ctx.signal);
  const dockerfileCommands = [...image.dockerfileCommands, ...more];
  return build(preparer.cloud, { ...image, dockerfileCommands }, true, ctx);
}

async function registryImage(
  { cloud, credentials }: Preparer,
  ref: string,
  signal: AbortSignal,
): Promise<ImageDefinition> {
  const dockerfileCommands = [`FROM ${ref}`];
  const found = await credentials(parseReference(ref).registry);
  if (found === null || !('username' in found)) return { dockerfileCommands };
  const { client, app } = cloud;
  const { secretId } = await again(cloud, { what: 'send the registry’s credentials', call: 'control', signal }, () =>
    client.cpClient.secretGetOrCreate(
      {
        objectCreationType: EPHEMERAL,
        appId: app.appId,
        environmentName: client.profile.environment ?? '',
        envDict: { REGISTRY_USERNAME: found.username, REGISTRY_PASSWORD: found.password },
      },
      { signal },
    ),
  );
  return { dockerfileCommands, imageRegistryConfig: { registryAuthType: STATIC_CREDENTIALS, secretId } };
}

async function dockerfileImage(
  { cloud, emulated }: Preparer,
  source: DockerfileSource,
  bases: Bases,
  tmp: string,
  ctx: PrepareContext,
): Promise<{ definition: ImageDefinition; fromContext: boolean }> {
  const { lines, scanned, fromContext } = await translated(source, remotePlatform(emulated), bases);
  const context = await buildContext(scanned, tmp);
  const contextMountId = await mountContext(cloud, context, ctx);
  const definition = { dockerfileCommands: lines, ...(contextMountId === null ? {} : { contextMountId }) };
  return { definition, fromContext };
}

/** @throws EnvironmentDefinitionError, with origin `provider` for what cannot be said to Modal */
export async function translated({ contextDir, dockerfile }: DockerfileSource, platform: Platform, bases: Bases) {
  const text = pinBases(await readFile(dockerfile, 'utf8'), basename(dockerfile), platform, bases);
  const model = parseDockerfile(text, basename(dockerfile));
  const scanned = await scanContext(contextDir, dockerfile);
  const lines = dockerfileLines(text, model, scanned.needsTar, scanned.isFile);
  return { lines, scanned, fromContext: readsContext(model) };
}

/** @returns null for an empty context */
async function mountContext(cloud: Cloud, context: BuildContext, ctx: PrepareContext): Promise<string | null> {
  const { client, app } = cloud;
  const { signal, onEvent } = ctx;
  const files = context.tar === null ? context.files : [...context.files, context.tar];
  if (files.length === 0) return null;
  const byHash = new Map(files.map((file) => [file.sha256, file] as const));
  const attempts = { what: 'send the build context', call: 'control', signal, onEvent } as const;
  const { missingSha256HexHashes: missing } = await again(cloud, attempts, () =>
    client.cpClient.mountBatchedCheckExistence({ sha256HexHashes: [...byHash.keys()] }, { signal }),
  );
  let sent = 0;
  for (const hash of missing) {
    const file = byHash.get(hash);
    if (file === undefined) continue;
    sent += 1;
    onEvent(`sending the build context ${sent}/${missing.length}`);
    await again(cloud, attempts, () => putFile(cloud, file, signal));
  }
  const { mountId } = await again(cloud, attempts, () =>
    client.cpClient.mountGetOrCreate(
      {
        objectCreationType: ANONYMOUS_OWNED_BY_APP,
        appId: app.appId,
        files: files.map(({ name, sha256, size, mode }) => ({ filename: `/${name}`, sha256Hex: sha256, size, mode })),
      },
      { signal },
    ),
  );
  return mountId;
}

async function putFile({ client }: Cloud, file: ContextFile, signal: AbortSignal): Promise<void> {
  const data = await readFile(file.hostPath);
  const { exists } = await client.cpClient.mountPutFile({ sha256Hex: file.sha256, data }, { signal });
  if (!exists)
    throw new ImageBuildError(`Modal did not keep ${file.name} of the build context`, { origin: 'provider' });
}

interface Built {
  readonly imageId: string;
  readonly cacheHit: boolean;
}

async function build(cloud: Cloud, image: ImageDefinition, prebuilt: boolean, ctx: PrepareContext): Promise<Built> {
  const { client, app } = cloud;
  const { signal, onEvent } = ctx;
  const attempts = { what: 'build', call: 'control', signal, onEvent } as const;
  const builderVersion = await again(cloud, attempts, () => client.getImageBuilderVersion());
  const registry = image.imageRegistryConfig ?? { registryAuthType: PUBLIC, secretId: '' };
  const request = {
    appId: app.appId,
    builderVersion,
    forceBuild: ctx.forceBuild,
    image: prebuilt ? { ...image, imageRegistryConfig: registry } : image,
  };
  onEvent('building');
  const { imageId, result } = await again(cloud, attempts, () => client.cpClient.imageGetOrCreate(request, { signal }));
  if (result !== undefined && result.status === SUCCESS) return { imageId, cacheHit: true };
  let log = '';
  const onLog = (chunk: string) => {
    if (log.length < LOG_LIMIT) log += chunk;
    ctx.onLog(chunk);
  };
  const end = await followBuild(cloud, imageId, onLog, ctx);
  if (end.status !== SUCCESS) throw buildError(end, imageId, log, prebuilt);
  return { imageId, cacheHit: false };
}

/** Follows a build to its end. A broken connection ends the following and not the build: it is taken up where the log stopped. */
async function followBuild(
  cloud: Cloud,
  imageId: string,
  onLog: (chunk: string) => void,
  { signal, onEvent }: PrepareContext,
): Promise<ModalResult> {
  const { client, requestTimeoutMs } = cloud;
  let lastEntryId = '';
  const timeout = Math.min(JOIN_SECS, Math.ceil(requestTimeoutMs / 1000));
  for (;;) {
    const attempts = { what: 'follow the build', call: 'control', signal, onEvent } as const;
    const follow = async (limit: AbortSignal) => {
      const request = { imageId, timeout, lastEntryId, includeLogsForFinished: true };
      for await (const part of client.cpClient.imageJoinStreaming(request, { signal: limit })) {
        limit.throwIfAborted();
        for (const { data } of part.taskLogs) onLog(data);
        if (part.entryId !== '') lastEntryId = part.entryId;
        if (part.result !== undefined && part.result.status !== 0) return part.result;
      }
      return null;
    };
    const limitMs = timeout * 1000 + requestTimeoutMs;
    const result = await again(cloud, attempts, () => limited(limitMs, attempts.what, signal, follow));
    if (result !== null) return result;
    onEvent('building');
  }
}

/** A step that failed is the task's; a base that cannot be pulled and a builder that gives up are not. */
export function buildError(end: ModalResult, imageId: string, log: string, prebuilt: boolean): PlumblineError {
  const said = describeBuild(end);
  const message = prebuilt ? `the image could not be pulled: ${said}` : `the build of ${imageId} failed: ${said}`;
  const details: ErrorDetails = { log };
  const known = knownBuildFailure(said, log, message, details);
  if (known !== null) return known;
  if (end.status !== FAILURE) return new ImageBuildError(message, { ...details, origin: 'provider', retryable: true });
  if (prebuilt) return new ImagePullError(message, { ...details, retryable: false });
  return new ImageBuildError(message, details);
}

function describeBuild(end: ModalResult): string {
  if (end.exception !== '') return end.exception;
  return end.status === FAILURE ? 'a step failed' : describeEnd(end);
}
