/** One attempt at a trial: from the task on disk to a complete record. docs/semantics.md tells it step by step. */
import { mkdir } from 'node:fs/promises';
import type { AttemptRecord } from '../model/record.js';
import { type Attempt, createAttempt, recordException, recordHarnessFault, warn } from './attempt.js';
import { healthcheck } from './healthcheck.js';
import { runUnits } from './multi-step.js';
import { explain, toAttemptRecord } from './outcome.js';
import { Cancelled, PhaseFailure, runPhase } from './phases.js';
import { planTrial } from './plan.js';
import { warnOfRecoveries } from './provider-events.js';
import { type Live, startMain } from './start.js';
import { tearDown } from './teardown.js';
import type { AttemptInput } from './types.js';

/**
 * Runs the oracle of one task in a fresh sandbox and grades it. Never rejects: whatever goes wrong is in the record, also a
 * fault of ours (HarnessError). The sandbox is gone when it resolves, unless the settings keep it.
 */
export async function runAttempt(input: AttemptInput): Promise<AttemptRecord> {
  const attempt = createAttempt(input);
  const started = { wall: attempt.clock.wall(), monotonic: attempt.clock.monotonic() };
  const live: Live = new Map();
  await guarded(attempt, () => runPhases(attempt, live));
  explain(attempt);
  await guarded(attempt, () => tearDown(attempt, live));
  attempt.over = true;
  warnOfRecoveries(attempt);
  await Promise.all([attempt.log.close(), attempt.buildLog.close()]);
  const unwritten = attempt.log.failure ?? attempt.buildLog.failure;
  if (unwritten) warn(attempt, 'LogNotWritten', unwritten.message);
  return toAttemptRecord(attempt, started);
}

async function runPhases(attempt: Attempt, live: Live): Promise<void> {
  const { input } = attempt;
  const plan = await runPhase(attempt, 'load', {}, async () => {
    await mkdir(input.dir, { recursive: true });
    return planTrial(input);
  });
  const box = await startMain(attempt, plan, live);
  const check = input.task.config.environment.healthcheck;
  if (check !== null) {
    await runPhase(attempt, 'healthcheck', {}, (signal) =>
      healthcheck(attempt, box, { phase: 'healthcheck', step: null, signal }, check, null),
    );
  }
  await runUnits(attempt, plan, box, live);
}

/** Turns every way to fail into a part of the record. */
async function guarded(attempt: Attempt, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Cancelled) attempt.cancelled = true;
    else if (error instanceof PhaseFailure) recordException(attempt, error.record);
    else recordHarnessFault(attempt, error, attempt.phases.at(-1)?.name ?? 'load');
  }
}
