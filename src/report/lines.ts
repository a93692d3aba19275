/** Progress for CI, pipes and agents: no cursor movement, a line per finished trial, and a sign of life. */
import type { EventSink } from '../model/event.js';
import { announce } from './announce.js';
import { type Clock, systemClock } from './clock.js';
import { createProgress, currentPhase } from './progress.js';
import { createPalette, type Screen } from './screen.js';
import { formatSeconds, plural } from './text.js';
import { trialLine } from './trial-line.js';

export const HEARTBEAT_MS = 30_000;

export interface LinesOptions {
  readonly clock?: Clock;
  /** `-q`: only non-passes are printed. */
  readonly quiet?: boolean;
}

/** A heartbeat is printed only when nothing else was for 30 s: CI systems end jobs that are silent for too long. */
export function createLinesReporter(screen: Screen, options: LinesOptions = {}): EventSink {
  const clock = options.clock ?? systemClock;
  const paint = createPalette(screen.color);
  const progress = createProgress();
  let lastPrint = clock.now();
  let stop: (() => void) | null = null;

  const print = (line: string) => {
    screen.write(`${line}\n`);
    lastPrint = clock.now();
  };
  const heartbeat = () => {
    if (clock.now() - lastPrint >= HEARTBEAT_MS) print(paint.dim(heartbeatLine(progress, clock.now())));
  };
  return {
    handle(event) {
      progress.apply(event);
      if (event.type === 'run_started') stop ??= clock.every(1000, heartbeat);
      for (const line of announce(event, progress, paint)) print(line);
      if (event.type !== 'trial_finished' || (options.quiet && event.record.outcome === 'pass')) return;
      const total = String(progress.planned);
      print(`[${String(progress.done).padStart(total.length)}/${total}] ${trialLine(event.record, paint)}`);
    },
    close() {
      stop?.();
      stop = null;
    },
  };
}

function heartbeatLine(progress: ReturnType<typeof createProgress>, now: number): string {
  const running = progress.running();
  const parts = [`... ${progress.done}/${progress.planned} done, ${running.length} running`];
  if (progress.images.length > 0) parts.push(`preparing ${plural(progress.images.length, 'image')}`);
  const oldest = running[0];
  if (oldest) {
    const { planned, progress: state } = oldest;
    const phase = currentPhase(oldest);
    const since = phase ? `${phase.name} for ${formatSeconds((now - phase.since) / 1000)}` : 'between phases';
    const last = state.providerState === null ? '' : ` (${state.providerState})`;
    parts.push(`oldest ${planned.task} on ${progress.titleOf(planned.provider)}: ${since}${last}`);
  }
  return parts.join(', ');
}
