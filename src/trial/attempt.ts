/** What one attempt has established so far. Created per attempt, filled by the phases, read once for the record. */
import { join } from 'node:path';
import { toExceptionRecord } from '../exception/classify.js';
import { type TrialKey, trialKeyOf } from '../model/event.js';
import type { PreparedImage } from '../model/image.js';
import type { Effective } from '../model/provider.js';
import type { ExceptionRecord, PhaseRecord, Rewards, StepRecord, WarningRecord } from '../model/record.js';
import type { Phase } from '../model/words.js';
import { systemClock } from './clock.js';
import { type LogFile, openLogFile } from './trial-log.js';
import type { AttemptInput, Clock } from './types.js';

/** Where the kernel killed something for its memory, as an exec result told it. */
export interface OomSighting {
  readonly phase: Phase;
  readonly step: string | null;
  readonly what: string;
}

export interface Attempt {
  readonly input: AttemptInput;
  readonly key: TrialKey;
  readonly clock: Clock;
  readonly log: LogFile;
  readonly buildLog: LogFile;
  readonly warnings: WarningRecord[];
  readonly phases: PhaseRecord[];
  readonly steps: StepRecord[];
  /** The one that runs, or ran last. */
  phase: Phase;
  /** The first exception; later ones become warnings, so nothing is lost (harbor-semantics 10, point 9). */
  exception: ExceptionRecord | null;
  rewards: Rewards | null;
  /** True only when every reward of the verdict is finite and at least 1; reward.ts decides. */
  passed: boolean;
  cancelled: boolean;
  oracleExitCode: number | null;
  verifierExitCode: number | null;
  verifierMode: 'shared' | 'separate' | null;
  image: PreparedImage | null;
  effective: Effective | null;
  interventions: readonly string[];
  providerState: string | null;
  /** `<what> after <exception type>`, and how often. */
  readonly recoveries: Map<string, number>;
  /** What the provider says from here on is nobody's any more. */
  over: boolean;
  oom: OomSighting | null;
  /** Absolute paths on this machine; null when the log was never produced. */
  oracleLog: string | null;
  verifierLog: string | null;
}

export function createAttempt(input: AttemptInput): Attempt {
  return {
    input,
    key: trialKeyOf({ provider: input.provider.name, trial_name: input.trialName }),
    clock: input.clock ?? systemClock,
    log: openLogFile(join(input.dir, 'trial.log')),
    buildLog: openLogFile(join(input.dir, 'build.log')),
    warnings: [],
    phases: [],
    steps: [],
    phase: 'load',
    exception: null,
    rewards: null,
    passed: false,
    cancelled: false,
    oracleExitCode: null,
    verifierExitCode: null,
    verifierMode: null,
    image: null,
    effective: null,
    interventions: [],
    providerState: null,
    recoveries: new Map(),
    over: false,
    oom: null,
    oracleLog: null,
    verifierLog: null,
  };
}

/** Adds a warning to the record, the events and trial.log; the same warning twice is one warning. */
export function warn(attempt: Attempt, code: string, message: string): void {
  if (attempt.warnings.some((warning) => warning.code === code && warning.message === message)) return;
  const warning = { code, message };
  attempt.warnings.push(warning);
  attempt.input.emit({ type: 'warning', trial: attempt.key, warning });
  note(attempt, `warning ${code}: ${message}`);
}

/** One line in trial.log. */
export function note(attempt: Attempt, line: string): void {
  attempt.log.write(`${new Date(attempt.clock.wall()).toISOString()} ${line}\n`);
}

/** The first exception is the attempt's; a later one is kept as the warning `LaterException`. */
export function recordException(attempt: Attempt, record: ExceptionRecord): void {
  note(
    attempt,
    `${record.type} in ${record.phase}${record.step === null ? '' : ` of step ${record.step}`}: ${record.message}`,
  );
  if (attempt.exception === null) attempt.exception = record;
  else if (attempt.exception !== record) {
    warn(attempt, 'LaterException', `${record.type} in ${record.phase}: ${record.message}`);
  }
}

/** A record for an error outside every phase: a fault of ours. */
export function recordHarnessFault(attempt: Attempt, error: unknown, phase: Phase): void {
  recordException(attempt, toExceptionRecord(error, { phase, step: null, providerState: attempt.providerState }));
}
