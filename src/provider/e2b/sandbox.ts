/** Creating a sandbox, and one that runs. */
import { PlumblineError } from '../../exception/errors.js';
import type { PreparedImage } from '../../model/image.js';
import type { NetworkPolicy, ProviderContext, Sandbox, SandboxSpec } from '../../model/provider.js';
import { nameLabels, sandboxLabels } from '../labels.js';
import { holderOf, unlessFull } from '../remote/adaptive-limit.js';
import type { RuntimeDefaults } from '../remote/image-config.js';
import { startKeepAlive } from '../remote/keep-alive.js';
import { startMainProcess } from '../remote/main-process.js';
import { type Planner, replayImage } from '../remote/replay.js';
import { retrying } from '../remote/retry.js';
import { runningSandbox } from '../remote/running.js';
import { again, type Cloud, limited } from './calls.js';
import { e2bError, hadNoEffect, statusOf } from './errors.js';
import { findByLabels, killNamed, look, removeSandbox } from './list.js';
import { createOptions, updateOptions } from './network.js';
import { effectiveOf } from './resources.js';
import type { E2bSandbox } from './sdk.js';
import { e2bShell } from './shell.js';
import { restoreTmp, TMP_INTERVENTION } from './tmp.js';

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
  const { cloud, spec, ctx, image, defaults } = input;
  const { policy, lifetimeMs } = cloud;
  const created = await create(input);
  const shell = e2bShell(created);
  const keepAlive = startKeepAlive({ everyMs: lifetimeMs / 3, renew: () => created.setTimeout(lifetimeMs) });
  const { onEvent } = ctx;
  const remove = async () => {
    await removeSandbox(cloud, created.sandboxId, nameLabels(spec.name, spec.owner), onEvent).finally(() =>
      cloud.creates.gone(spec.name),
    );
  };
  const done: string[] = [];
  const settle = async () => {
    ctx.signal.throwIfAborted();
    if (image.source === 'replayed') {
      await replayImage({ image: spec.image.spec, plan: input.plan, shell, policy }, ctx);
    }
    ctx.onEvent('starting');
    // a published image has no steps of ours that could have kept it
    if (image.source === 'built' && !spec.raw && (await restoreTmp(shell, policy, ctx))) done.push(TMP_INTERVENTION);
    await startMainProcess(shell, { defaults, env: spec.env }, policy, ctx);
    return look(cloud, created.sandboxId, ctx);
  };
  const info = await settle().catch(async (error: unknown) => {
    keepAlive.stop();
    await remove().catch(() => undefined); // the first failure counts; the guard sweeps by name once more
    throw error;
  });
  ctx.onEvent('running');
  const setNetwork = (next: NetworkPolicy, signal?: AbortSignal) =>
    again(cloud, { what: 'setNetwork', call: 'control', signal, onEvent }, () =>
      limited(cloud, 'setNetwork', signal, () => created.updateNetwork(updateOptions(next))),
    );
  return runningSandbox({
    id: created.sandboxId,
    spec,
    shell,
    defaults,
    effective: effectiveOf(info),
    interventions: done,
    policy,
    keepAlive,
    setNetwork: input.canSetNetwork ? setNetwork : null,
    onEvent,
    remove,
  });
}

/**
 * One create call, repeated only when the last one provably made nothing. After a lost reply the sandbox is looked for by name and,
 * when it is there, taken over.
 */
async function create({ cloud, spec, ctx, image }: SandboxInput): Promise<E2bSandbox> {
  const { client, lifetimeMs, policy } = cloud;
  const named = nameLabels(spec.name, spec.owner);
  let unsure = false;
  const mayRetry = unlessFull((error) => hadNoEffect(error) || (error.retryable && isUnsure(error)));
  const { signal, onEvent, queued } = ctx;
  return await retrying({ what: 'create', policy, signal, mayRetry, onEvent, queued }, async () => {
    if (unsure) {
      const [found] = await findByLabels(cloud, named, onEvent);
      if (found !== undefined) {
        ctx.onEvent('found the sandbox of the lost reply');
        return await again(cloud, { what: 'connect', call: 'control', onEvent }, () =>
          client.Sandbox.connect(found.sandboxId, { timeoutMs: lifetimeMs }),
        );
      }
    }
    const once = async () => {
      try {
        return await limited(cloud, 'create', ctx.signal, (limit) =>
          client.Sandbox.create(image.ref, {
            metadata: sandboxLabels(spec),
            timeoutMs: lifetimeMs,
            signal: limit,
            ...createOptions(spec.network),
          }),
        );
      } catch (error) {
        throw e2bError(error, 'create', 'create');
      }
    };
    try {
      return await cloud.creates.run(holderOf(spec), once, ctx);
    } catch (error) {
      unsure ||= !(error instanceof PlumblineError) || !hadNoEffect(error);
      // What an abort leaves behind is removed by the guard, by name; here only what has arrived already.
      if (ctx.signal.aborted) await killNamed(cloud, named).catch(() => undefined);
      throw error;
    }
  });
}

/** The reply is lost or was an error of the servers in between: the sandbox may exist. */
function isUnsure(error: PlumblineError): boolean {
  if (error.type === 'NetworkError') return true;
  return error.type === 'SandboxCreateError' && (statusOf(error.details.cause) ?? 0) >= 500;
}
