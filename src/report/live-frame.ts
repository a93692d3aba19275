/** One frame of the live window as lines: a row per running trial, then the counts. A pure function of the state. */
import { trialKeyOf } from '../model/event.js';
import type { RunningTrial } from '../record/fold.js';
import type { Row } from './live-rows.js';
import { currentPhase, type Progress } from './progress.js';
import type { Palette } from './screen.js';
import { cutEnd, cutMiddle, displayWidth, formatClock, formatSeconds, padEnd, plain, plural } from './text.js';
import { colorOf } from './trial-line.js';

export interface FrameInput {
  readonly progress: Progress;
  readonly rows: readonly Row[];
  /** Milliseconds. */
  readonly startedAt: number;
  readonly now: number;
  readonly columns: number;
  /** Rows of the terminal. */
  readonly height: number;
  readonly paint: Palette;
}

/** Lines of the terminal that stay free for what scrolls above, the footer included. */
const RESERVED = 8;
/** Share of a phase's limit from which its row is a warning. */
const LATE = 0.8;

/** No line is wider than the terminal less one, so none wraps. */
export function frameLines(input: FrameInput): string[] {
  const width = Math.max(20, input.columns - 1);
  const room = Math.max(1, input.height - RESERVED);
  const running = new Map(input.progress.running().map((trial) => [trialKeyOf(trial.planned), trial]));
  const fits = input.rows.length <= room;
  const shown = input.rows.slice(0, fits ? room : Math.max(1, room - 1));
  const hidden = input.rows.slice(shown.length).flatMap((row) => running.get(row.key) ?? []);
  return [
    '',
    ...shown.map((row) => rowLine(row, running.get(row.key), input, width)),
    ...(hidden.length > 0
      ? [input.paint.dim(cutEnd(`  … and ${hidden.length} more, oldest ${age(hidden[0], input.now)}`, width))]
      : []),
    ...footer(input, width),
  ];
}

function rowLine(row: Row, trial: RunningTrial | undefined, input: FrameInput, width: number): string {
  const { progress, now, paint } = input;
  const providerWidth = providerColumn(progress, width);
  const statusWidth = Math.min(38, Math.max(16, Math.floor((width - providerWidth) * 0.54)));
  const taskWidth = width - providerWidth - statusWidth - 6;
  const cells = (task: string, provider: string) =>
    `  ${padEnd(cutMiddle(plain(task), taskWidth), taskWidth)}  ${padEnd(cutMiddle(provider, providerWidth), providerWidth)}  `;
  if (row.finished) {
    const { record } = row.finished;
    const text = `${record.outcome.replace('_', ' ')} ${formatSeconds(record.duration_sec)}`;
    return (
      cells(record.task, progress.titleOf(record.provider)) + colorOf(record.outcome, paint)(cutEnd(text, statusWidth))
    );
  }
  if (!trial) return cells(row.key, '');
  const phase = currentPhase(trial);
  const name = progress.titleOf(trial.planned.provider);
  if (!phase) return cells(trial.planned.task, name);
  const elapsed = Math.max(0, (now - phase.since) / 1000);
  const limit = phase.limitSec === null ? '' : `/${formatClock(phase.limitSec)}`;
  const state = trial.progress.providerState === null ? '' : ` ${plain(trial.progress.providerState)}`;
  const time = `${formatClock(elapsed)}${limit}`;
  const status = `${cutEnd(`${phase.name}${state}`, statusWidth - time.length - 1)} ${time}`;
  const isLate = phase.limitSec !== null && elapsed > LATE * phase.limitSec;
  return cells(trial.planned.task, name) + (isLate ? paint.warn(status) : status);
}

/** The longest title, as far as it leaves most of the line to others. */
function providerColumn({ providers }: Progress, width: number): number {
  const longest = Math.max(0, ...providers.map(({ title }) => displayWidth(title)));
  return Math.max(10, Math.min(Math.floor(width * 0.3), longest));
}

function footer({ progress, startedAt, now, paint }: FrameInput, width: number): string[] {
  const running = progress.running();
  const { pass, unsupported, ...others } = progress.outcomes;
  const nonPass = Object.values(others).reduce((sum, count) => sum + count, 0);
  const counts = [
    `Trials ${progress.done}/${progress.planned}`,
    `${pass} passed`,
    `${nonPass} non-pass`,
    ...(unsupported > 0 ? [`${unsupported} unsupported`] : []),
    `${running.length} running`,
    `${Math.max(0, progress.planned - progress.done - running.length)} waiting`,
  ];
  const elapsed = (now - startedAt) / 1000;
  const slots = progress.providers.map(({ name, title, concurrency }) => {
    const used = running.filter(({ planned }) => planned.provider === name).length;
    return `${title} ${used}/${concurrency}`;
  });
  const times = [...slots, formatClock(elapsed), remaining(progress, elapsed)].filter((text) => text !== '');
  const images =
    progress.images.length === 0
      ? []
      : [`Preparing ${plural(progress.images.length, 'image')}: ${progress.images.map(plain).join(', ')}`];
  return [
    paint.bold(cutEnd(counts.join('  '), width)),
    cutEnd(times.join('  '), width),
    ...images.map((line) => cutEnd(line, width)),
  ];
}

/** Rough, and only after a tenth of the plan: before that it would only mislead. */
function remaining(progress: Progress, elapsed: number): string {
  const { done, planned } = progress;
  if (done === 0 || done < planned / 10 || done >= planned) return '';
  return `about ${formatClock((elapsed / done) * (planned - done))} left`;
}

function age(trial: RunningTrial | undefined, now: number): string {
  return trial ? formatClock((now - Date.parse(trial.progress.startedAt)) / 1000) : '?';
}
