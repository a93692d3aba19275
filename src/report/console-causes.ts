/** The non-passes of a run in the console: by cause, by disagreement, by repeat, and against what was known. */
import { groupsByState } from '../compare/groups.js';
import { keyTitle, providerTitles } from '../compare/provider-title.js';
import { groupBy, sortedEntries } from '../compare/trials.js';
import type { GroupRecord, Report, TrialChange } from '../model/record.js';
import { type Layout, paragraph, providerHeads, section } from './console-layout.js';
import { type Column, renderTable } from './table.js';
import { cutEnd, plain, someOf } from './text.js';

const MAX_GROUPS = 12;
const MAX_ROWS = 20;
const MAX_TASKS = 5;
const MAX_MESSAGE_LINES = 3;
/** Columns that a table leaves to what is not a provider, as long as providers can be named in short. */
const OTHER_COLUMNS = 32;

/** Exception types by provider as a table, then every cause with its fingerprint, tasks and advice. */
export function groupSection(report: Report, layout: Layout): string[] {
  if (report.groups.length === 0) return [];
  const { names: providers, titles, note } = providerHeads(report, OTHER_COLUMNS, layout);
  const types = [...groupBy(report.groups, (group) => group.exception_type)]
    .map(([type, groups]) => ({ type, groups, total: sum(groups.map((group) => group.count)) }))
    .sort((a, b) => b.total - a.total);
  const columns: Column[] = [
    { title: 'exception', min: 12 },
    ...titles.map((title): Column => ({ title, align: 'right', min: 4 })),
    { title: 'total', align: 'right' },
  ];
  const row = (title: string, groups: readonly GroupRecord[]) => [
    title,
    ...providers.map((name) => cell(sum(groups.map((group) => group.providers[name] ?? 0)))),
    String(sum(groups.map((group) => group.count))),
  ];
  const rows = types.flatMap(({ type, groups }) => [
    row(type, groups),
    ...groupsByState(groups).map(({ state, groups: own }) => row(`  last state ${plain(state)}`, own)),
  ]);
  const details = report.groups
    .slice(0, MAX_GROUPS)
    .flatMap((group, index) => ['', ...describeGroup(group, index, report, layout)]);
  const rest = report.groups.length - MAX_GROUPS;
  if (rest > 0) details.push('', `  and ${rest} more causes in report.html`);
  const table = renderTable(columns, rows, { columns: layout.columns, indent: '  ' });
  return section('Non-passes by exception', [...table, ...note, ...details], layout);
}

function describeGroup(group: GroupRecord, index: number, report: Report, layout: Layout): string[] {
  const { paint } = layout;
  const tasks = tasksOf(group, report);
  const title = providerTitles(report.providers);
  const counts = sortedEntries(Object.entries(group.providers)).map(([name, count]) => `${title(name)} ${count}`);
  const head = `${index + 1}. ${group.exception_type}, ${group.phase}, origin ${group.origin}: ${counts.join(', ')}`;
  const [first = '', ...more] = paragraph(head, '  ', layout, 3);
  return [
    paint.bad(first),
    ...more.map((line) => paint.bad(line)),
    ...message(group.sample_message, layout),
    ...paragraph(someOf(tasks, MAX_TASKS), '     ', layout, 0),
    ...paragraph(`→ ${group.advice}`, '     ', layout).map((line) => paint.dim(line)),
  ];
}

/** What tells one cause from the next stands at the end of many messages. */
function message(text: string, layout: Layout): string[] {
  const lines = paragraph(text, '     ', layout, 0);
  const [last = '', ...more] = lines.slice(MAX_MESSAGE_LINES - 1);
  if (more.length === 0) return lines;
  return [...lines.slice(0, MAX_MESSAGE_LINES - 1), cutEnd(`${last} ${more.join(' ')}`, layout.columns)];
}

function tasksOf(group: GroupRecord, report: Report): string[] {
  const members = new Set(group.trials);
  const tasks = report.trials
    .filter((trial) => members.has(`${trial.provider}/${trial.trial_name}`))
    .map((trial) => trial.task);
  return [...new Set(tasks)];
}

