/**
 * The last accepted result of a provider (reports/baseline/<provider>.json): small enough to review in a pull request, one
 * line per task. A vanished task is a finding of its own, because it would otherwise only shrink the total.
 */
import type { BaselineRecord, ProviderRecord, Report, TrialChange, TrialRecord } from '../model/record.js';
import { byProviderAndTask } from './provider-record.js';
import { compareText, groupBy, labelOf, sortedEntries } from './trials.js';

export interface BaselineFile {
  schema_version: 1;
  provider: string;
  /** True for an emulator, whose results say nothing of the service; absent: it is none. */
  emulated?: boolean;
  run: { name: string; finished_at: string | null; plumbline_version: string };
  /** Task → `pass`, another outcome, or an exception type; sorted. */
  tasks: Record<string, string>;
}

/** Provider → task → label, as `GateOptions.baseline` has it. */
export type KnownResults = Record<string, Record<string, string>>;

/** One file per provider that ran, from a report. Tasks that were never measured are left out: they were not accepted. */
export function baselineFiles(report: Report): BaselineFile[] {
  const results = resultsOf(report.trials);
  return report.providers
    .filter((provider) => provider.status === 'ran')
    .map((provider) => ({
      schema_version: 1,
      provider: provider.name,
      ...(provider.emulated && { emulated: true }),
      run: {
        name: report.run.name,
        finished_at: report.run.finished_at,
        plumbline_version: report.run.plumbline_version,
      },
      tasks: Object.fromEntries(
        sortedEntries(Object.entries(results[provider.name] ?? {})).filter(([, label]) => !isUnmeasured(label)),
      ),
    }));
}

/** An emulator's has a name of its own: the service's must not be replaced by it. */
export function baselineFileName({ provider, emulated }: Pick<BaselineFile, 'provider' | 'emulated'>): string {
  return `${provider}${emulated === true ? '-emulated' : ''}.json`;
}

/** @throws TypeError saying what is wrong, for a value that is not a baseline file of a known version */
export function parseBaselineFile(value: unknown, path: string): BaselineFile {
  const file = value as Partial<BaselineFile> | null;
  if (typeof file !== 'object' || file === null) throw new TypeError(`${path}: a baseline file is a JSON object`);
  if (file.schema_version !== 1) {
    throw new TypeError(`${path}: schema_version is ${JSON.stringify(file.schema_version)}, this version reads 1`);
  }
  if (typeof file.provider !== 'string') throw new TypeError(`${path}: provider must be a string`);
  if (typeof (file.emulated ?? false) !== 'boolean') throw new TypeError(`${path}: emulated must be true or false`);
  const tasks: unknown = file.tasks;
  if (typeof tasks !== 'object' || tasks === null || Object.values(tasks).some((label) => typeof label !== 'string')) {
    throw new TypeError(`${path}: tasks must map each task to an outcome or an exception type`);
  }
  return file as BaselineFile;
}

/** Label of every provider and task of a run: `pass` when all repeats pass, else the most frequent other label. */
export function resultsOf(trials: readonly TrialRecord[]): KnownResults {
  const results: KnownResults = {};
  for (const [provider, tasks] of byProviderAndTask(trials)) {
    results[provider] = Object.fromEntries([...tasks].map(([task, list]) => [task, commonLabel(list)]));
  }
  return results;
}

/**
 * Compares a run with what is known. Only providers that ran are compared. A task that was planned and never measured is
 * `missing` with its outcome as `after`; one that was not planned is `missing` with null, unless the run was `partial`.
 */
export function diffBaseline(
  known: KnownResults,
  trials: readonly TrialRecord[],
  providers: readonly Pick<ProviderRecord, 'name' | 'status'>[],
  partial: boolean,
): BaselineRecord {
  const ran = new Set(providers.filter((provider) => provider.status === 'ran').map((provider) => provider.name));
  const results = resultsOf(trials);
  const record: BaselineRecord = { regressed: [], fixed: [], changed_type: [], missing: [], new: [] };
  for (const provider of new Set([...Object.keys(known), ...Object.keys(results)])) {
    const before = known[provider];
    const after = results[provider] ?? {};
    if (!before || !ran.has(provider)) continue;
    for (const task of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const change: TrialChange = { task, provider, before: before[task] ?? null, after: after[task] ?? null };
      const kind = kindOf(change, partial);
      if (kind) record[kind].push(change);
    }
  }
  for (const list of Object.values(record) as TrialChange[][]) {
    list.sort((a, b) => compareText(a.task, b.task) || compareText(a.provider, b.provider));
  }
  return record;
}

function kindOf({ before, after }: TrialChange, partial: boolean): keyof BaselineRecord | null {
  if (before === null) return 'new';
  if (after === null) return partial ? null : 'missing';
  if (before === after) return null;
  if (isUnmeasured(after)) return 'missing';
  if (before === 'pass') return 'regressed';
  return after === 'pass' ? 'fixed' : 'changed_type';
}

function isUnmeasured(label: string): boolean {
  return label === 'not_run' || label === 'cancelled';
}

function commonLabel(trials: readonly TrialRecord[]): string {
  const others = groupBy(
    trials.map(labelOf).filter((label) => label !== 'pass'),
    (label) => label,
  );
  const ranked = [...others].sort(([a, x], [b, y]) => y.length - x.length || compareText(a, b));
  return ranked[0]?.[0] ?? 'pass';
}
