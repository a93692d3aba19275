/** Sandboxes go, within a limit, whatever happened; one that does not is reported, not hidden. */
import type { Sandbox } from '../model/provider.js';
import { withDeadline } from '../util/deadline.js';
import { type Attempt, note, warn } from './attempt.js';
import { CANCELLED_TEARDOWN_LIMIT_MS, TEARDOWN_LIMIT_MS } from './limits.js';
import type { Live } from './start.js';

/**
 * Removes one sandbox: 60 s, or 20 s after a cancel. The verdict stands whether or not this works, so a failure is the
 * warning `TeardownFailed` (Harbor's providers swallow it); the journal keeps the sandbox for `plumbline reap`.
 */
export async function disposeBox(attempt: Attempt, live: Live, sandbox: Sandbox): Promise<void> {
  const { clock, input } = attempt;
  const limitMs = input.signal.aborted ? CANCELLED_TEARDOWN_LIMIT_MS : TEARDOWN_LIMIT_MS;
  const startedAt = new Date(clock.wall()).toISOString();
  const started = clock.monotonic();
  attempt.phase = 'teardown';
  input.emit({ type: 'phase_started', trial: attempt.key, phase: 'teardown', step: null, limit_sec: limitMs / 1000 });
  let ok = false;
  try {
    const late = () => new Error(`it was still there after ${limitMs / 1000} s`);
    await withDeadline(limitMs, async () => sandbox[Symbol.asyncDispose](), late);
    ok = true;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    warn(attempt, 'TeardownFailed', `sandbox ${sandbox.id} was not removed: ${reason}; \`plumbline reap\` removes it`);
  }
  live.delete(sandbox.id);
  const seconds = (clock.monotonic() - started) / 1000;
  attempt.phases.push({
    name: 'teardown',
    step: null,
    started_at: startedAt,
    duration_sec: seconds,
    limit_sec: limitMs / 1000,
    shared: false,
  });
  input.emit({ type: 'phase_finished', trial: attempt.key, phase: 'teardown', step: null, duration_sec: seconds, ok });
  note(attempt, `teardown of ${sandbox.id}: ${ok ? 'done' : 'failed'} after ${seconds.toFixed(3)} s`);
}

/** Everything that is left, side by side: after a separate verifier that was kept for its evidence there may be two. */
export async function tearDown(attempt: Attempt, live: Live): Promise<void> {
  const { keep } = attempt.input.settings;
  const keepThem = keep === 'always' || (keep === 'failed' && !attempt.passed && !attempt.cancelled);
  if (!keepThem) {
    await Promise.all([...live.values()].map((sandbox) => disposeBox(attempt, live, sandbox)));
    return;
  }
  for (const sandbox of live.values()) {
    const name = `sandbox ${sandbox.id} on ${attempt.input.provider.name}`;
    try {
      const entrance = await sandbox.keep?.();
      const enter = entrance === undefined ? '' : `; enter it with: ${entrance}`;
      warn(attempt, 'SandboxKept', `${name} was kept; \`plumbline reap\` removes it once this run has ended${enter}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      warn(attempt, 'SandboxNotKept', `${name} could not be kept and ends with this run: ${reason}`);
    }
  }
  live.clear();
}
