/** GitHub Actions: a step summary inside its size limit, and one annotation per cause (GitHub shows ten of a kind per step). */
import { trialKeyOf } from '../model/event.js';
import type { Report } from '../model/record.js';
import { type MarkdownLimits, renderMarkdown, SUMMARY_LIMITS } from './markdown.js';
import { plain, plural, someOf } from './text.js';

/** GitHub drops a whole summary above 1,024 KiB; the step may have written to it before us. */
export const STEP_SUMMARY_BYTES = 900 * 1024;

/** When it is too long the tasks of the causes go first, then rows; verdict and providers stay. */
const SHORTER: readonly MarkdownLimits[] = [
  SUMMARY_LIMITS,
  { rows: 100, tasksPerGroup: 3 },
  { rows: 30, tasksPerGroup: 3 },
  { rows: 5, tasksPerGroup: 1 },
];

/** To be appended to the file that GITHUB_STEP_SUMMARY names; at most `budget` bytes of UTF-8. */
export function renderStepSummary(report: Report, budget = STEP_SUMMARY_BYTES): string {
  let text = '';
  for (const limits of SHORTER) {
    text = renderMarkdown(report, limits);
    if (Buffer.byteLength(text) <= budget) return text;
  }
  return cutBytes(text, budget);
}

/** Workflow commands, one line each: an error per cause, or one notice when the gate is met. */
export function renderAnnotations(report: Report): string[] {
  const taskOf = new Map(report.trials.map((trial) => [trialKeyOf(trial), plain(trial.task)]));
  const pathOf = new Map(report.trials.map((trial) => [trialKeyOf(trial), trial.task_path]));
  const emulated = new Set(report.trials.filter((trial) => trial.emulated).map(trialKeyOf));
  const commands = report.groups.map((group) => {
    const kind = group.trials.every((key) => emulated.has(key)) ? ', emulated' : '';
    const title = `${group.exception_type} in ${group.phase} (${plural(group.count, 'trial')}${kind})`;
    const tasks = someOf([...new Set(group.trials.map((key) => taskOf.get(key) ?? key))], 10);
    return command(
      report.gate.met ? 'warning' : 'error',
      title,
      `${plain(group.sample_message)}\n${tasks}\n${group.advice}`,
      fileOf(group.trials.map((key) => pathOf.get(key)).find((path) => path !== undefined)),
    );
  });
  if (report.gate.met) return commands;
  return [command('error', 'plumbline gate', report.gate.reasons.map(plain).join('\n') || 'not met'), ...commands];
}

/** The first task's file, so that GitHub shows the cause beside it; a task outside of the repository has none there. */
function fileOf(taskPath: string | undefined): string | null {
  if (taskPath === undefined) return null;
  return taskPath === '.' ? 'task.toml' : `${plain(taskPath)}/task.toml`;
}

function command(level: 'error' | 'warning', title: string, message: string, file: string | null = null): string {
  const place = file === null ? '' : `file=${escapeProperty(file)},`;
  return `::${level} ${place}title=${escapeProperty(title)}::${escapeData(message)}`;
}

/** Source of both: the runner's own decoding, https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts */
function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** Whole lines only, so that no character and no table row is cut. */
function cutBytes(text: string, budget: number): string {
  const note = '\n(cut: the summary was too long)\n';
  let size = Buffer.byteLength(note);
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    size += Buffer.byteLength(line) + 1;
    if (size > budget) break;
    kept.push(line);
  }
  return kept.join('\n') + note;
}
