/** Emulators by name; the code of one, and what it needs, is loaded only when it is asked for. */
import { HarnessError } from '../exception/errors.js';
import type { ProviderName } from '../model/words.js';
import type { EmulatedCalls } from './core/calls.js';
import type { EmulatorOptions, RunningEmulator } from './core/types.js';
import { DAYTONA_CALLS } from './daytona/calls.js';
import { E2B_CALLS } from './e2b/calls.js';
import { MODAL_CALLS } from './modal/calls.js';
import { TENSORLAKE_CALLS } from './tensorlake/calls.js';

export type { EmulatorOptions, RunningEmulator } from './core/types.js';

const CALLS: Partial<Record<ProviderName, EmulatedCalls>> = {
  tensorlake: TENSORLAKE_CALLS,
  e2b: E2B_CALLS,
  modal: MODAL_CALLS,
  daytona: DAYTONA_CALLS,
};

const STARTERS: Partial<Record<ProviderName, (options: EmulatorOptions) => Promise<RunningEmulator>>> = {
  tensorlake: async (options) => (await import('./tensorlake/index.js')).startTensorlakeEmulator(options),
  e2b: async (options) => (await import('./e2b/index.js')).startE2bEmulator(options),
  modal: async (options) => (await import('./modal/index.js')).startModalEmulator(options),
  daytona: async (options) => (await import('./daytona/index.js')).startDaytonaEmulator(options),
};

/** Providers that can be emulated, in the order of the provider list. */
export function emulatedNames(): ProviderName[] {
  return Object.keys(STARTERS) as ProviderName[];
}

/** The calls of a provider's emulator, by name; none for a provider without one. */
export function emulatedCalls(name: ProviderName): EmulatedCalls {
  return CALLS[name] ?? {};
}

/**
 * Starts the emulator of one provider on loopback.
 * @throws HarnessError for a provider that has none
 */
export async function startEmulator(name: ProviderName, options: EmulatorOptions): Promise<RunningEmulator> {
  const start = STARTERS[name];
  if (start === undefined) {
    throw new HarnessError(`there is no emulator of ${name}, only of ${emulatedNames().join(', ')}`);
  }
  return await start(options);
}
