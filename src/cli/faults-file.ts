/** `--faults FILE`: read before anything is started, and accounted for at the end. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ScriptedFault } from '../emulator/core/faults.js';
import type { RunningEmulator } from '../emulator/index.js';
import type { ProviderName } from '../model/words.js';
import { decodeToml } from '../task/parse-toml.js';
import { errorMessage } from '../util/cause-chain.js';
import { type FaultEntry, parseFaults } from './parse-faults.js';
import { UsageError } from './usage-error.js';

export interface FaultsFile {
  /** As it was given. */
  readonly path: string;
  /** Of the providers that are emulated. */
  readonly entries: readonly FaultEntry[];
  /** Providers of the file that this command does not emulate. */
  readonly others: readonly ProviderName[];
}

/** @throws UsageError naming the file and every mistake in it with its line */
export async function readFaults(path: string, cwd: string, emulated: readonly ProviderName[]): Promise<FaultsFile> {
  let text: string;
  try {
    text = decodeToml(await readFile(resolve(cwd, path)));
  } catch (error) {
    throw new UsageError(`cannot read the faults ${path}: ${errorMessage(error)}`);
  }
  const { entries, problems } = parseFaults(text, emulated);
  if (problems.length > 0) {
    throw new UsageError(
      `${path} is not a script of faults:\n${problems.map((problem) => `  ${path}:${problem}`).join('\n')}`,
      'plumbline emulate PROVIDER --list-calls shows calls and kinds; docs/providers.md has an example',
    );
  }
  const here = entries.filter(({ provider }) => emulated.includes(provider));
  const others = new Set(entries.filter((entry) => !here.includes(entry)).map(({ provider }) => provider));
  return { path, entries: here, others: [...others] };
}

export function faultsOf(file: FaultsFile | null, name: ProviderName): ScriptedFault[] {
  return (file?.entries ?? []).filter(({ provider }) => provider === name).map(({ scripted }) => scripted);
}

/** How many of the faults were acted out, then each entry that was not, or less often than it says. */
export function faultsReport(file: FaultsFile, emulators: readonly RunningEmulator[]): string[] {
  const fired = new Map(emulators.flatMap(({ calls }) => calls.report()).map((one) => [one.entry, one.fired]));
  const rows = file.entries.map((entry) => ({ entry, count: fired.get(entry.scripted) ?? 0 }));
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  const never = rows.filter(({ count }) => count === 0).length;
  const lines = [`faults: ${total} acted out, by ${rows.length - never} of the ${rows.length} entries of ${file.path}`];
  for (const { entry, count } of rows) {
    const wanted = wantedOf(entry.scripted);
    if (count > 0 && count >= wanted) continue;
    const how = count === 0 ? 'never' : `${count} of ${wanted} times`;
    lines.push(`faults: ${file.path}:${entry.line} ${how} acted out: ${entry.words}`);
  }
  return lines;
}

/** The least that the entry promises. */
function wantedOf({ occurrence }: ScriptedFault): number {
  return typeof occurrence === 'object' ? occurrence[1] - occurrence[0] + 1 : 1;
}
