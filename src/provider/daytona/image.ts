/**
 * From an environment's definition to a snapshot. Its name holds the content and what Daytona bakes in, so equal environments share
 * it, across trials, runs and hosts.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageBuildError, NetworkError, type PlumblineError } from '../../exception/errors.js';
import type { ImageSpec, PreparedImage } from '../../model/image.js';
import type { PrepareContext } from '../../model/provider.js';
import { sleep } from '../../util/deadline.js';
import { bounded } from '../bounded.js';
import type { BaseConfigs } from '../remote/base-config.js';
import { knownBuildFailure } from '../remote/build-failure.js';
import type { Attempt } from '../remote/calls.js';
import { foundOrMade } from '../remote/found-or-made.js';
import { imageDefaults } from '../remote/image-defaults.js';
import { identify, imageName, preparedImage, sourceOf } from '../remote/image-identity.js';
import { assertPlatform, remotePlatform } from '../remote/platform.js';
import { baseInstead, type Planner } from '../remote/replay.js';
import { followBuildLog, type HeardLog } from './build-log.js';
import { again, asSnapshot, type Cloud, unlessMissing } from './calls.js';
import { type BuildInput, buildInput } from './context.js';
import { type DaytonaCall, statusOf } from './errors.js';
import { type SnapshotSize, snapshotSize } from './resources.js';
import type { ContextItem, SnapshotDto } from './sdk.js';

/** Changes when the same definition would become another snapshot. */
const RECIPE = 'daytona/2';
/** Looks in a row at a snapshot that was said to exist and is not found (harbor#2417). */
const MAX_MISSING = 10;
/** 100 kB/s: slower counts as stuck. */
const SLOWEST_BYTES_PER_MS = 100;

export interface Preparer {
  readonly cloud: Cloud;
  readonly baseConfigs: BaseConfigs;
  readonly lockDir: string;
  readonly emulated: boolean;
  readonly plan: Planner;
}

/** @throws ImageBuildError, ImagePullError, RegistryRateLimitError, EnvironmentDefinitionError and the provider errors */
export async function prepareSnapshot(
  preparer: Preparer,
  spec: ImageSpec,
  ctx: PrepareContext,
): Promise<PreparedImage> {
  assertPlatform(spec, 'Daytona', preparer.emulated);
  const { cloud, baseConfigs, emulated } = preparer;
  const size = snapshotSize(spec.resources);
  const baked = Object.fromEntries(Object.entries(size).map(([key, value]) => [key, String(value)]));
  const platform = remotePlatform(emulated);
  const { warnings, healthcheck, bases } = await imageDefaults(sourceOf(spec), platform, baseConfigs, ctx.signal);
  const extra = { recipe: RECIPE, target: cloud.target ?? '', ...baked };
  const { digest, key } = await identify(spec, platform, bases, extra);
  const name = `${imageName(key)}${ctx.forceBuild ? `-fb-${randomBytes(4).toString('hex')}` : ''}`;
  const result = (cacheHit: boolean) =>
    preparedImage(spec, { ref: name, digest, cacheHit, healthcheck, warnings: [...warnings] }, emulated);
  const input = (tmp: string) => buildInput(sourceOf(spec), platform, bases, tmp);
  const findActive = async () => ((await find(cloud, name, ctx))?.state === 'active' ? result(true) : null);
  return foundOrMade({ dir: preparer.lockDir, name }, ctx, findActive, async () => {
    try {
      return result(!(await make(cloud, input, name, size, ctx)));
    } catch (error) {
      const prepareBase = (base: ImageSpec, at: PrepareContext) => prepareSnapshot(preparer, base, at);
      const { ref, warning } = await baseInstead(error, { image: spec, plan: preparer.plan, prepareBase }, ctx);
      return { ...result(false), source: 'replayed', ref, warnings: [...warnings, warning] };
    }
  });
}

async function find(cloud: Cloud, name: string, ctx: PrepareContext): Promise<SnapshotDto | null> {
  return again(cloud, attemptOf('look for the snapshot', ctx), async (options) => {
    const reply = await unlessMissing(cloud.client.snapshotsApi.getSnapshot(name, undefined, options));
    return reply === null ? null : asSnapshot(reply.data);
  });
}

