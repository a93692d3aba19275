/** A remote sandbox that is ready, to the contract: what is the same whichever SDK made it. */
import type { Effective, NetworkPolicy, ProviderContext, Sandbox, SandboxSpec } from '../../model/provider.js';
import { createTagPool, execRemote } from './exec.js';
import { downloadRemote, uploadRemote } from './files.js';
import type { RuntimeDefaults } from './image-config.js';
import type { KeepAlive } from './keep-alive.js';
import type { RetryPolicy } from './retry.js';
import { REMOTE_INTERVENTIONS, type RemoteShell } from './shell.js';

export interface RunningInput {
  readonly id: string;
  readonly spec: Pick<SandboxSpec, 'env' | 'workdir'>;
  readonly shell: RemoteShell;
  /** What the image gives a process. */
  readonly defaults: Pick<RuntimeDefaults, 'env' | 'workdir' | 'user'>;
  readonly effective: Effective;
  /** Beside those of every remote provider; none with `raw`. */
  readonly interventions?: readonly string[];
  readonly policy: RetryPolicy;
  /** Milliseconds without a sign of life after which a command's connection counts as dead; absent: exec.ts's own. */
  readonly silenceMs?: number;
  /** Null where the provider knows only an end, not a renewal. */
  readonly keepAlive: KeepAlive | null;
  /** Null where the policy of a running sandbox cannot be changed. */
  readonly setNetwork: ((next: NetworkPolicy, signal?: AbortSignal) => Promise<void>) | null;
  /** Of its create: hears of recoveries as long as it lives. */
  readonly onEvent: ProviderContext['onEvent'];
  /** Deletes it and whatever else bears its name; what is gone is no error. */
  readonly remove: () => Promise<void>;
}

export function runningSandbox(input: RunningInput): Sandbox {
  const { shell, spec, defaults, policy, silenceMs, keepAlive, setNetwork, onEvent } = input;
  const target = {
    shell,
    policy,
    onEvent,
    workdir: spec.workdir ?? defaults.workdir,
    user: defaults.user,
    env: { ...defaults.env, ...spec.env },
    tags: createTagPool(),
    finished: [],
    ...(silenceMs === undefined ? {} : { silenceMs }),
  };
  return {
    id: input.id,
    effective: input.effective,
    interventions: [...REMOTE_INTERVENTIONS, ...(input.interventions ?? [])],
    exec: (argv, options) => execRemote(target, argv, options),
    upload: (hostPath, to, options) => uploadRemote(target, hostPath, to, options),
    download: (from, hostPath, options) => downloadRemote(target, from, hostPath, options),
    ...(setNetwork === null ? {} : { setNetwork }),
    async [Symbol.asyncDispose]() {
      keepAlive?.stop();
      await input.remove();
    },
  };
}
