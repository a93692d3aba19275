/** `--emulated`: the emulators of a run's remote providers, and the variables that lead its providers to them. */
import { emulatedNames, type RunningEmulator, startEmulator } from '../emulator/index.js';
import type { SandboxProvider } from '../model/provider.js';
import type { ProviderName } from '../model/words.js';
import { type FaultsFile, faultsOf, faultsReport } from './faults-file.js';

export interface EmulatedEnv {
  /** To be laid over the caller's environment before the providers are opened. */
  readonly env: Readonly<Record<string, string>>;
  /** The same provider; its report says that what goes wrong there may stand in a script. */
  annotated(provider: SandboxProvider): SandboxProvider;
  /** What became of the scripted faults, for people; nothing without a script. */
  faultsReport(): string[];
  /** Call it after the providers of the run were closed. Leaves the backend open. */
  close(): Promise<void>;
}

/**
 * Starts the emulator of every name that has one; local providers among the names are passed over.
 * @param backend guarded; makes the sandboxes of all of them
 * @param faults what they do wrong
 */
export async function emulatedEnv(
  names: readonly ProviderName[],
  backend: SandboxProvider,
  faults: FaultsFile | null = null,
  onProblem?: (name: ProviderName, message: string) => void,
): Promise<EmulatedEnv> {
  const known = emulatedNames().filter((name) => names.includes(name));
  const running: RunningEmulator[] = [];
  const close = async () => {
    await Promise.all(running.map((emulator) => emulator.close()));
  };
  try {
    for (const name of known) {
      const watch = onProblem && ((message: string) => onProblem(name, message));
      running.push(
        await startEmulator(name, { backend, faults: faultsOf(faults, name), ...(watch ? { onProblem: watch } : {}) }),
      );
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    env: Object.assign({}, ...running.map((emulator) => emulator.env)),
    annotated: (provider) => annotated(provider, faults),
    faultsReport: () => (faults === null ? [] : faultsReport(faults, running)),
    close,
  };
}

function annotated(provider: SandboxProvider, file: FaultsFile | null): SandboxProvider {
  const count = faultsOf(file, provider.name).length;
  if (file === null || count === 0) return provider;
  const note = `its emulator acts out faults: ${count} of ${file.path}`;
  return {
    ...provider,
    async preflight(signal) {
      const found = await provider.preflight(signal);
      return found.status === 'ready' ? { ...found, warnings: [...(found.warnings ?? []), note] } : found;
    },
  };
}
