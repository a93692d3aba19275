/** The end of every run's output: verdict first and last, and between them who has to act on what. Fits the terminal's width. */
import type { Report } from '../model/record.js';
import { providerTitle } from '../model/words.js';
import {
  baselineSection,
  disagreementSection,
  expectationSection,
  groupSection,
  stabilitySection,
} from './console-causes.js';
import { type Layout, paragraph, section } from './console-layout.js';
import {
  providerSection,
  recoveredSection,
  slowestSection,
  unsupportedSection,
  warningSection,
} from './console-providers.js';
import { rerunNonPasses, shellLines } from './rerun.js';
import { createPalette, type Screen } from './screen.js';
import { wrap } from './text.js';
import { isNopRun, verdictLine } from './verdict.js';

export interface SummaryPlace {
  /** The run's directory, as the user would type it. */
  readonly dir: string;
  /** Files that were written. */
  readonly files: readonly string[];
  /** Renderers that failed, as sentences. */
  readonly faults: readonly string[];
}

/** Wider lines are hard to read, and tables gain nothing. */
const MAX_COLUMNS = 120;

/** The whole summary with a final newline. */
export function renderConsoleSummary(
  report: Report,
  screen: Pick<Screen, 'columns' | 'color'>,
  place: SummaryPlace,
): string {
  const layout: Layout = {
    columns: Math.min(Math.max(screen.columns, 40), MAX_COLUMNS),
    paint: createPalette(screen.color),
  };
  const sections = [
    verdict(report, layout),
    providerSection(report, layout),
    groupSection(report, layout),
    disagreementSection(report, layout),
    stabilitySection(report, layout),
    baselineSection(report, layout),
    expectationSection(report, layout),
    unsupportedSection(report, layout),
    recoveredSection(report, layout),
    slowestSection(report, layout),
    warningSection(report, layout),
    reasons(report, layout),
    files(report, place, layout),
    rerun(report, place, layout),
    [...leaked(report, layout), ...verdict(report, layout)],
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function verdict(report: Report, layout: Layout): string[] {
  const [first = '', ...rest] = wrap(verdictLine(report), layout.columns);
  const color = report.gate.met ? layout.paint.good : layout.paint.bad;
  return [color(first), ...rest.map((line) => color(line))];
}

const MAX_REASONS = 12;

function reasons(report: Report, layout: Layout): string[] {
  const shown = report.gate.reasons.slice(0, MAX_REASONS).flatMap((reason) => paragraph(reason, '  ', layout));
  const rest = report.gate.reasons.length - MAX_REASONS;
  if (rest > 0) shown.push(`  and ${rest} more in report.json`);
  return section('Why the gate is not met', shown, layout);
}

function files(report: Report, place: SummaryPlace, layout: Layout): string[] {
  const leaks = report.providers.flatMap((provider) => {
    const { name, leaked_sandboxes: count } = provider;
    return count ? [`  ${count} on ${providerTitle(provider)}: plumbline reap -e ${name}`] : [];
  });
  const blocks = [
    section(
      'Not written',
      place.faults.flatMap((fault) => paragraph(fault, '  ', layout)),
      layout,
    ),
    section('Left behind, to be deleted with', leaks, layout),
    section(
      'Files',
      place.files.map((path) => `  ${path}`),
      layout,
    ),
  ];
  return blocks.filter((lines) => lines.length > 0).flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]));
}

/** What the providers answered when they were asked at the end; one that could not be listed is named, not counted as 0. */
function leaked(report: Report, layout: Layout): string[] {
  const ran = report.providers.filter(({ status }) => status === 'ran');
  if (ran.length === 0) return [];
  const known = ran.flatMap(({ leaked_sandboxes: count }) => (count === null ? [] : [count]));
  const unknown = ran.filter(({ leaked_sandboxes: count }) => count === null).map(providerTitle);
  const sum = known.reduce((total, count) => total + count, 0);
  const rest = unknown.length > 0 ? `, unknown on ${unknown.join(', ')}` : '';
  const line = `leaked sandboxes: ${known.length === 0 ? 'unknown' : sum}${known.length === 0 ? '' : rest}`;
  return wrap(line, layout.columns).map((text) => (sum > 0 || rest !== '' ? layout.paint.warn(text) : text));
}

function rerun(report: Report, place: SummaryPlace, layout: Layout): string[] {
  const open = report.trials.some((trial) => !trial.control && !['pass', 'unsupported'].includes(trial.outcome));
  if (!open || isNopRun(report)) return [];
  return section(
    'Run the non-passes again',
    shellLines(rerunNonPasses(report, place.dir), layout.columns, '  '),
    layout,
  );
}