export function disagreementSection(report: Report, layout: Layout): string[] {
  const { names: providers, titles, note } = providerHeads(report, OTHER_COLUMNS, layout);
  const columns: Column[] = [{ title: 'task', min: 12 }, ...titles.map((title): Column => ({ title, min: 5 }))];
  const rows = report.disagreements
    .slice(0, MAX_ROWS)
    .map(({ task, outcomes }) => [plain(task), ...providers.map((name) => outcomes[name]?.replace('_', ' ') ?? '–')]);
  const lines = renderTable(columns, rows, {
    columns: layout.columns,
    indent: '  ',
    paint: (text, _row, column) =>
      column === 0
        ? text
        : text === 'pass'
          ? layout.paint.good(text)
          : /^(fail|error)$/.test(text)
            ? layout.paint.bad(text)
            : text,
  });
  const table = withRest(lines, report.disagreements.length);
  return section('Providers disagree', table.length === 0 ? [] : [...table, ...note], layout);
}

/** Flaky and broken only: stable is what everything else is. */
export function stabilitySection(report: Report, layout: Layout): string[] {
  const unstable = (report.stability ?? []).filter((record) => record.verdict !== 'stable');
  const title = providerTitles(report.providers);
  const rows = unstable
    .slice(0, MAX_ROWS)
    .map(({ task, provider, passed, repeats, verdict, interval }) => [
      plain(task),
      title(provider),
      verdict,
      `${passed}/${repeats}`,
      `${interval[0].toFixed(2)} to ${interval[1].toFixed(2)}`,
    ]);
  const columns: Column[] = [
    { title: 'task', min: 12 },
    { title: 'provider' },
    { title: 'verdict' },
    { title: 'passes' },
    { title: '95 % interval' },
  ];
  const lines = renderTable(columns, rows, { columns: layout.columns, indent: '  ' });
  return section('Not stable over repeats', withRest(lines, unstable.length), layout);
}

export function baselineSection(report: Report, layout: Layout): string[] {
  const baseline = report.baseline;
  if (!baseline) return [];
  const title = providerTitles(report.providers);
  const lines = (['regressed', 'missing', 'changed_type', 'fixed', 'new'] as const).flatMap((kind) =>
    changeLines(kind, baseline[kind], title, layout),
  );
  return section('Against the baseline', lines.length > 0 ? lines : ['  no change'], layout);
}

/** At most MAX_ROWS of a kind; new passes are only counted. @param title of a provider */
export function changeLines(
  kind: string,
  changes: readonly TrialChange[],
  title: (provider: string) => string,
  layout: Layout,
): string[] {
  const shown = kind === 'new' ? changes.filter((change) => change.after !== 'pass') : changes;
  const head = `  ${kind.replace('_', ' ')}: ${changes.length}`;
  if (changes.length === 0) return [];
  const lines = shown
    .slice(0, MAX_ROWS)
    .flatMap(({ task, provider, before, after }) =>
      paragraph(`${task} on ${title(provider)}: ${before ?? '–'} → ${after ?? '–'}`, '    ', layout),
    );
  return [kind === 'regressed' || kind === 'missing' ? layout.paint.bad(head) : head, ...withRest(lines, shown.length)];
}

export function expectationSection(report: Report, layout: Layout): string[] {
  const record = report.expectations;
  if (!record) return [];
  const at = (trial: string) => keyTitle(trial, report.providers);
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0
      ? []
      : [
          `  ${title}`,
          ...withRest(
            lines.slice(0, MAX_ROWS).flatMap((line) => paragraph(line, '    ', layout)),
            lines.length,
          ),
        ];
  return section(
    'Expectations',
    [
      ...list(
        'pass although a non-pass is expected',
        record.surprise_pass.map(({ trial, reason }) => `${at(trial)}: ${reason}`),
      ),
      ...list(
        'fail in another way',
        record.mismatched.map(({ trial, expected, actual }) => `${at(trial)}: expected ${expected}, got ${actual}`),
      ),
      ...list(
        'match no planned trial',
        record.unmatched.map(({ pattern, reason }) => `${pattern}: ${reason}`),
      ),
      ...list(
        'expired',
        record.expired.map(({ pattern, expires, reason }) => `${pattern} on ${expires}: ${reason}`),
      ),
      ...list(
        'as expected',
        record.expected.map(({ trial, exception_type, reason }) => `${at(trial)}: ${exception_type}, ${reason}`),
      ),
    ],
    layout,
  );
}

function withRest(lines: readonly string[], total: number): string[] {
  const rest = total - MAX_ROWS;
  return rest > 0 ? [...lines, `  and ${rest} more in report.html`] : [...lines];
}

function cell(count: number): string {
  return count === 0 ? '·' : String(count);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
