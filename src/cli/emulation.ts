/** `--emulated` for a run: its remote providers' emulators, on the first local provider that can be used. */
import { emulatedNames } from '../emulator/index.js';
import type { ProviderName } from '../model/words.js';
import { type EmulatedEnv, emulatedEnv } from './emulated.js';
import { readFaults } from './faults-file.js';
import type { CliIo } from './io-types.js';
import { openSession, providerNames } from './session.js';
import { UsageError } from './usage-error.js';

const BACKENDS: readonly ProviderName[] = ['embedded', 'docker'];
const PREFLIGHT_LIMIT_MS = 30_000;

/** @param faultsPath of `--faults` @throws UsageError when the faults are not valid or no local provider can make the emulators' sandboxes */
export async function startEmulation(
  names: readonly string[],
  faultsPath: string | null,
  io: Pick<CliIo, 'env' | 'cwd'>,
  say: (line: string) => void,
): Promise<EmulatedEnv> {
  const wanted = providerNames(names);
  const emulated = emulatedNames().filter((name) => wanted.includes(name));
  const faults = faultsPath === null ? null : await readFaults(faultsPath, io.cwd, emulated);
  if (faults !== null && faults.others.length > 0) {
    say(`note: ${faults.path} has faults of ${faults.others.join(', ')} too, which this run does not emulate`);
  }
  const session = openSession(io);
  const missing: string[] = [];
  for (const name of BACKENDS) {
    const backend = await session.open(name);
    const preflight = await backend.preflight(AbortSignal.timeout(PREFLIGHT_LIMIT_MS));
    if (preflight.status === 'missing') {
      missing.push(`${name}: ${preflight.what}; ${preflight.fix}`);
      await backend.close?.();
      continue;
    }
    const emulation = await emulatedEnv(wanted, backend, faults, (who, message) =>
      say(`emulator of ${who}: ${message}`),
    );
    return {
      ...emulation,
      async close() {
        await emulation.close();
        await backend.close?.();
        await session.journal.close();
      },
    };
  }
  throw new UsageError('--emulated has no local provider for its sandboxes', missing.join('\n  '), 3);
}
