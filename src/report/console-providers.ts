/** The provider's side of the summary: counts, rates, times, and what was odd although it passed. */
import { activeSec, isRecovered } from '../compare/provider-record.js';
import { placeOf } from '../compare/provider-title.js';
import { groupBy, sortedEntries } from '../compare/trials.js';
import type { ProviderRecord, Report } from '../model/record.js';
import { providerTitle } from '../model/words.js';
import type { Layout } from './console-layout.js';
import { paragraph, rateText, section } from './console-layout.js';
import { type Column, renderTable } from './table.js';
import { formatSeconds, plain, plural, someOf } from './text.js';
import { trialTitle } from './verdict.js';

interface Field extends Column {
  text: (provider: ProviderRecord) => string;
  /** Left out when every provider's cell says the same nothing. */
  optional?: boolean;
}

const FIELDS: readonly Field[] = [
  { title: 'provider', min: 6, text: providerTitle },
  { title: 'pass rate', text: (provider) => rateText(provider.passed, provider.planned - provider.unsupported) },
  { title: 'fail', align: 'right', text: (provider) => String(provider.failed) },
  { title: 'error', align: 'right', text: (provider) => String(provider.errored) },
  { title: 'unsup.', align: 'right', text: (provider) => String(provider.unsupported) },
  {
    title: 'not run',
    align: 'right',
    optional: true,
    text: (provider) => String(provider.not_run + provider.cancelled),
  },
  { title: '2nd try', align: 'right', optional: true, text: (provider) => String(provider.recovered) },
  {
    title: 'wall clock',
    align: 'right',
    min: 6,
    text: (provider) => (provider.wall_clock_sec === null ? '–' : formatSeconds(provider.wall_clock_sec)),
  },
];

export function providerSection(report: Report, layout: Layout): string[] {
  const ran = report.providers.filter((provider) => provider.status === 'ran');
  const told = FIELDS.filter((field) => !field.optional || ran.some((provider) => field.text(provider) !== '0'));
  const fields = fittingFields(told, ran, layout.columns - 2);
  const rows = ran.map((provider) => fields.map((field) => field.text(provider)));
  const met = (row: number) => ran[row]?.passed === (ran[row]?.planned ?? 0) - (ran[row]?.unsupported ?? 0);
  const table = renderTable(fields, rows, {
    columns: layout.columns,
    indent: '  ',
    paint: (text, row, column) => (column !== 1 ? text : met(row) ? layout.paint.good(text) : layout.paint.bad(text)),
  });
  const absent = report.providers
    .filter((provider) => provider.status !== 'ran')
    .flatMap((provider) => {
      const { status, reason } = provider;
      return paragraph(`${providerTitle(provider)} was ${status}: ${reason ?? 'no reason was given'}`, '  ', layout);
    });
  return section('Providers', [...table, ...absent], layout);
}

/** On narrow terminals the counts go, least telling first; name, rate and time stay. */
const DROPPED_FIRST = ['2nd try', 'unsup.', 'not run', 'fail', 'error'];

function fittingFields(fields: readonly Field[], ran: readonly ProviderRecord[], columns: number): Field[] {
  const width = (field: Field) =>
    Math.max(field.title.length, ...ran.map((provider) => field.text(provider).length)) + 2;
  let kept = [...fields];
  for (const title of DROPPED_FIRST) {
    if (kept.reduce((sum, field) => sum + width(field), 0) - 2 <= columns) break;
    kept = kept.filter((field) => field.title !== title);
  }
  return kept;
}

const MAX_NAMED = 5;

/** A pass on a later attempt is a pass, and is shown. */
export function recoveredSection(report: Report, layout: Layout): string[] {
  const recovered = report.trials.filter((trial) => isRecovered(trial) && !trial.control);
  const lines = recovered.slice(0, MAX_NAMED * 2).flatMap((trial) => {
    const before = trial.attempts.slice(0, -1).map((attempt) => attempt.exception?.type ?? attempt.outcome);
    return paragraph(
      `${trialTitle(trial)} on ${placeOf(trial)}: attempt ${trial.attempts.length}, after ${before.join(', ')}`,
      '  ',
      layout,
    );
  });
  const rest = recovered.length - MAX_NAMED * 2;
  if (rest > 0) lines.push(`  and ${rest} more`);
  return section('Recovered by a retry', lines, layout);
}

/** Why trials could not be planned on a provider, by reason. */
export function unsupportedSection(report: Report, layout: Layout): string[] {
  const trials = report.trials.filter((trial) => trial.outcome === 'unsupported' && !trial.control);
  const reasons = groupBy(trials, (trial) => `${placeOf(trial)}: ${trial.unsupported_reason ?? 'no reason was given'}`);
  const lines = [...reasons].flatMap(([reason, found]) => {
    const tasks = [...new Set(found.map(({ task }) => task))];
    return paragraph(`${reason} (${plural(found.length, 'trial')}: ${someOf(tasks, MAX_NAMED)})`, '  ', layout);
  });
  return section('Unsupported', lines, layout);
}

export function slowestSection(report: Report, layout: Layout): string[] {
  const phases = report.trials.flatMap((trial) =>
    trial.phases.filter((phase) => !phase.shared).map((phase) => ({ phase, trial })),
  );
  const slowest = phases.sort((a, b) => activeSec(b.phase) - activeSec(a.phase)).slice(0, 5);
  const rows = slowest.map(({ phase, trial }) => [
    formatSeconds(activeSec(phase)),
    phase.limit_sec === null ? '' : `of ${formatSeconds(phase.limit_sec)}`,
    phase.name,
    trialTitle(trial),
    placeOf(trial),
  ]);
  const columns: Column[] = [
    { title: 'time', align: 'right' },
    { title: 'limit' },
    { title: 'phase' },
    { title: 'task', min: 12 },
    { title: 'provider' },
  ];
  return section('Slowest phases', renderTable(columns, rows, { columns: layout.columns, indent: '  ' }), layout);
}

/** Warnings of the run as sentences; those of trials by code, with how many and where. */
export function warningSection(report: Report, layout: Layout): string[] {
  const own = groupBy(report.warnings, ({ code, message }) => plain(`${code}: ${message}`));
  const lines = [...own].flatMap(([text, list]) =>
    paragraph(list.length > 1 ? `${text} (${list.length} times)` : text, '  ', layout),
  );
  const found = report.trials.flatMap((trial) => trial.warnings.map((warning) => ({ trial, warning })));
  for (const [code, list] of sortedEntries(groupBy(found, ({ warning }) => warning.code))) {
    const names = [...new Set(list.map(({ trial }) => `${trial.task} on ${placeOf(trial)}`))];
    const messages = [...new Set(list.map(({ warning }) => warning.message))];
    // one of several words is one trial's only
    const example = messages.length > 1 ? `for example, ${names[0] ?? ''}: ` : '';
    const text = `${code}, ${plural(names.length, 'trial')}: ${example}${messages[0] ?? ''}`;
    lines.push(...paragraph(`${text} (${someOf(names, MAX_NAMED)})`, '  ', layout));
  }
  return section('Warnings', lines, layout);
}
