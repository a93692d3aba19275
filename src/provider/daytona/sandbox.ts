/** Creating a sandbox, and one that runs. */
import { SandboxCreateError } from '../../exception/errors.js';
import type { PreparedImage } from '../../model/image.js';
import type { NetworkPolicy, ProviderContext, Sandbox, SandboxSpec } from '../../model/provider.js';
import { sleep } from '../../util/deadline.js';
import { sandboxLabels } from '../labels.js';
import { holderOf, unlessFull } from '../remote/adaptive-limit.js';
import type { RuntimeDefaults } from '../remote/image-config.js';
import { startKeepAlive } from '../remote/keep-alive.js';
import { startMainProcess } from '../remote/main-process.js';
import { type Planner, replayImage } from '../remote/replay.js';
import { runningSandbox } from '../remote/running.js';
import { again, asSandbox, type Cloud } from './calls.js';
import { daytonaError, isRepeatable, statusOf } from './errors.js';
import { findSandbox, isOf, removeSandbox } from './list.js';
import { createSettings, updateSettings } from './network.js';
import { effectiveOf } from './resources.js';
import type { SandboxDto } from './sdk.js';
import { daytonaShell } from './shell.js';

/** Minutes beyond the run's own expiry, and at least. */
const TTL_SLACK_MINUTES = 60;

export interface SandboxInput {
  readonly cloud: Cloud;
  readonly spec: SandboxSpec;
  readonly ctx: ProviderContext;
  /** Of the size that is asked for. */
  readonly image: PreparedImage;
  readonly defaults: RuntimeDefaults;
  readonly plan: Planner;
  readonly canSetNetwork: boolean;
}

export async function createSandbox(input: SandboxInput): Promise<Sandbox> {
  const { cloud, spec, ctx, defaults } = input;
  const { policy } = cloud;
  const { name, owner } = spec;
  const { onEvent } = ctx;
  const open = async () => {
    const created = await untilStarted(cloud, await create(input), ctx);
    const toolbox = await again(cloud, { what: 'open the toolbox', call: 'control', signal: ctx.signal, onEvent }, () =>
      cloud.client.toolbox(created),
    );
    const shell = daytonaShell(cloud, toolbox, created.id);
    if (input.image.source === 'replayed') {
      await replayImage({ image: spec.image.spec, plan: input.plan, shell, policy }, ctx);
    }
    ctx.onEvent('starting the main process');
    await startMainProcess(shell, { defaults, env: spec.env }, policy, ctx);
    return { created, toolbox, shell };
  };
  const { created, toolbox, shell } = await open().catch(async (error: unknown) => {
    // The first failure counts; the guard sweeps by name once more.
    await removeSandbox(cloud, name, owner.runId).catch(() => undefined);
    cloud.creates.gone(name);
    throw error;
  });
  ctx.onEvent('running');
  const everyMs = (cloud.autoStopMinutes * 60_000) / 3;
  const setNetwork = async (next: NetworkPolicy, signal?: AbortSignal) => {
    const settings = updateSettings(next);
    await again(cloud, { what: 'setNetwork', call: 'control', signal, onEvent }, (options) =>
      cloud.client.sandboxApi.updateNetworkSettings(created.id, settings, undefined, options),
    );
  };
  return runningSandbox({
    id: created.id,
    spec,
    shell,
    defaults,
    effective: effectiveOf(created),
    policy,
    keepAlive: startKeepAlive({ everyMs, renew: () => toolbox.refreshActivity() }),
    setNetwork: input.canSetNetwork ? setNetwork : null,
    onEvent,
    async remove() {
      await removeSandbox(cloud, created.id, owner.runId, onEvent);
      await removeSandbox(cloud, name, owner.runId, onEvent);
      cloud.creates.gone(name);
    },
  });
}

/**
 * Repeated freely: the name is unique in the organisation, so a second sandbox of it is refused, and the first one taken over. An
 * abort does not cut the request off: only when its reply is here is it known that nothing arrives after the sweep.
 */
async function create({ cloud, spec, ctx, image }: SandboxInput): Promise<SandboxDto> {
  const untilExpiryMs = Date.parse(spec.owner.expiresAt) - Date.now();
  const minutesLeft = Math.ceil(Math.min(untilExpiryMs, spec.lifetimeMs ?? Number.POSITIVE_INFINITY) / 60_000);
  const body = {
    name: spec.name,
    snapshot: image.ref,
    env: {},
    labels: sandboxLabels(spec),
    ...(cloud.target === null ? {} : { target: cloud.target }),
    ...createSettings(spec.network),
    autoStopInterval: cloud.autoStopMinutes,
    autoDeleteInterval: 0,
    ttlMinutes: Math.max(TTL_SLACK_MINUTES, minutesLeft + TTL_SLACK_MINUTES),
  };
  const options = { timeout: cloud.requestTimeoutMs };
  const { signal, onEvent, queued } = ctx;
  const attempt = {
    what: 'create',
    call: 'create',
    signal,
    onEvent,
    queued,
    mayRetry: unlessFull(isRepeatable),
  } as const;
  const post = async (): Promise<SandboxDto> => {
    try {
      return asSandbox((await cloud.client.sandboxApi.createSandbox(body, undefined, options)).data);
    } catch (error) {
      ctx.signal.throwIfAborted();
      const typed = daytonaError(error, 'create', 'create');
      if (statusOf(error) !== 409) throw typed;
      const found = await findSandbox(cloud, spec.name, ctx);
      if (found === null || !isOf(found, spec.owner.runId)) throw typed;
      ctx.onEvent('found the sandbox of the lost reply');
      return found;
    }
  };
  return again(cloud, attempt, () => cloud.creates.run(holderOf(spec), post, ctx));
}

/** @throws SandboxCreateError with the state and the reason in which it ended */
async function untilStarted(cloud: Cloud, created: SandboxDto, ctx: ProviderContext): Promise<SandboxDto> {
  let seen = '';
  for (let sandbox: SandboxDto | null = created; ; ) {
    const state = sandbox?.state ?? 'deleted';
    if (state !== seen) ctx.onEvent(state);
    seen = state;
    if (sandbox !== null && state === 'started') return sandbox;
    if (sandbox === null || ['error', 'build_failed', 'stopped', 'archived', 'destroying'].includes(state)) {
      const reason = sandbox?.errorReason ?? 'no reason given';
      throw new SandboxCreateError(`the sandbox did not start: ${state}: ${reason}`, { providerState: state });
    }
    await sleep(cloud.pollMs, ctx.signal);
    sandbox = await findSandbox(cloud, created.id, ctx);
  }
}
