/** What one provider did in a run, as numbers: the row of every provider table. */
import type { PhaseRecord, ProviderRecord, TrialRecord } from '../model/record.js';
import type { FoldedRun } from '../model/run.js';
import { PHASES } from '../model/words.js';
import { groupBy } from './trials.js';

type FoldedProvider = FoldedRun['providers'][number];

/** Counts its planned trials; rates are null when planned − unsupported is 0. Durations are seconds. */
export function providerRecord(provider: FoldedProvider, trials: readonly TrialRecord[]): ProviderRecord {
  const planned = trials.filter((trial) => trial.provider === provider.name && !trial.control);
  const count = (test: (trial: TrialRecord) => boolean) => planned.filter(test).length;
  const passed = count((trial) => trial.outcome === 'pass');
  const failed = count((trial) => trial.outcome === 'fail');
  const unsupported = count((trial) => trial.outcome === 'unsupported');
  const recovered = count(isRecovered);
  const applicable = planned.length - unsupported;
  return {
    name: provider.name,
    status: provider.status,
    reason: provider.reason,
    emulated: provider.emulated,
    versions: provider.versions,
    concurrency: provider.concurrency,
    planned: planned.length,
    passed,
    failed,
    errored: count((trial) => trial.outcome === 'error'),
    unsupported,
    cancelled: count((trial) => trial.outcome === 'cancelled'),
    not_run: count((trial) => trial.outcome === 'not_run'),
    measured: passed + failed,
    vacuous: count((trial) => trial.vacuous),
    pass_rate: applicable === 0 ? null : passed / applicable,
    first_try_pass_rate: applicable === 0 ? null : (passed - recovered) / applicable,
    recovered,
    wall_clock_sec: provider.wall_clock_sec ?? spanOf(trials.filter((trial) => trial.provider === provider.name)),
    phase_sec: phaseTimes(planned),
    leaked_sandboxes: provider.leaked_sandboxes,
  };
}

/** A pass that needed more than one attempt. */
export function isRecovered(trial: Pick<TrialRecord, 'outcome' | 'attempts'>): boolean {
  return trial.outcome === 'pass' && trial.attempts.length > 1;
}

/** From the first start to the last end, for a provider whose end was never logged; null when nothing ran. */
function spanOf(trials: readonly TrialRecord[]): number | null {
  const ran = trials.filter((trial) => trial.slot !== null);
  const starts = ran.map((trial) => Date.parse(trial.started_at)).filter(Number.isFinite);
  const ends = ran.map((trial) => Date.parse(trial.finished_at)).filter(Number.isFinite);
  if (starts.length === 0 || ends.length === 0) return null;
  return Math.max(0, (max(ends) - min(starts)) / 1000);
}

/** Per phase over trials, a trial's steps added up; time that another trial spent on a shared image is not counted again. */
function phaseTimes(trials: readonly TrialRecord[]): ProviderRecord['phase_sec'] {
  const times: ProviderRecord['phase_sec'] = {};
  for (const phase of PHASES) {
    const sums: number[] = [];
    for (const trial of trials) {
      const own = trial.phases.filter((record) => record.name === phase && !record.shared);
      if (own.length > 0) sums.push(sum(own.map(activeSec)));
    }
    if (sums.length === 0) continue;
    sums.sort((a, b) => a - b);
    times[phase] = { p50: percentile(sums, 0.5), p90: percentile(sums, 0.9), max: max(sums), sum: sum(sums) };
  }
  return times;
}

/** Without the wait for a turn: queue time is not start time. */
export function activeSec({ duration_sec, queued_sec = 0 }: PhaseRecord): number {
  return Math.max(0, duration_sec - queued_sec);
}

/** Nearest rank: always a value that was measured. `sorted` is ascending and not empty. */
export function percentile(sorted: readonly number[], fraction: number): number {
  const rank = Math.max(1, Math.ceil(fraction * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** To the microsecond: sums of floats would otherwise end in digits that no clock gave. */
function sum(values: readonly number[]): number {
  return Math.round(values.reduce((total, value) => total + value, 0) * 1e6) / 1e6;
}

function min(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

function max(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
}

/** Trials of each provider and task, controls left out; keys are `provider` then `task`, in order of first appearance. */
export function byProviderAndTask(trials: readonly TrialRecord[]): Map<string, Map<string, TrialRecord[]>> {
  const planned = trials.filter((trial) => !trial.control);
  const providers = groupBy(planned, (trial) => trial.provider);
  return new Map([...providers].map(([name, list]) => [name, groupBy(list, (trial) => trial.task)]));
}
