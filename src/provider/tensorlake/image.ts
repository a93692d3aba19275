/** Images: found under their registered name, else imported or built once. */
import { randomBytes } from 'node:crypto';
import { ImageBuildError, NetworkError, type PlumblineError } from '../../exception/errors.js';
import type { ImageSpec, Platform, PreparedImage } from '../../model/image.js';
import type { PrepareContext, ProviderContext } from '../../model/provider.js';
import { errorMessage } from '../../util/cause-chain.js';
import { bounded } from '../bounded.js';
import type { BaseConfigs } from '../remote/base-config.js';
import { foundOrMade } from '../remote/found-or-made.js';
import { imageDefaults } from '../remote/image-defaults.js';
import { type Bases, identify, preparedImage, sourceOf } from '../remote/image-identity.js';
import { pinnedName } from '../remote/pin-bases.js';
import { assertPlatform, remotePlatform } from '../remote/platform.js';
import { baseInstead, type Planner } from '../remote/replay.js';
import { retrying } from '../remote/retry.js';
import type { Cloud } from './calls.js';
import { stageBuild } from './context.js';
import { isAlreadyRegistered, mapImageError } from './errors.js';
import { removeById } from './list.js';
import { builtName, importedName } from './names.js';
import { diskOf } from './resources.js';
import type { SdkBuildEvent, SdkBuildOptions } from './sdk.js';

/** Changes when the same input would give another image. */
const RECIPE = 'tensorlake-2';
/** Harbor's disk of the builder, in MB (harbor 0.20, environments/tensorlake.py). */
const BUILDER_DISK_MB = 24_576;
/** Each may take minutes. */
const MAX_BUILDS = 3;

export interface Preparer {
  readonly cloud: Cloud;
  readonly baseConfigs: BaseConfigs;
  readonly lockDir: string;
  readonly emulated: boolean;
  readonly plan: Planner;
}

/** @throws ImageBuildError, ImagePullError, RegistryRateLimitError, EnvironmentDefinitionError and the provider errors */
export async function prepareImage(preparer: Preparer, spec: ImageSpec, ctx: PrepareContext): Promise<PreparedImage> {
  assertPlatform(spec, 'Tensorlake', preparer.emulated);
  const { cloud, baseConfigs, emulated } = preparer;
  const source = sourceOf(spec);
  const platform = remotePlatform(emulated);
  const { warnings, healthcheck, bases } = await imageDefaults(source, platform, baseConfigs, ctx.signal);
  const extra = { recipe: RECIPE, disk: String(diskOf(spec.resources)) };
  const { digest, key } = await identify(spec, platform, bases, extra);
  const known = source.kind === 'prebuilt' ? importedName(source.ref, bases.get(source.ref) ?? null) : builtName(key);
  const name = ctx.forceBuild ? `${known}-fb-${randomBytes(4).toString('hex')}` : known;
  const result = (cacheHit: boolean) =>
    preparedImage(spec, { ref: name, digest, cacheHit, healthcheck, warnings: [...warnings] }, emulated);
  ctx.onEvent('looking for the image');
  const findRegistered = async () => ((await isRegistered(cloud, name, ctx)) ? result(true) : null);
  return foundOrMade({ dir: preparer.lockDir, name }, ctx, findRegistered, async () => {
    try {
      return result(!(await make(cloud, { spec, platform, bases }, name, ctx)));
    } catch (error) {
      const prepareBase = (base: ImageSpec, at: PrepareContext) => prepareImage(preparer, base, at);
      const { ref, warning } = await baseInstead(error, { image: spec, plan: preparer.plan, prepareBase }, ctx);
      return { ...result(false), source: 'replayed', ref, warnings: [...warnings, warning] };
    }
  });
}

/** Without organization and project the SDK cannot look: the image is then made, and "already there" is as good as found. */
async function isRegistered(at: Cloud, name: string, { signal, onEvent }: ProviderContext): Promise<boolean> {
  if (at.config.organizationId === null || at.config.projectId === null) return false;
  const what = 'look for the image';
  const mayRetry = (error: PlumblineError) => error.retryable;
  return retrying({ what, policy: at.policy, signal, onEvent, mayRetry }, async () => {
    const limit = at.tuning.requestSec * 1000;
    const onExpiry = () => new NetworkError(`${what}: no answer within ${limit} ms`, { origin: 'provider' });
    try {
      return (await bounded({ ms: limit, onExpiry, signal }, () => at.sdk.images.find(name))) !== null;
    } catch (error) {
      signal.throwIfAborted();
      throw mapImageError(error, 'build', what, '');
    }
  });
}

interface Wanted {
  readonly spec: ImageSpec;
  readonly platform: Platform;
  readonly bases: Bases;
}