/** Until it is active, whoever builds it. @returns whether it was built here */
async function make(
  cloud: Cloud,
  input: (tmp: string) => Promise<BuildInput>,
  name: string,
  size: SnapshotSize,
  ctx: PrepareContext,
): Promise<boolean> {
  let built = false;
  let seen: string | null = null;
  let missing = 0;
  let log: HeardLog | null = null;
  try {
    for (;;) {
      const snapshot = await find(cloud, name, ctx);
      const state = snapshot?.state ?? 'missing';
      if (state !== seen && snapshot !== null) ctx.onEvent(`snapshot ${state}`);
      seen = state;
      if (snapshot === null) {
        missing += 1;
        if (built && missing > MAX_MISSING) {
          throw new ImageBuildError(`Daytona says that snapshot ${name} exists and does not show it`, {
            origin: 'provider',
            providerState: 'missing',
          });
        }
        if (!built || missing > MAX_MISSING / 2) built = await create(cloud, input, name, size, ctx);
        await sleep(cloud.pollMs, ctx.signal);
        continue;
      }
      missing = 0;
      switch (state) {
        case 'active':
          await log?.ended();
          return built;
        case 'inactive':
          await again(cloud, attemptOf('activate the snapshot', ctx), (options) =>
            cloud.client.snapshotsApi.activateSnapshot(snapshot.id, undefined, options),
          );
          break;
        case 'error':
        case 'build_failed':
          if (built) log ??= followBuildLog(cloud, snapshot.id, ctx); // it may have failed between two looks
          await log?.ended();
          // a failed one keeps its name, and with it every later try
          await remove(cloud, snapshot, ctx);
          if (built) throw buildError(snapshot, log?.text() ?? '');
          break;
        case 'building':
          log ??= followBuildLog(cloud, snapshot.id, ctx);
          break;
        default: // pending, pulling, snapshotting, removing: it goes on by itself
      }
      await sleep(cloud.pollMs, ctx.signal);
    }
  } finally {
    log?.stop();
  }
}

/** True also when somebody else was first: then that one is waited for. */
async function create(
  cloud: Cloud,
  input: (tmp: string) => Promise<BuildInput>,
  name: string,
  size: SnapshotSize,
  ctx: PrepareContext,
): Promise<boolean> {
  const tmp = await mkdtemp(join(tmpdir(), 'plumbline-daytona-'));
  try {
    const { dockerfile, context } = await input(tmp);
    ctx.onEvent('sending the build context');
    const contextHashes = await sendContext(cloud, context, ctx);
    // equal text is built once for all; a forced build must differ
    const dockerfileContent = ctx.forceBuild ? `${dockerfile}# ${name}\n` : dockerfile;
    const body = {
      name,
      buildInfo: { dockerfileContent, contextHashes },
      ...size,
      ...(cloud.target === null ? {} : { regionId: cloud.target }),
    };
    await again(cloud, attemptOf('create the snapshot', ctx), async (options) => {
      try {
        await cloud.client.snapshotsApi.createSnapshot(body, undefined, options);
      } catch (error) {
        if (statusOf(error) !== 409) throw error;
        ctx.onEvent('the snapshot exists already');
      }
    });
    return true;
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
}

async function remove(cloud: Cloud, snapshot: SnapshotDto, ctx: PrepareContext): Promise<void> {
  await again(cloud, attemptOf('delete the failed snapshot', ctx), (options) =>
    unlessMissing(cloud.client.snapshotsApi.removeSnapshot(snapshot.id, undefined, options)),
  );
}

/** What was sent already is found by its hash, so the upload as a whole may be repeated. Its own client knows no limit. */
async function sendContext(cloud: Cloud, context: readonly ContextItem[], ctx: PrepareContext): Promise<string[]> {
  if (context.length === 0) return [];
  let bytes = 0;
  for (const { sourcePath } of context) bytes += (await stat(sourcePath)).size;
  const ms = cloud.requestTimeoutMs + bytes / SLOWEST_BYTES_PER_MS;
  const what = 'send the build context';
  const onExpiry = () => new NetworkError(`${what}: not done within ${Math.ceil(ms / 1000)} s`, { origin: 'provider' });
  return again(cloud, { ...attemptOf(what, ctx), call: 'storage' }, () =>
    bounded({ ms, onExpiry, signal: ctx.signal }, () => cloud.client.uploadContext(context)),
  );
}

function attemptOf(what: string, { signal, onEvent }: PrepareContext): Attempt<DaytonaCall> {
  return { what, call: 'image', signal, onEvent };
}

/** A step that failed is the task's; a base that cannot be pulled and a builder that gives up are not. */
export function buildError({ name, state, errorReason }: SnapshotDto, log: string): PlumblineError {
  const message = `the build of ${name} failed: ${errorReason ?? 'no reason given'}`;
  const details = { log, providerState: state };
  const known = knownBuildFailure(errorReason ?? '', log, message, details);
  if (known !== null) return known;
  // "Timeout while building snapshot on runner" and the like (server v0.190)
  if (/timeout while|on runner|no available runners?/i.test(errorReason ?? '')) {
    return new ImageBuildError(message, { ...details, origin: 'provider', retryable: true });
  }
  return new ImageBuildError(message, details);
}
