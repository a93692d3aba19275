/** What a composition root hands to every provider factory; providers never read the process environment themselves. */
import type { BaseConfigs } from './remote/base-config.js';

export interface ProviderOptions {
  /** Environment variables of the caller: credentials, DOCKER_HOST, XDG directories. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute directory for state that must survive the process (journal, sandboxes, image store). */
  readonly stateDir: string;
  /** `--ek key=value` of the command line, as text. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Look-ups in registries that the providers of a process share; absent: each has its own. */
  readonly baseConfigs?: BaseConfigs;
}
