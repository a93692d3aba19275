/**
 * The records of a run as they stand in events.jsonl and report.json (schema_version 1). They mirror files, so fields are
 * snake_case; fields are added, never renamed; absent is null; seconds are floats; instants are ISO 8601 in UTC.
 */
import type { ImageOrigin, Provenance } from './image.js';
import type { Agent, Origin, Outcome, Phase } from './words.js';

export interface CauseRecord {
  type: string;
  message: string;
}

export interface ExceptionRecord {
  type: string;
  /** The class name that Harbor would record for the same event. */
  harbor_type: string;
  message: string;
  phase: Phase;
  step: string | null;
  origin: Origin;
  fingerprint: string;
  /** The provider's last reported state, where it matters. */
  provider_state: string | null;
  cause: CauseRecord[];
  /** A fresh sandbox may help; absent: ask the catalogue. */
  retryable?: boolean;
  /** How long the other side asked to wait. */
  retry_after_sec?: number;
}

export interface WarningRecord {
  code: string;
  message: string;
}

export interface PhaseRecord {
  name: Phase;
  step: string | null;
  started_at: string;
  duration_sec: number;
  limit_sec: number | null;
  /** Part of duration_sec: waiting for a turn at the provider, which the limit does not count. Absent: none. */
  queued_sec?: number;
  /** True when the time was spent by another trial's work on the same image. */
  shared: boolean;
}

export interface LogRecord {
  /** Last 16 KiB as text. */
  tail: string;
  /** Relative to the run's directory. */
  path: string;
}

export interface ImageRecord {
  source: ImageOrigin;
  ref: string;
  digest: string;
  cache_hit: boolean;
  provenance: Provenance;
}

export interface ResourceRecord {
  cpus: number | null;
  memory_mb: number | null;
  storage_mb: number | null;
}

export type Rewards = Record<string, number | null>;

export interface StepRecord {
  name: string;
  rewards: Rewards | null;
  oracle_exit_code: number | null;
  verifier_exit_code: number | null;
  exception: ExceptionRecord | null;
}

export interface AttemptSummary {
  n: number;
  outcome: Outcome;
  exception: ExceptionRecord | null;
  duration_sec: number;
  dir: string;
}

/** Everything that one attempt established; what trial/ returns. */
export interface AttemptRecord {
  outcome: Outcome;
  rewards: Rewards | null;
  exception: ExceptionRecord | null;
  warnings: WarningRecord[];
  oracle_exit_code: number | null;
  verifier_exit_code: number | null;
  verifier_environment_mode: 'shared' | 'separate' | null;
  steps: StepRecord[];
  image: ImageRecord | null;
  resources: { requested: ResourceRecord; effective: ResourceRecord | null };
  interventions: string[];
  phases: PhaseRecord[];
  logs: { build: LogRecord | null; oracle: LogRecord | null; verifier: LogRecord | null };
  started_at: string;
  finished_at: string;
  duration_sec: number;
}

export interface PlannedTrial {
  /** Directory base name, or org/name. */
  task: string;
  task_name: string;
  task_digest: string | null;
  suite: string | null;
  /** Absolute when planned; for re-run commands. */
  task_dir: string;
  /** The same relative to where the run was started, with forward slashes; absent when it is elsewhere (a dataset's cache). */
  task_path?: string;
  trial_name: string;
  provider: string;
  agent: Agent;
  repeat: number;
  /** Set: the trial will not be started, its outcome is `unsupported`. */
  unsupported_reason: string | null;
  /** The nop trial that `--with-nop` adds; not counted in planned. */
  control: boolean;
}

export interface TrialRecord
  extends Omit<PlannedTrial, 'task_dir' | 'control' | 'suite'>,
    Omit<AttemptRecord, 'verifier_environment_mode'> {
  suite: string | null;
  control: boolean;
  attempts: AttemptSummary[];
  vacuous: boolean;
  emulated: boolean;
  /** Index of the provider's slot that ran it, from 0; null when it never ran. */
  slot: number | null;
  queued_sec: number | null;
  /** Trial directory relative to the run. */
  dir: string;
}

export interface ProviderRecord {
  name: string;
  status: 'ran' | 'skipped' | 'unavailable';
  reason: string | null;
  emulated: boolean;
  versions: Record<string, string>;
  concurrency: number;
  planned: number;
  passed: number;
  failed: number;
  errored: number;
  unsupported: number;
  cancelled: number;
  not_run: number;
  measured: number;
  vacuous: number;
  pass_rate: number | null;
  first_try_pass_rate: number | null;
  recovered: number;
  /** Null: no trial of it was started. */
  wall_clock_sec: number | null;
  phase_sec: Record<string, { p50: number; p90: number; max: number; sum: number }>;
  /** Null: could not be listed. */
  leaked_sandboxes: number | null;
}

