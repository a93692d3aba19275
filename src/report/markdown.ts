/** summary.md: what somebody pastes into a pull request. Names and messages stand in code spans, so nothing in them is markup. */
import { formatRate } from '../compare/gate.js';
import { groupsByState } from '../compare/groups.js';
import { historyChanges } from '../compare/history.js';
import { isRecovered } from '../compare/provider-record.js';
import { keyTitle, placeOf, providerTitles } from '../compare/provider-title.js';
import { compareText, groupBy, sortedEntries } from '../compare/trials.js';
import type { GroupRecord, HistoryFigures, Report, TrialRecord } from '../model/record.js';
import { providerTitle } from '../model/words.js';
import { rateText } from './console-layout.js';
import { cutEnd, formatSeconds, plain, plural } from './text.js';
import { isNopRun, verdictLine } from './verdict.js';

/** How much of the long lists is printed. */
export interface MarkdownLimits {
  readonly rows: number;
  readonly tasksPerGroup: number;
}

export const SUMMARY_LIMITS: MarkdownLimits = { rows: 100, tasksPerGroup: 20 };
const MAX_TEXT = 200;

/** The whole summary with a final newline. */
export function renderMarkdown(report: Report, limits: MarkdownLimits = SUMMARY_LIMITS): string {
  const { run } = report;
  const took = run.wall_clock_sec === null ? '' : `, ${formatSeconds(run.wall_clock_sec)}`;
  const sections = [
    [`## ${verdictLine(report).replace(/\s+/, ': ')}`],
    [
      `Run ${code(run.name)} of ${run.started_at}${took}, plumbline ${run.plumbline_version}, ${code(run.host.hostname)} (${run.host.platform}/${run.host.arch}, ${run.host.cpus} cpus).`,
    ],
    report.gate.reasons.length > 0 ? list('Why the gate is not met', report.gate.reasons.map(code), limits) : [],
    providers(report),
    exceptions(report),
    disagreements(report, limits),
    stability(report, limits),
    baseline(report, limits),
    history(report, limits),
    expectations(report, limits),
    causes(report, limits),
    unsupported(report, limits),
    notes(report, limits),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

/** A code span that survives inside a table: no backticks, no line breaks, no escapes, pipes escaped. */
export function code(text: string): string {
  const safe = cutEnd(plain(text).replaceAll('`', "'"), MAX_TEXT).replaceAll('|', '\\|');
  return safe === '' ? '–' : `\`${safe}\``;
}

function providers(report: Report): string[] {
  const rows = report.providers.map((provider) => {
    const name = code(providerTitle(provider));
    if (provider.status !== 'ran')
      return [name, `${provider.status}: ${code(provider.reason ?? '')}`, '', '', '', '', ''];
    const applicable = provider.planned - provider.unsupported;
    const { measured, unsupported, recovered } = provider;
    const versions = sortedEntries(Object.entries(provider.versions)).map(([what, version]) =>
      code(`${what} ${version}`),
    );
    return [
      name,
      rateText(provider.passed, applicable),
      `${measured}/${applicable}`,
      String(unsupported),
      String(recovered),
      provider.wall_clock_sec === null ? '–' : formatSeconds(provider.wall_clock_sec),
      versions.join(' '),
    ];
  });
  return table(['provider', 'pass rate', 'measured', 'unsupported', 'recovered', 'wall clock', 'versions'], rows);
}

/** Heads of columns. */
function titlesOf(report: Report, names: readonly string[]): string[] {
  return names.map(providerTitles(report.providers)).map(code);
}

/** Exception type × provider. */
function exceptions(report: Report): string[] {
  if (report.groups.length === 0) return [];
  const names = report.providers.filter((provider) => provider.status === 'ran').map(({ name }) => name);
  const total = (groups: readonly GroupRecord[]) => groups.reduce((sum, group) => sum + group.count, 0);
  const row = (title: string, groups: readonly GroupRecord[]) => {
    const count = (name: string) => groups.reduce((sum, group) => sum + (group.providers[name] ?? 0), 0);
    return [title, ...names.map((name) => String(count(name) || '')), String(total(groups))];
  };
  const types = [...groupBy(report.groups, (group) => group.exception_type)];
  const sorted = types
    .sort(([, a], [, b]) => total(b) - total(a))
    .flatMap(([type, groups]) => [
      row(code(type), groups),
      ...groupsByState(groups).map(({ state, groups: own }) => row(`– last state ${code(state)}`, own)),
    ]);
  return ['### Non-passes by exception', '', ...table(['exception', ...titlesOf(report, names), 'total'], sorted)];
}

function disagreements(report: Report, limits: MarkdownLimits): string[] {
  if (report.disagreements.length === 0) return [];
  const names = report.providers.filter((provider) => provider.status === 'ran').map(({ name }) => name);
  const rows = report.disagreements.map(({ task, outcomes }) => [
    code(task),
    ...names.map((name) => outcomes[name] ?? ''),
  ]);
  return [
    '### Providers disagree',
    '',
    ...table(['task', ...titlesOf(report, names)], rows.slice(0, limits.rows)),
    ...rest(rows.length, limits),
  ];
}

function stability(report: Report, limits: MarkdownLimits): string[] {
  const unstable = (report.stability ?? []).filter((record) => record.verdict !== 'stable');
  if (unstable.length === 0) return [];
  const title = providerTitles(report.providers);
  const rows = unstable.map(({ task, provider, verdict, passed, repeats, interval }) => [
    code(task),
    code(title(provider)),
    verdict,
    `${passed}/${repeats}`,
    `${interval[0].toFixed(2)} to ${interval[1].toFixed(2)}`,
  ]);
  const head = ['task', 'provider', 'verdict', 'passes', '95 % interval'];
  return ['### Not stable over repeats', '', ...table(head, rows.slice(0, limits.rows)), ...rest(rows.length, limits)];
}

function baseline(report: Report, limits: MarkdownLimits): string[] {
  if (!report.baseline) return [];
  const title = providerTitles(report.providers);
  const { regressed, missing, changed_type, fixed } = report.baseline;
  const changes = Object.entries({ regressed, missing, 'changed type': changed_type, fixed }).flatMap(([kind, list]) =>
    list.map(({ task, provider, before, after }) => [
      kind,
      code(task),
      code(title(provider)),
      code(before ?? ''),
      code(after ?? ''),
    ]),
  );
  if (changes.length === 0) return ['Against the baseline: no change.'];
  const head = ['change', 'task', 'provider', 'before', 'after'];
  return [
    '### Against the baseline',
    '',
    ...table(head, changes.slice(0, limits.rows)),
    ...rest(changes.length, limits),
  ];
}

/** Runs of the history that are columns. */
const COLUMNS = 7;

/** The last runs side by side, and what changed in this one. */
function history(report: Report, limits: MarkdownLimits): string[] {
  const lines = report.history ?? [];
  if (lines.length < 2) return [];
  const shown = lines.slice(-COLUMNS);
  // An emulator has a row of its own.
  const titled = shown.map(({ providers: found }) => new Map(Object.entries(found).map(titledFigures)));
  const titles = [...new Set(titled.flatMap((found) => [...found.keys()]))].sort(compareText);
  const rows = titles.map((title) => [
    code(title),
    ...titled.map((found) => {
      const figures = found.get(title);
      if (figures?.status !== 'ran') return figures?.status ?? '–';
      const clock = figures.wall_clock_sec === null ? '' : `, ${formatSeconds(figures.wall_clock_sec)}`;
      return `${figures.pass_rate === null ? '–' : formatRate(figures.pass_rate)}${clock}`;
    }),
  ]);
  const own = lines.at(-1);
  const changes = historyChanges(lines)
    .filter(({ at, name }) => at === own?.at && name === own.name)
    .map((change) => {
      const { task, before, after } = change;
      return `${code(task)} on ${code(placeOf(change))}: ${code(before)} → ${code(after)}`;
    });
  return [
    `### The last ${shown.length} runs`,
    '',
    ...table(['provider', ...shown.map(({ at }) => at.slice(0, 10))], rows),
    '',
    changes.length === 0 ? 'No task has another result than in the run before.' : 'Another result than before:',
    ...(changes.length === 0 ? [] : ['', ...changes.slice(0, limits.rows).map((line) => `- ${line}`)]),
    ...rest(changes.length, limits),
  ];
}

function titledFigures([name, figures]: [string, HistoryFigures]): [string, HistoryFigures] {
  return [providerTitle({ name, emulated: figures.emulated ?? false }), figures];
}

function expectations(report: Report, limits: MarkdownLimits): string[] {
  const record = report.expectations;
  if (!record) return [];
  const lines = record.expected.map(({ trial, exception_type, reason, link }) => {
    const where = link === null ? '' : ` ${/^https?:\/\/[^\s<>]+$/.test(link) ? `<${link}>` : code(link)}`;
    return `${code(keyTitle(trial, report.providers))} ${code(exception_type)}: ${code(reason)}${where}`;
  });
  return lines.length === 0 ? [] : list('Known non-passes, as expected', lines, limits);
}

function causes(report: Report, limits: MarkdownLimits): string[] {
  const blocks = report.groups.slice(0, limits.rows).map((group) => describeGroup(group, report, limits));
  return blocks.length === 0 ? [] : ['### Causes', ...blocks.flat(), ...rest(report.groups.length, limits)];
}

function describeGroup(group: GroupRecord, report: Report, limits: MarkdownLimits): string[] {
  const members = new Set(group.trials);
  const trials = report.trials.filter((trial) => members.has(`${trial.provider}/${trial.trial_name}`));
  const shown = trials.slice(0, limits.tasksPerGroup).map((trial) => `${code(trial.task)} on ${code(placeOf(trial))}`);
  if (trials.length > shown.length) shown.push(`${trials.length - shown.length} more`);
  return [
    '',
    `<details><summary>${plural(group.count, 'trial')}: ${group.exception_type}, ${group.phase}, origin ${group.origin}</summary>`,
    '',
    `${code(group.sample_message)}`,
    '',
    shown.join(', '),
    '',
    group.advice,
    '',
    '</details>',
  ];
}

function unsupported(report: Report, limits: MarkdownLimits): string[] {
  const trials = report.trials.filter((trial) => trial.outcome === 'unsupported' && !trial.control);
  const reasons = groupBy(trials, (trial) => `${code(placeOf(trial))}: ${code(trial.unsupported_reason ?? '')}`);
  return reasons.size === 0
    ? []
    : list(
        'Unsupported',
        [...reasons].map(([text, found]) => `${text} (${plural(found.length, 'trial')})`),
        limits,
      );
}

function notes(report: Report, limits: MarkdownLimits): string[] {
  const recovered = report.trials.filter((trial) => isRecovered(trial) && !trial.control);
  const lines = [
    ...(isNopRun(report) ? ['This is a nop run: nothing was executed, and no trial may pass.'] : []),
    ...recovered.map(
      (trial) =>
        `${code(trial.task)} on ${code(placeOf(trial))} passed on attempt ${trial.attempts.length}, after ${code(firstFailure(trial))}`,
    ),
    ...report.warnings.map(({ code: name, message }) => `${code(name)}: ${code(message)}`),
    ...report.providers.flatMap((provider) => {
      const { name, leaked_sandboxes: leaked } = provider;
      const command = code(`plumbline reap -e ${name}`);
      return leaked ? [`${code(providerTitle(provider))} still holds ${leaked} of ours: ${command}`] : [];
    }),
  ];
  return lines.length === 0 ? [] : list('Notes', lines, limits);
}

function firstFailure(trial: TrialRecord): string {
  const [first] = trial.attempts;
  return first?.exception?.type ?? first?.outcome ?? '';
}

function list(title: string, lines: readonly string[], limits: MarkdownLimits): string[] {
  return [`### ${title}`, '', ...lines.slice(0, limits.rows).map((line) => `- ${line}`), ...rest(lines.length, limits)];
}

function rest(total: number, limits: MarkdownLimits): string[] {
  return total > limits.rows ? ['', `and ${total - limits.rows} more in report.html`] : [];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
