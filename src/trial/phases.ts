/** Runs one phase: its events, its record, its limit, and one way to fail. */
import { toExceptionRecord } from '../exception/classify.js';
import type { ExceptionRecord } from '../model/record.js';
import type { Phase } from '../model/words.js';
import { type OffTheClock, withDeadline } from '../util/deadline.js';
import { type Attempt, note } from './attempt.js';

/** The attempt's signal was aborted; never an exception of the trial. */
export class Cancelled extends Error {
  constructor() {
    super('the trial was cancelled');
  }
  override get name(): string {
    return 'Cancelled';
  }
}

/** A phase failed: the error with its phase and step, ready for the record. */
export class PhaseFailure extends Error {
  constructor(
    readonly record: ExceptionRecord,
    cause: unknown,
  ) {
    super(`${record.type} in ${record.phase}`, { cause });
  }
  override get name(): string {
    return 'PhaseFailure';
  }
}

export interface PhaseOptions {
  readonly step?: string | null;
  /** Shown in the record; null is no limit. */
  readonly limitSec?: number | null;
  /** Enforced by the phase runner. Limits of the oracle and the verifier are enforced by exec, which also kills. */
  readonly deadline?: {
    readonly ms: number | null;
    readonly onExpiry: () => Error;
    /** Told of milliseconds that the limit did not count. */
    readonly onQueued?: (ms: number) => void;
  };
  /** The phase is that of the record whatever an error says of itself: a separate verifier's image is the verifier's. */
  readonly pinned?: boolean;
}

const NO_DEADLINE: Required<PhaseOptions>['deadline'] = { ms: null, onExpiry: () => new Cancelled() };

/**
 * Rejects with PhaseFailure, or with Cancelled as soon as the attempt's signal aborts. The work is told through its signal
 * and is not waited for; guard.ts destroys what arrives late.
 */
export async function runPhase<T>(
  attempt: Attempt,
  phase: Phase,
  options: PhaseOptions,
  work: (signal: AbortSignal, queued: OffTheClock) => Promise<T>,
): Promise<T> {
  const { clock, input } = attempt;
  if (input.signal.aborted) throw new Cancelled();
  const step = options.step ?? null;
  const limit = options.limitSec ?? null;
  const startedAt = new Date(clock.wall()).toISOString();
  const started = clock.monotonic();
  attempt.phase = phase;
  input.emit({ type: 'phase_started', trial: attempt.key, phase, step, limit_sec: limit });
  note(attempt, `${phase}${step === null ? '' : ` (${step})`}: started`);
  let ok = false;
  let queuedMs = 0;
  try {
    const { ms, onExpiry, onQueued } = options.deadline ?? NO_DEADLINE;
    const measured = (offTheClock: OffTheClock): OffTheClock => {
      return async (wait) => {
        const from = clock.monotonic();
        try {
          return await offTheClock(wait);
        } finally {
          const waited = clock.monotonic() - from;
          queuedMs += waited;
          onQueued?.(waited);
        }
      };
    };
    const bounded = (signal: AbortSignal, offTheClock: OffTheClock) =>
      orCancelled(work(signal, measured(offTheClock)), input.signal);
    const result = await withDeadline(ms, bounded, onExpiry, input.signal);
    ok = true;
    return result;
  } catch (error) {
    if (error instanceof Cancelled || input.signal.aborted) throw new Cancelled();
    if (error instanceof PhaseFailure) throw error;
    const record = toExceptionRecord(error, { phase, step, providerState: attempt.providerState });
    throw new PhaseFailure(options.pinned ? { ...record, phase } : record, error);
  } finally {
    const seconds = (clock.monotonic() - started) / 1000;
    attempt.phases.push({
      name: phase,
      step,
      started_at: startedAt,
      duration_sec: seconds,
      limit_sec: limit,
      ...(queuedMs > 0 ? { queued_sec: queuedMs / 1000 } : {}),
      shared: false,
    });
    input.emit({ type: 'phase_finished', trial: attempt.key, phase, step, duration_sec: seconds, ok });
    note(
      attempt,
      `${phase}${step === null ? '' : ` (${step})`}: ${ok ? 'done' : 'failed'} after ${seconds.toFixed(3)} s`,
    );
  }
}

/** Settles with the work, or rejects at once on an abort: whoever pressed Ctrl-C does not wait for a backend. */
async function orCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined); // after an abort nobody awaits it; its failure must not become an unhandled rejection
  let onAbort = () => {};
  const cancelled = new Promise<never>((_, reject) => {
    onAbort = () => reject(new Cancelled());
    if (signal.aborted) onAbort(); // the work itself may have led to it
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, cancelled]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
