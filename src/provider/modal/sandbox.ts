/** Creating a sandbox, and one that runs. */
import { PlumblineError, SandboxCreateError, SandboxLostError } from '../../exception/errors.js';
import type { PreparedImage } from '../../model/image.js';
import type { NetworkPolicy, ProviderContext, Sandbox, SandboxSpec } from '../../model/provider.js';
import { KEEP_ALIVE } from '../keep-alive.js';
import { nameLabels, sandboxLabels } from '../labels.js';
import { holderOf, unlessFull } from '../remote/adaptive-limit.js';
import { isTransient } from '../remote/exec.js';
import type { RuntimeDefaults } from '../remote/image-config.js';
import { startKeepAlive } from '../remote/keep-alive.js';
import { startMainProcess } from '../remote/main-process.js';
import { type Planner, replayImage } from '../remote/replay.js';
import { type Retry, retrying } from '../remote/retry.js';
import { runningSandbox } from '../remote/running.js';
import { REMOTE_DIR, type RemoteShell } from '../remote/shell.js';
import { again, type Cloud, isNoAnswer, limited } from './calls.js';
import { endOfSandbox } from './ending.js';
import { modalError } from './errors.js';
import { findByLabels, terminate, terminateNamed } from './list.js';
import { allowlists, createNetwork } from './network.js';
import type { SandboxSize } from './resources.js';
import type { ModalSandbox } from './sdk.js';
import { modalShell } from './shell.js';

/** The longest that Modal allows; `idleMs` ends what nobody uses long before, unless a command still runs in it. */
const LIFETIME_MS = 24 * 3_600_000;
/** Milliseconds without a sign of life of a command's connection; a sign comes every 5 s. */
const SHORTEST_SILENCE_MS = 8_000;
const LONGEST_SILENCE_MS = 30_000;
/** Milliseconds for one try of the first command, which also waits for the boot. */
const FIRST_COMMAND_MS = 60_000;

export interface SandboxInput {
  readonly cloud: Cloud;
  readonly spec: SandboxSpec;
  readonly ctx: ProviderContext;
  readonly image: PreparedImage;
  readonly size: SandboxSize;
  readonly defaults: RuntimeDefaults;
  readonly plan: Planner;
  readonly canSetNetwork: boolean;
}

export async function createSandbox(input: SandboxInput): Promise<Sandbox> {
  const { cloud, spec, ctx, defaults } = input;
  const { policy, idleMs } = cloud;
  const created = await create(input);
  const shell = modalShell(cloud, created);
  // any exec counts as activity; this one needs nothing of the image
  const keepAlive = startKeepAlive({ everyMs: idleMs / 3, renew: () => created.filesystem.stat('/') });
  const { onEvent } = ctx;
  const remove = async () => {
    await terminate(cloud, created.sandboxId, onEvent);
    await terminateNamed(cloud, nameLabels(spec.name, spec.owner), onEvent);
    created.detach();
    cloud.creates.gone(spec.name);
  };
  try {
    await untilUsable(input, created, shell);
    if (input.image.source === 'replayed') {
      await replayImage({ image: spec.image.spec, plan: input.plan, shell, policy }, ctx);
      await startMainProcess(shell, { defaults, env: spec.env }, policy, ctx);
    }
  } catch (error) {
    keepAlive.stop();
    await remove().catch(() => undefined); // the first failure counts; the guard sweeps by name once more
    throw error;
  }
  ctx.onEvent('running');
  return runningSandbox({
    id: created.sandboxId,
    spec,
    shell,
    defaults,
    effective: input.size.effective,
    policy,
    silenceMs: Math.max(SHORTEST_SILENCE_MS, Math.min(LONGEST_SILENCE_MS, cloud.requestTimeoutMs)),
    keepAlive,
    setNetwork: input.canSetNetwork ? (next, signal) => setNetwork(cloud, created, next, { signal, onEvent }) : null,
    onEvent,
    remove,
  });
}

/**
 * One create call. The SDK repeats it under one idempotency key when the connection breaks; the name, which is unique among what
 * runs in the app, tells whether a create whose reply was lost has made something, and that is then taken over.
 */
