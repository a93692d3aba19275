/** What every emulator takes and gives. */
import type { SandboxProvider } from '../../model/provider.js';
import type { RunningFacts } from './facts.js';
import type { FaultScript, ScriptedFault } from './faults.js';

export interface EmulatorOptions {
  /** Guarded; makes every sandbox and image that the emulated cloud seems to make. */
  readonly backend: SandboxProvider;
  readonly faults?: readonly ScriptedFault[];
  /** Default: a free port. */
  readonly port?: number;
  /** Where clients find it, when something stands before it (a TLS front, a proxy): what its own replies name. Default: its own URL. */
  readonly publicUrl?: string;
  /** Requests that nothing answers, and faults of the emulator itself. */
  readonly onProblem?: (message: string) => void;
}

export interface RunningEmulator {
  /** Variables that point the SDK and the provider here. */
  readonly env: Readonly<Record<string, string>>;
  /** Counts the calls that came, for tests, and the faults that were acted out. */
  readonly calls: FaultScript;
  /** Names of the calls that it answers. */
  readonly callNames: readonly string[];
  /** Kills every sandbox and stops listening. */
  close(): Promise<void>;
}

/**
 * Variables that every emulator hands out beside its own: the provider then reports `emulated`, and offers no network mode
 * or limit that the backend behind the emulator cannot enforce.
 * @param name of the provider, upper case
 * @param facts where it asks for what the API has no word for
 */
export function emulatedFlags(name: string, backend: SandboxProvider, facts: RunningFacts): Record<string, string> {
  const { networkModes, dynamicNetwork, limits } = backend.capabilities;
  return {
    [`PLUMBLINE_EMULATED_${name}`]: '1',
    [`PLUMBLINE_EMULATED_${name}_FACTS`]: facts.url,
    [`PLUMBLINE_EMULATED_${name}_NETWORK`]: [...networkModes, ...(dynamicNetwork ? ['dynamic'] : [])].join(','),
    [`PLUMBLINE_EMULATED_${name}_LIMITS`]: (['cpus', 'memory', 'storage'] as const)
      .filter((limit) => limits[limit])
      .join(','),
  };
}
