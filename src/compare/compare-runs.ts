/** BASE against HEAD: what became worse, what became better, and whether the two can be compared at all. */
import type { BaselineRecord, Report, RunRecord } from '../model/record.js';
import { diffBaseline, resultsOf } from './baseline.js';
import { compareText } from './trials.js';

export interface ProviderFigures {
  emulated: boolean;
  pass_rate: number | null;
  passed: number;
  applicable: number;
  wall_clock_sec: number | null;
}

export interface ProviderChange {
  provider: string;
  /** Null: the provider did not run there, or nothing applied. */
  before: ProviderFigures | null;
  after: ProviderChange['before'];
}

export interface RunComparison {
  schema_version: 1;
  base: Pick<RunRecord, 'id' | 'name' | 'started_at' | 'plumbline_version'>;
  head: Pick<RunRecord, 'id' | 'name' | 'started_at' | 'plumbline_version'>;
  /** False with a regression or a missing task: exit code 1. */
  met: boolean;
  providers: ProviderChange[];
  changes: BaselineRecord;
  /** Why the comparison may mislead: other task files, versions, resources. */
  warnings: string[];
}

/**
 * Compares task by task on the providers that ran in HEAD. A provider that ran only in BASE has all its tasks missing: it
 * must not vanish quietly.
 */
export function compareReports(base: Report, head: Report): RunComparison {
  const names = [...new Set([...base.providers, ...head.providers].map(({ name }) => name))].sort(compareText);
  const ran = new Set(
    [...base.providers, ...head.providers].filter(({ status }) => status === 'ran').map(({ name }) => name),
  );
  const compared = [...ran].map((name) => ({ name, status: 'ran' as const }));
  const changes = diffBaseline(resultsOf(base.trials), head.trials, compared, false);
  return {
    schema_version: 1,
    base: identityOf(base.run),
    head: identityOf(head.run),
    met: changes.regressed.length === 0 && changes.missing.length === 0,
    providers: names.map((provider) => ({
      provider,
      before: figuresOf(base, provider),
      after: figuresOf(head, provider),
    })),
    changes,
    warnings: comparability(base, head),
  };
}

function identityOf({ id, name, started_at, plumbline_version }: RunRecord): RunComparison['base'] {
  return { id, name, started_at, plumbline_version };
}

function figuresOf(report: Report, name: string): ProviderChange['before'] {
  const provider = report.providers.find((candidate) => candidate.name === name);
  if (provider?.status !== 'ran') return null;
  const { emulated, pass_rate, passed, planned, unsupported, wall_clock_sec } = provider;
  return { emulated, pass_rate, passed, applicable: planned - unsupported, wall_clock_sec };
}

function comparability(base: Report, head: Report): string[] {
  const warnings: string[] = [];
  const digests = new Map(base.trials.map((trial) => [trial.task, trial.task_digest]));
  const changed = new Set<string>();
  for (const { task, task_digest } of head.trials) {
    const before = digests.get(task) ?? null;
    if (before !== null && task_digest !== null && before !== task_digest) changed.add(task);
  }
  for (const task of [...changed].sort(compareText))
    warnings.push(`${task}: the task's files differ between the two runs`);
  if (base.run.plumbline_version !== head.run.plumbline_version) {
    warnings.push(`plumbline ${base.run.plumbline_version} against ${head.run.plumbline_version}`);
  }
  for (const provider of head.providers) {
    const other = base.providers.find(({ name }) => name === provider.name);
    if (!other) continue;
    if (other.emulated !== provider.emulated) warnings.push(`${provider.name} was emulated in one run only`);
    for (const what of Object.keys(provider.versions).sort(compareText)) {
      const [before, after] = [other.versions[what], provider.versions[what]];
      if (before !== undefined && before !== after)
        warnings.push(`${provider.name}: ${what} ${before} against ${after}`);
    }
  }
  return warnings;
}