async function create(input: SandboxInput): Promise<ModalSandbox> {
  const { cloud, spec, ctx, size } = input;
  const { client, app, policy, idleMs } = cloud;
  const { signal, onEvent, queued } = ctx;
  onEvent('creating');
  const image = await again(cloud, { what: 'look for the image', call: 'create', signal, onEvent }, () =>
    client.images.fromId(input.image.ref),
  );
  const params = {
    // Modal itself puts the image's ENTRYPOINT in front of it
    command: [...KEEP_ALIVE],
    name: spec.name,
    tags: sandboxLabels(spec),
    env: mainEnv(spec.env),
    timeoutMs: Math.min(LIFETIME_MS, Math.ceil((spec.lifetimeMs ?? LIFETIME_MS) / 1000) * 1000),
    idleTimeoutMs: Math.ceil(idleMs / 1000) * 1000,
    ...size.params,
    ...createNetwork(spec.network, spec.networkWillChange),
  };
  const once = async () => {
    try {
      return await client.sandboxes.create(app, image, params);
    } catch (error) {
      throw modalError(error, 'create', 'create');
    }
  };
  const mayRetry = unlessFull((error) => error.retryable);
  return await retrying({ what: 'create', policy, signal, mayRetry, onEvent, queued }, async () => {
    try {
      return await cloud.creates.run(holderOf(spec), once, ctx);
    } catch (error) {
      // What an abort leaves behind is removed by the guard, by name.
      ctx.signal.throwIfAborted();
      if (!(error instanceof PlumblineError) || error.type === 'ProviderAuthError') throw error;
      const [found] = await findByLabels(cloud, nameLabels(spec.name, spec.owner), onEvent);
      if (found === undefined) throw error;
      onEvent('found the sandbox of the lost reply', { what: 'create', after: error.type });
      return await client.sandboxes.fromId(found.id);
    }
  });
}

/** For the main process. Names that Modal refuses reach commands all the same: exec brings its own environment. */
function mainEnv(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)));
}

/** A create answers at once, whatever becomes of the sandbox: the first command waits for the boot, and says when there was none. */
async function untilUsable({ cloud, ctx }: SandboxInput, created: ModalSandbox, shell: RemoteShell): Promise<void> {
  ctx.onEvent('starting');
  for (;;) {
    ctx.signal.throwIfAborted();
    const limit = AbortSignal.timeout(FIRST_COMMAND_MS);
    try {
      const signal = AbortSignal.any([ctx.signal, limit]);
      const mayRetry = (error: PlumblineError) => isTransient(error) && !isNoAnswer(error);
      const what = 'first command';
      await retrying({ what, policy: cloud.policy, signal, mayRetry, onEvent: ctx.onEvent }, async () => {
        const end = await shell.script(`mkdir -p -m 711 ${REMOTE_DIR}`, { limitMs: null, signal });
        if (end.exitCode !== 0) throw new SandboxCreateError(`the sandbox cannot run a shell: ${end.stderr.trim()}`);
      });
      return;
    } catch (error) {
      ctx.signal.throwIfAborted();
      const end = await endOfSandbox(cloud.client, created.sandboxId);
      if (end !== null && end !== 'unknown') {
        throw new SandboxCreateError(`the sandbox did not start: ${end}`, { cause: error, providerState: end });
      }
      if (!limit.aborted && !isNoAnswer(error)) throw error;
      ctx.onEvent('starting: no command is answered');
    }
  }
}

async function setNetwork(
  cloud: Cloud,
  sandbox: ModalSandbox,
  policy: NetworkPolicy,
  { signal, onEvent }: Pick<Retry, 'signal' | 'onEvent'>,
): Promise<void> {
  try {
    await again(cloud, { what: 'setNetwork', call: 'control', signal, onEvent }, () =>
      limited(cloud.requestTimeoutMs, 'setNetwork', signal, () => sandbox.updateNetworkPolicy(allowlists(policy))),
    );
  } catch (error) {
    const end = await endOfSandbox(cloud.client, sandbox.sandboxId);
    if (end === null || end === 'unknown') throw error;
    throw new SandboxLostError(`setNetwork: the sandbox is gone: ${end}`, { cause: error, providerState: end });
  }
}
