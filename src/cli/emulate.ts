/** `plumbline emulate PROVIDER`: a remote provider on loopback, until Ctrl-C, for its SDK and for other projects' tests. */
import { CONNECTION_FAULTS } from '../emulator/core/calls.js';
import { emulatedCalls, emulatedNames, startEmulator } from '../emulator/index.js';
import type { SandboxProvider } from '../model/provider.js';
import { PROVIDER_NAMES, type ProviderName } from '../model/words.js';
import { quote } from '../provider/remote/quote.js';
import { faultsOf, faultsReport, readFaults } from './faults-file.js';
import type { CliIo } from './io-types.js';
import { openSession, type Session } from './session.js';
import { textTable } from './text-table.js';
import { UsageError } from './usage-error.js';

/** Exit 0 after Ctrl-C, 2 for a name without an emulator, 3 when no local provider can stand behind it. */
export async function emulateCommand(
  args: readonly string[],
  options: Record<string, unknown>,
  io: CliIo,
): Promise<number> {
  const name = emulatedName(args[0] ?? '');
  if (options['listCalls'] === true) {
    io.stdout(callList(name));
    return 0;
  }
  const given = options['faults'];
  const faults = typeof given === 'string' ? await readFaults(given, io.cwd, [name]) : null;
  const session = openSession(io);
  const backend = await openBackend(session, options['backend'], io);
  if (backend === null) return 3;
  const emulator = await startEmulator(name, {
    backend,
    faults: faultsOf(faults, name),
    ...(typeof options['port'] === 'number' ? { port: options['port'] } : {}),
    onProblem: (message) => io.stderr(`${name}: ${message}\n`),
  });
  io.stderr(
    `${name} is emulated on this machine, its sandboxes run on ${backend.name}. Set these, then Ctrl-C to stop:\n`,
  );
  for (const [key, value] of Object.entries(emulator.env)) io.stdout(`export ${key}=${quote(value)}\n`);
  await interrupted(io);
  if (faults !== null) for (const line of faultsReport(faults, [emulator])) io.stderr(`${line}\n`);
  await emulator.close();
  await backend.close?.();
  await session.journal.close();
  return 0;
}

/** What a script of faults may name. */
function callList(name: ProviderName): string {
  const rows = Object.entries(emulatedCalls(name)).map(([call, { what, acts = [], states }]) => [
    call,
    what,
    acts.map((kind) => (kind === 'stuck' && states !== undefined ? `stuck (${states.join(', ')})` : kind)).join(', '),
  ]);
  return `${textTable([['call', 'what it does', 'faults of its own'], ...rows])}\nevery call: ${CONNECTION_FAULTS.join(', ')}\n`;
}

function emulatedName(text: string): ProviderName {
  const names = emulatedNames();
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  const local = (PROVIDER_NAMES as readonly string[]).includes(text)
    ? `${text} has no emulator`
    : `unknown provider "${text}"`;
  throw new UsageError(local, `emulate takes one of ${names.join(', ')}`);
}

/** Embedded unless told otherwise, docker where it is absent. */
async function openBackend(session: Session, wanted: unknown, io: CliIo): Promise<SandboxProvider | null> {
  const names: ProviderName[] = typeof wanted === 'string' ? [wanted as ProviderName] : ['embedded', 'docker'];
  for (const name of names) {
    const provider = await session.open(name);
    const preflight = await provider.preflight(AbortSignal.timeout(30_000));
    if (preflight.status === 'ready') return provider;
    io.stderr(`${name} cannot stand behind the emulator: ${preflight.what}; fix: ${preflight.fix}\n`);
    await provider.close?.();
  }
  return null;
}

function interrupted(io: CliIo): Promise<void> {
  return new Promise((resolve) => {
    let off = () => {};
    off = io.onSignal(() => {
      off();
      resolve();
    });
  });
}
