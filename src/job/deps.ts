/** Everything outside that a run touches, handed in by the composition root, so that a test needs no more than a directory. */
import type { ImageSpec } from '../model/image.js';
import type { Needs } from '../model/needs.js';
import type { Owner, SandboxProvider } from '../model/provider.js';
import type { AttemptRecord, HostRecord } from '../model/record.js';
import type { Task } from '../model/task.js';
import type { NamedSink } from '../record/emitter.js';
import type { Random } from '../record/harbor-names.js';
import type { Redactor } from '../record/redact.js';
import type { AttemptInput } from '../trial/types.js';
import type { PlanItem } from './plan.js';

export type HostEnv = Readonly<Record<string, string | undefined>>;

/** Results are data: an attempt that could not be made is a record with an exception, not a rejection. */
export type RunAttempt = (input: AttemptInput) => Promise<AttemptRecord>;

export interface JobDeps {
  /** Guarded, in the order of the report. */
  readonly providers: readonly SandboxProvider[];
  /** Reporters; events.jsonl is the run's own and comes first. */
  readonly sinks: readonly NamedSink[];
  readonly runAttempt: RunAttempt;
  readonly needsOf: (task: Task) => Needs;
  /** The images that a trial will ask its provider for, so that they can be prepared ahead; none is a valid answer. */
  readonly imagesOf: (task: Task, forceBuild: boolean) => Promise<readonly ImageSpec[]>;
  readonly ownerOf: (runId: string) => Owner;
  readonly redact: Redactor;
  readonly host: HostRecord;
  readonly version: string;
  readonly hostEnv: HostEnv;
  readonly now: () => Date;
  readonly random: Random;
  /** Asked once, before anything is written or made, with the trials that are left to run; what it throws ends the run. */
  readonly confirm?: (plan: readonly PlanItem[]) => void;
  /** Aborted by an interrupt; the reason may be an `Interrupt`. */
  readonly signal: AbortSignal;
  /** How long trials may take to clean up after an interrupt, in milliseconds; default 30,000. */
  readonly cleanupLimitMs?: number;
  /** Bounds the preflight of each provider and the last listing, in milliseconds; default 30,000. */
  readonly providerLimitMs?: number;
  /** What the providers were configured with (`--ek`); a resumed run must have the same to keep results. No secrets. */
  readonly providerSettings?: Readonly<Record<string, unknown>>;
}
