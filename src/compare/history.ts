/** A run as one line of the history, and what changed from one run to the next. */
import { createHash } from 'node:crypto';
import type { GateOptions } from '../model/event.js';
import type { HistoryFigures, HistoryLine, ProviderRecord, Report } from '../model/record.js';
import { providerTitle } from '../model/words.js';
import { resultsOf } from './baseline.js';
import { compareText, sortedEntries } from './trials.js';

/** Runs that a report shows. */
export const SHOWN_RUNS = 30;

/** The newest earlier runs and, last, this one. A run that was rendered before does not stand in its own past. */
export function historyOf(earlier: readonly HistoryLine[], report: Omit<Report, 'history'>, gate: GateOptions) {
  const id = identityOf(report);
  const before = earlier.filter(({ run, at }) => run !== id && at <= report.run.started_at);
  return [...before.slice(1 - SHOWN_RUNS), historyLine(id, report, gate, before)];
}

function historyLine(
  id: string,
  report: Omit<Report, 'history'>,
  gate: GateOptions,
  before: readonly HistoryLine[],
): HistoryLine {
  const { run, providers, trials, baseline, stability } = report;
  const results = resultsOf(trials);
  const nonPasses: Record<string, Record<string, string>> = {};
  const flaky: Record<string, Record<string, string>> = {};
  const add = (to: typeof flaky, provider: string, task: string, text: string) => {
    to[provider] = { ...to[provider], [task]: text };
  };
  for (const [provider, tasks] of Object.entries(results)) {
    for (const [task, label] of Object.entries(tasks)) if (label !== 'pass') add(nonPasses, provider, task, label);
  }
  for (const { task, provider, after } of baseline?.missing ?? []) {
    if (after === null) add(nonPasses, provider, task, 'missing');
  }
  const partial = isPartial(report, gate);
  // A line has no list of its passes: a non-pass that is not even planned any more must not read as one.
  for (const provider of partial ? [] : providers.filter(({ status }) => status === 'ran')) {
    for (const task of Object.keys(lastWhole(before, provider)?.non_passes[provider.name] ?? {})) {
      if (results[provider.name]?.[task] === undefined) add(nonPasses, provider.name, task, 'missing');
    }
  }
  for (const { task, provider, passed, repeats, verdict } of stability ?? []) {
    if (verdict === 'flaky') add(flaky, provider, task, `${passed}/${repeats}`);
  }
  return {
    v: 1,
    run: id,
    name: run.name,
    at: run.started_at,
    plumbline_version: run.plumbline_version,
    met: report.gate.met,
    partial,
    providers: Object.fromEntries(
      sortedEntries(providers.map((provider) => [provider.name, figuresOf(provider)] as const)),
    ),
    non_passes: sorted(nonPasses),
    flaky: sorted(flaky),
  };
}

function isPartial({ run }: Pick<Report, 'run'>, gate: GateOptions): boolean {
  const gaps = gate.incomplete ?? [];
  return run.interrupted || gate.partial === true || (gate.shard ?? null) !== null || gaps.length > 0;
}

function lastWhole(lines: readonly HistoryLine[], { name, emulated }: ProviderRecord): HistoryLine | undefined {
  return [...lines].reverse().find(({ partial, providers: { [name]: figures } }) => {
    return !partial && figures?.status === 'ran' && (figures.emulated ?? false) === emulated;
  });
}

/** The same parts in another order are the same run. */
function identityOf({ run, runs }: Pick<Report, 'run' | 'runs'>): string {
  if (runs.length < 2) return run.id;
  const ids = runs.map(({ id }) => id).sort(compareText);
  return `merge-${createHash('sha256').update(ids.join('\n')).digest('hex').slice(0, 16)}`;
}

function figuresOf(provider: ProviderRecord): HistoryFigures {
  const { status, planned, passed, measured, unsupported, recovered, pass_rate, wall_clock_sec } = provider;
  const emulated = provider.emulated ? { emulated: true } : {};
  return { status, ...emulated, planned, passed, measured, unsupported, recovered, pass_rate, wall_clock_sec };
}

function sorted(groups: Record<string, Record<string, string>>): Record<string, Record<string, string>> {
  return Object.fromEntries(
    sortedEntries(Object.entries(groups)).map(([name, tasks]) => [
      name,
      Object.fromEntries(sortedEntries(Object.entries(tasks))),
    ]),
  );
}

/** A task whose result is another than in the last whole run of its provider. */
export interface HistoryChange {
  /** Start and name of the run in which it changed. */
  at: string;
  name: string;
  provider: string;
  emulated: boolean;
  task: string;
  /** `pass`, or the label of the non-pass; with `2/3` where some repeats pass. */
  before: string;
  after: string;
}

/** Newest run first; inside a run by provider and task. Partial runs and nights without a provider are stepped over; so are an emulator's runs for the service, and the other way round. */
export function historyChanges(lines: readonly HistoryLine[]): HistoryChange[] {
  const last = new Map<string, HistoryLine>();
  const changes: HistoryChange[][] = [];
  for (const line of lines) {
    if (line.partial) continue;
    const found: HistoryChange[] = [];
    for (const [provider, { status, emulated = false }] of Object.entries(line.providers)) {
      if (status !== 'ran') continue;
      const title = providerTitle({ name: provider, emulated });
      const before = last.get(title);
      if (before) found.push(...changesOf(provider, before, line).map((change) => ({ ...change, emulated })));
      last.set(title, line);
    }
    changes.unshift(found);
  }
  return changes.flat();
}

function changesOf(provider: string, before: HistoryLine, after: HistoryLine): Omit<HistoryChange, 'emulated'>[] {
  const tasks = new Set([
    ...Object.keys(before.non_passes[provider] ?? {}),
    ...Object.keys(after.non_passes[provider] ?? {}),
  ]);
  return [...tasks].sort(compareText).flatMap((task) => {
    const [was, is] = [before.non_passes[provider]?.[task], after.non_passes[provider]?.[task]];
    if (was === is && isFlaky(before, provider, task) === isFlaky(after, provider, task)) return [];
    const change = { at: after.at, name: after.name, provider, task };
    return [{ ...change, before: words(before, provider, task), after: words(after, provider, task) }];
  });
}

function isFlaky(line: HistoryLine, provider: string, task: string): boolean {
  return line.flaky[provider]?.[task] !== undefined;
}

function words(line: HistoryLine, provider: string, task: string): string {
  const share = line.flaky[provider]?.[task];
  const label = line.non_passes[provider]?.[task] ?? 'pass';
  return share === undefined ? label : `${label}, passes ${share}`;
}
