/** Several runs as one: shards of a suite, or the same suite on one provider each, possibly from different machines. */
import { type Expectation, type GateOptions, trialKeyOf } from '../model/event.js';
import type { RunRecord, RunSource, TrialRecord, WarningRecord } from '../model/record.js';
import type { FoldedRun } from '../model/run.js';
import { versionsOf } from './summarize.js';
import { compareText, groupBy } from './trials.js';

export interface MergeInput {
  folded: FoldedRun;
  /** The run's directory as seen from where the merged report is written; evidence paths are put behind it. */
  dir: string;
  /** `v` of the run's events. */
  eventVersion: number;
}

/** Runs that are no parts of one comparison; the message says what to do. */
export class MergeError extends Error {
  override readonly name = 'MergeError';
}

/**
 * Joins runs in the given order. Different task files, versions and hosts are warnings, because they may be the reason for a
 * difference.
 * @throws MergeError for no runs, mixed event versions, mixed agents, a provider that is an emulator in some of them, or a task, provider and repeat in two runs
 */
export function mergeRuns(inputs: readonly MergeInput[]): FoldedRun {
  const [first, ...rest] = inputs.map(({ folded }) => folded);
  if (!first) throw new MergeError('nothing to merge: name at least one run directory');
  refuseMixtures(inputs);
  const runs = [first, ...rest];
  const trials = inputs.flatMap(({ folded, dir }) => folded.trials.map((trial) => moved(trial, dir)));
  refuseDuplicates(trials);
  return {
    run: mergeRecords(
      first.run,
      runs.map(({ run }) => run),
    ),
    gate: mergeGates(first.gate, runs),
    providers: mergeProviders(runs),
    trials: withUniqueNames(trials),
    warnings: [...runs.flatMap(({ warnings }) => warnings), ...differences(runs)],
    unfinished: runs.some(({ unfinished }) => unfinished),
    sources: runs.flatMap(sourcesOf),
  };
}

function refuseMixtures(inputs: readonly MergeInput[]): void {
  const versions = new Set(inputs.map(({ eventVersion }) => eventVersion));
  if (versions.size > 1) {
    throw new MergeError(
      `the runs have different event formats (${[...versions].join(', ')}): merge runs of one plumbline version`,
    );
  }
  const agents = new Set(inputs.map(({ folded }) => folded.gate.agent));
  if (agents.size > 1) throw new MergeError('an oracle run and a nop run have opposite gates and cannot be merged');
  refuseEmulatedParts(inputs.map(({ folded }) => folded));
}

/** The rate of such a whole would be nobody's. */
function refuseEmulatedParts(runs: readonly FoldedRun[]): void {
  const parts = runs.flatMap(({ run, providers }) =>
    providers.filter(({ status }) => status === 'ran').map(({ name, emulated }) => ({ name, emulated, run: run.name })),
  );
  for (const [name, own] of groupBy(parts, (part) => part.name)) {
    const where = (emulated: boolean) => own.filter((part) => part.emulated === emulated).map((part) => part.run);
    const [emulated, live] = [where(true), where(false)];
    if (emulated.length === 0 || live.length === 0) continue;
    throw new MergeError(
      `${name} is emulated in ${emulated.join(', ')} and the service itself in ${live.join(', ')}: hold them against each other with "plumbline compare"`,
    );
  }
}

function refuseDuplicates(trials: readonly TrialRecord[]): void {
  const seen = groupBy(trials, ({ provider, task, repeat, control }) =>
    JSON.stringify([provider, task, repeat, control]),
  );
  const twice = [...seen.values()]
    .filter((list) => list.length > 1)
    .flatMap(([trial]) => (trial ? [trialName(trial)] : []));
  if (twice.length === 0) return;
  const rest = twice.length > 3 ? ` and ${twice.length - 3} more` : '';
  throw new MergeError(
    `in more than one run: ${twice.slice(0, 3).join(', ')}${rest}; compare such runs with "plumbline compare"`,
  );
}