/** @returns false when somebody else registered it meanwhile */
async function make(at: Cloud, { spec, platform, bases }: Wanted, name: string, ctx: PrepareContext): Promise<boolean> {
  const source = sourceOf(spec);
  const kind = source.kind === 'prebuilt' ? 'import' : 'build';
  const what = source.kind === 'prebuilt' ? `import of ${source.ref}` : `build of ${source.dockerfile}`;
  const options: SdkBuildOptions = {
    registeredName: name,
    diskMb: diskOf(spec.resources),
    builderDiskMb: Math.max(diskOf(spec.resources), BUILDER_DISK_MB),
    ...(at.config.dockerCompat ? { dockerCompat: true } : {}),
  };
  const heard = listenTo(ctx);
  await using staged = source.kind === 'prebuilt' ? null : await stageBuild(source, platform, bases);
  const work = () =>
    source.kind === 'prebuilt'
      ? at.sdk.images.import(pinnedName(source.ref, bases.get(source.ref) ?? null), options, heard.emit)
      : at.sdk.images.build(staged?.dockerfile ?? source.dockerfile, options, heard.emit);
  // Building twice registers once: the name is the content's. A build whose own step failed is not retryable.
  const mayRetry = (error: PlumblineError) => error.retryable && error.type !== 'ProviderQuotaError';
  const policy = { ...at.policy, tries: Math.min(at.policy.tries, MAX_BUILDS) };
  const retry = { what, policy, signal: ctx.signal, mayRetry, onEvent: ctx.onEvent };
  return await retrying(retry, async (attempt) => {
    if (attempt > 1 && (await isRegistered(at, name, ctx))) return true; // only the answer was lost
    const onExpiry = () => new ImageBuildError(`${what}: unreachable, it has no limit of its own`);
    const silence = watchSilence(at.tuning.buildSilenceSec, what);
    heard.onWord(silence.heard);
    try {
      await bounded({ ms: null, onExpiry, signal: AbortSignal.any([ctx.signal, silence.signal]) }, work);
    } catch (error) {
      await sweep(at, heard.builders(error));
      ctx.signal.throwIfAborted();
      // the other's image may still be on its way into the registry: looking again decides
      if (isAlreadyRegistered(error) && (await isRegisteredOrUnknown(at, name, ctx))) return false;
      throw mapImageError(error, kind, what, heard.log());
    } finally {
      heard.onWord(() => {}); // a build that was given up goes on talking
      silence.stop();
    }
    await sweep(at, heard.builders()); // the SDK has deleted its own; one of an earlier try may be left
    return true;
  });
}

interface Silence {
  readonly signal: AbortSignal;
  readonly heard: (event: SdkBuildEvent) => void;
  stop(): void;
}

/**
 * The SDK's image functions take no limit. Each of their steps says something, so silence means that a call hangs; only the
 * builder's own program may be silent for long, as the task's own steps are.
 */
function watchSilence(seconds: number, what: string): Silence {
  const controller = new AbortController();
  const expire = () => {
    const message = `${what}: nothing was heard of it for ${seconds} s`;
    controller.abort(new NetworkError(message, { origin: 'provider' }));
  };
  let timer = setTimeout(expire, seconds * 1000);
  return {
    signal: controller.signal,
    heard({ type, message = '' }) {
      clearTimeout(timer);
      const building = type === 'build_log' || /^Running .*builder/.test(message);
      if (!building) timer = setTimeout(expire, seconds * 1000);
    },
    stop: () => clearTimeout(timer),
  };
}

async function isRegisteredOrUnknown(at: Cloud, name: string, ctx: ProviderContext): Promise<boolean> {
  if (at.config.organizationId === null || at.config.projectId === null) return true;
  return isRegistered(at, name, ctx);
}

interface Heard {
  readonly emit: (event: SdkBuildEvent) => void;
  onWord(listener: (event: SdkBuildEvent) => void): void;
  log(): string;
  /** The machines that built, from what was said and from the error: each is in the journal until it is said to be gone. */
  builders(error?: unknown): Map<string, () => Promise<void>>;
}

const MAX_LOG = 1024 * 1024;

function listenTo(ctx: PrepareContext): Heard {
  let log = '';
  const builders = new Map<string, () => Promise<void>>();
  let tell: (event: SdkBuildEvent) => void = () => {};
  const find = (text: string) => {
    for (const [, id = ''] of text.matchAll(/builder sandbox:? ([a-z0-9]+)/gi)) {
      if (builders.has(id)) continue;
      const announced = ctx.announce?.(id);
      announced?.catch(() => undefined); // whoever says that it is gone is told
      builders.set(id, async () => (await announced)?.());
    }
  };
  return {
    onWord(listener) {
      tell = listener;
    },
    emit(event) {
      const { type, message } = event;
      tell(event);
      if (message === undefined) return;
      find(message);
      if (type === 'build_log') {
        log = `${log}${message}\n`.slice(-MAX_LOG);
        ctx.onLog(`${message}\n`);
      } else ctx.onEvent(message);
    },
    log: () => log,
    builders(error) {
      if (error !== undefined) find(errorMessage(error));
      return builders;
    },
  };
}

/** The SDK deletes its builder itself unless it was given up or cut off. What cannot be deleted now stays in the journal. */
async function sweep(at: Cloud, builders: Map<string, () => Promise<void>>): Promise<void> {
  const removals = [...builders].map(async ([id, gone]) => {
    await removeById(at, id);
    builders.delete(id);
    await gone();
  });
  await Promise.allSettled(removals); // the build's error is the one to report
}