export interface GroupRecord {
  exception_type: string;
  origin: Origin;
  phase: Phase;
  fingerprint: string;
  providers: Record<string, number>;
  count: number;
  trials: string[];
  sample_message: string;
  /** The provider's word for what the sandbox was last, where all of the group have the same one. */
  provider_state?: string;
  advice: string;
}

export interface StabilityRecord {
  task: string;
  provider: string;
  passed: number;
  repeats: number;
  verdict: 'stable' | 'flaky' | 'broken';
  /** Wilson 95 % interval of the pass rate. */
  interval: [number, number];
}

export interface BaselineRecord {
  regressed: TrialChange[];
  fixed: TrialChange[];
  changed_type: TrialChange[];
  missing: TrialChange[];
  new: TrialChange[];
}
export interface TrialChange {
  task: string;
  provider: string;
  before: string | null;
  after: string | null;
}

export interface ExpectationRecord {
  expected: {
    task: string;
    provider: string;
    exception_type: string;
    reason: string;
    link: string | null;
    trial: string;
  }[];
  surprise_pass: { task: string; provider: string; reason: string; trial: string }[];
  /** Did fail, but not in the way that was written down. */
  mismatched: { task: string; provider: string; expected: string; actual: string; trial: string }[];
  unmatched: { pattern: string; reason: string }[];
  expired: { pattern: string; reason: string; expires: string }[];
}

export interface HostRecord {
  hostname: string;
  platform: string;
  arch: string;
  /** Null: not known, as in a run that was read from Harbor's files. */
  cpus: number | null;
  memory_mb: number | null;
  node: string;
}

export interface RunRecord {
  id: string;
  name: string;
  started_at: string;
  finished_at: string | null;
  wall_clock_sec: number | null;
  plumbline_version: string;
  host: HostRecord;
  argv: string[];
  interrupted: boolean;
}

/** One of the runs that a report is made of; more than one after a merge. */
export interface RunSource {
  id: string;
  host: HostRecord;
  /** Plumbline's own under `plumbline`, and `<provider>.<what>` for what the providers said of themselves. */
  versions: Record<string, string>;
}

export interface GateRecord {
  min_pass_rate: number;
  met: boolean;
  reasons: string[];
}

/** What one run of a provider came to, for the history. */
export interface HistoryFigures {
  status: ProviderRecord['status'];
  /** True for an emulator, whose trend is another than the service's; absent: it is none. */
  emulated?: boolean;
  planned: number;
  passed: number;
  measured: number;
  unsupported: number;
  recovered: number;
  /** Null: it did not run, or nothing applied. */
  pass_rate: number | null;
  wall_clock_sec: number | null;
}

/** One run as a line of history.jsonl: small enough that a year of nights fits in a repository. */
export interface HistoryLine {
  v: 1;
  /** The run's id; for a merged run a digest of the ids of its parts. */
  run: string;
  name: string;
  /** Start of the run. */
  at: string;
  plumbline_version: string;
  met: boolean;
  /** True when filters, a shard or an interruption left something out: its tasks are not held against those of other runs. */
  partial: boolean;
  providers: Record<string, HistoryFigures>;
  /** Provider → task → exception type, RewardBelowOne or outcome; `missing`: in the baseline, or a non-pass of an earlier run, and not in this one. */
  non_passes: Record<string, Record<string, string>>;
  /** Provider → task → `2/3`: some of its repeats pass. Such tasks are among the non-passes too. */
  flaky: Record<string, Record<string, string>>;
}

export interface Report {
  schema_version: 1;
  run: RunRecord;
  runs: RunSource[];
  gate: GateRecord;
  providers: ProviderRecord[];
  groups: GroupRecord[];
  disagreements: { task: string; outcomes: Record<string, Outcome> }[];
  stability: StabilityRecord[] | null;
  trials: TrialRecord[];
  baseline: BaselineRecord | null;
  expectations: ExpectationRecord | null;
  /** Earlier runs and, last, this one; null without `--history`. */
  history: HistoryLine[] | null;
  /** Of the run as a whole; a trial's own warnings are with the trial. */
  warnings: WarningRecord[];
}