function trialName(trial: TrialRecord): string {
  return `${trial.provider}/${trial.task}${trial.repeat > 1 ? ` repeat ${trial.repeat}` : ''}`;
}

/** Shards draw their random suffixes independently: a name that two of them drew is told apart by its run's number. */
function withUniqueNames(trials: readonly TrialRecord[]): TrialRecord[] {
  const seen = new Set<string>();
  return trials.map((trial) => {
    let name = trial.trial_name;
    for (let number = 2; seen.has(trialKeyOf({ provider: trial.provider, trial_name: name })); number += 1) {
      name = `${trial.trial_name}-${number}`;
    }
    seen.add(trialKeyOf({ provider: trial.provider, trial_name: name }));
    return { ...trial, trial_name: name };
  });
}

function moved(trial: TrialRecord, dir: string): TrialRecord {
  const under = (path: string) => (dir === '' || dir === '.' ? path : `${dir}/${path}`);
  const log = (record: TrialRecord['logs']['build']) => record && { ...record, path: under(record.path) };
  const { build, oracle, verifier } = trial.logs;
  return {
    ...trial,
    dir: under(trial.dir),
    attempts: trial.attempts.map((attempt) => ({ ...attempt, dir: under(attempt.dir) })),
    logs: { build: log(build), oracle: log(oracle), verifier: log(verifier) },
  };
}

function mergeRecords(first: RunRecord, runs: readonly RunRecord[]): RunRecord {
  if (runs.length === 1) return first;
  const started = runs.map((run) => run.started_at).sort(compareText)[0] ?? first.started_at;
  const ends = runs.map((run) => run.finished_at);
  const finished = ends.includes(null)
    ? null
    : (ends
        .filter((end) => end !== null)
        .sort(compareText)
        .at(-1) ?? null);
  return {
    ...first,
    id: runs.map((run) => run.id).join('+'),
    name: [...new Set(runs.map((run) => run.name))].join('+'),
    started_at: started,
    finished_at: finished,
    wall_clock_sec: finished === null ? null : Math.max(0, (Date.parse(finished) - Date.parse(started)) / 1000),
    interrupted: runs.some((run) => run.interrupted),
  };
}

/** The strictest of the runs. Parts of a whole are judged as the whole, and so are its gaps. */
function mergeGates(first: GateOptions, runs: readonly FoldedRun[]): GateOptions {
  const gates = runs.map(({ gate }) => gate);
  const incomplete = [...new Set([...gates.flatMap((gate) => gate.incomplete ?? []), ...gapsOf(runs)])];
  const expectations = new Map<string, Expectation>();
  for (const entry of gates.flatMap((gate) => gate.expectations ?? [])) expectations.set(JSON.stringify(entry), entry);
  const baselines = gates.flatMap(({ baseline }) => (baseline ? Object.entries(baseline) : []));
  const baseline: Record<string, Record<string, string>> = {};
  for (const [provider, tasks] of baselines) baseline[provider] = { ...baseline[provider], ...tasks };
  const shards = new Set(gates.flatMap(({ shard }) => shard ?? []));
  const { history: _past, ...base } = first;
  return {
    ...base,
    min_pass_rate: Math.max(...gates.map((gate) => gate.min_pass_rate)),
    fail_on_unsupported: gates.some((gate) => gate.fail_on_unsupported),
    required_providers: [...new Set(gates.flatMap((gate) => gate.required_providers))],
    expectations: gates.some((gate) => gate.expectations) ? [...expectations.values()] : null,
    baseline: gates.some((gate) => gate.baseline) ? baseline : null,
    partial: gates.some((gate) => gate.partial === true),
    // With a gap the tasks behind it are not missing one by one: the gap is the reason.
    shard: incomplete.length === 0 || shards.size === 0 ? null : [...shards].sort(compareText).join('+'),
    ...(incomplete.length > 0 && { incomplete }),
  };
}

