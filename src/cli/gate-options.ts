/** What the gate of a run or of a merge is judged by: flags, and the files that they name. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type BaselineFile, parseBaselineFile } from '../compare/baseline.js';
import { parseExpectations } from '../compare/parse-expectations.js';
import type { GateOptions } from '../model/event.js';
import { parseToml } from '../task/parse-toml.js';
import { errorMessage } from '../util/cause-chain.js';
import { readHistory } from './history.js';
import type { RunSettings } from './run-settings.js';
import { UsageError } from './usage-error.js';

/** Files are relative to `cwd`. @param limited by --only-failed @throws UsageError for a file that cannot be read */
export async function gateOptions(
  settings: RunSettings,
  limited: boolean,
  cwd: string,
  providers: readonly BaselineProvider[],
): Promise<GateOptions> {
  const partial =
    limited || settings.nTasks !== null || settings.includeTaskName.length + settings.excludeTaskName.length > 0;
  return {
    min_pass_rate: settings.minPassRate,
    fail_on_unsupported: settings.failOnUnsupported,
    agent: settings.agent,
    required_providers: settings.require,
    expectations: settings.expectations === null ? null : await readExpectations(resolve(cwd, settings.expectations)),
    baseline: settings.baseline.length === 0 ? null : await readBaselines(settings.baseline, cwd, providers),
    partial,
    shard: settings.shard,
    ...(settings.history !== null && { history: await readHistory(resolve(cwd, settings.history)) }),
  };
}

/** Reads expectations.toml. @throws UsageError naming the file and every problem in it */
export async function readExpectations(file: string): Promise<NonNullable<GateOptions['expectations']>> {
  let content: unknown;
  try {
    content = parseToml(await readFile(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`cannot read the expectations ${file}: ${errorMessage(error)}`);
  }
  const { expectations, problems } = parseExpectations(content);
  if (problems.length > 0) throw new UsageError(`${file}:\n  ${problems.join('\n  ')}`);
  return expectations;
}

/** What is known of a provider that baselines are read for. */
export interface BaselineProvider {
  readonly name: string;
  readonly emulated: boolean;
  /** Absent: it takes part. */
  readonly status?: string;
}

/**
 * Baselines of the providers that take part, by provider; others are left out. An emulator is judged by the baseline of an
 * emulator, a service by its own.
 * @throws UsageError for a file that cannot be read, and where the only one of a provider is of the other kind
 */
export async function readBaselines(
  files: readonly string[],
  cwd: string,
  providers: readonly BaselineProvider[],
): Promise<NonNullable<GateOptions['baseline']>> {
  const baselines: NonNullable<GateOptions['baseline']> = {};
  const others: { file: string; provider: BaselineProvider }[] = [];
  for (const file of files) {
    const { provider: name, emulated = false, tasks } = await readBaseline(file, cwd);
    const provider = providers.find((known) => known.name === name);
    if (provider === undefined || (provider.status ?? 'ran') !== 'ran') continue;
    if (provider.emulated === emulated) baselines[name] = tasks;
    else others.push({ file, provider });
  }
  for (const { file, provider } of others) {
    const { name, emulated } = provider;
    if (baselines[name] !== undefined) continue;
    const why = emulated
      ? `is of ${name} itself, and this run has an emulator of it`
      : `is of an emulator of ${name}, and this run has the service itself`;
    throw new UsageError(`the baseline ${file} ${why}`, 'make one of this kind with --update-baseline');
  }
  return baselines;
}

async function readBaseline(file: string, cwd: string): Promise<BaselineFile> {
  try {
    return parseBaselineFile(JSON.parse(await readFile(resolve(cwd, file), 'utf8')), file);
  } catch (error) {
    throw new UsageError(`cannot read the baseline ${file}: ${errorMessage(error)}`, 'make it with --update-baseline');
  }
}