/** What a part should have brought and has not would otherwise only make the whole smaller. */
function gapsOf(runs: readonly FoldedRun[]): string[] {
  const parts = runs.flatMap(({ gate, providers, run }) =>
    providers.map((provider) => ({ provider, shard: gate.shard ?? null, run: run.name })),
  );
  const ran = [...groupBy(parts, ({ provider }) => provider.name)].filter(([, own]) =>
    own.some(({ provider }) => provider.status === 'ran'),
  );
  return ran.flatMap(([name, own]) => {
    const unavailable = own.filter(({ provider }) => provider.status === 'unavailable');
    const shards = new Set(own.map(({ shard }) => shard).filter((shard) => shard !== null));
    const counts = new Set([...shards].map((shard) => Number(shard.split('/')[1])));
    const wanted = [...counts].flatMap((count) => Array.from({ length: count }, (_, index) => `${index + 1}/${count}`));
    return [
      ...unavailable.map(({ run, provider }) => `${name} was unavailable in ${run}: ${provider.reason ?? 'no reason'}`),
      ...wanted.filter((shard) => !shards.has(shard)).map((shard) => `${name}: shard ${shard} is missing`),
    ];
  });
}

/** A provider ran if it ran anywhere. Shards run side by side, so its wall clock is that of the longest. */
function mergeProviders(runs: readonly FoldedRun[]): FoldedRun['providers'] {
  const byName = groupBy(
    runs.flatMap(({ providers }) => providers),
    ({ name }) => name,
  );
  return [...byName.values()].flatMap((parts) => {
    const ran = parts.filter(({ status }) => status === 'ran');
    const first = ran[0] ?? parts[0];
    if (!first) return [];
    const clocks = ran.map((part) => part.wall_clock_sec).filter((clock) => clock !== null);
    const leaks = ran.map((part) => part.leaked_sandboxes).filter((leak) => leak !== null);
    return {
      ...first,
      concurrency: Math.max(...(ran.length > 0 ? ran : parts).map(({ concurrency }) => concurrency)),
      versions: Object.assign({}, ...[...parts].reverse().map(({ versions }) => versions)) as Record<string, string>,
      wall_clock_sec: clocks.length === 0 ? null : Math.max(...clocks),
      leaked_sandboxes: leaks.length < Math.max(1, ran.length) ? null : leaks.reduce((sum, leak) => sum + leak, 0),
    };
  });
}

function sourcesOf(run: FoldedRun): RunSource[] {
  if (run.sources) return [...run.sources];
  return [{ id: run.run.id, host: run.run.host, versions: versionsOf(run.run.plumbline_version, run.providers) }];
}

function differences(runs: readonly FoldedRun[]): WarningRecord[] {
  const warnings: WarningRecord[] = [];
  const warn = (code: string, message: string) => warnings.push({ code, message });
  const list = (values: Iterable<string>) => [...new Set(values)].sort(compareText);
  const byTask = groupBy(
    runs.flatMap(({ trials }) => trials),
    (trial) => trial.task,
  );
  const changed = [...byTask].filter(
    ([, trials]) => new Set(trials.map((trial) => trial.task_digest).filter((digest) => digest !== null)).size > 1,
  );
  for (const task of list(changed.map(([name]) => name)))
    warn('MixedTaskDigests', `${task}: its files differ between the runs, so its results do not compare`);
  const versions = list(runs.map(({ run }) => run.plumbline_version));
  if (versions.length > 1) warn('MixedVersions', `made by plumbline ${versions.join(' and ')}`);
  const hosts = list(runs.map(({ run }) => run.host.hostname));
  if (hosts.length > 1) warn('MixedHosts', `made on ${hosts.join(', ')}: times do not compare`);
  const providers = groupBy(
    runs.flatMap((run) => run.providers),
    ({ name }) => name,
  );
  for (const [name, parts] of providers) {
    for (const what of list(parts.flatMap((part) => Object.keys(part.versions)))) {
      const found = list(parts.map((part) => part.versions[what]).filter((version) => version !== undefined));
      if (found.length > 1) warn('MixedProviderVersions', `${name}: ${what} ${found.join(' and ')}`);
    }
  }
  return warnings;
}
