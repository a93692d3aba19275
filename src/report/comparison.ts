/** `plumbline compare BASE HEAD` for a terminal and for a pull request. */
import type { ProviderChange, RunComparison } from '../compare/compare-runs.js';
import { formatRate } from '../compare/gate.js';
import { listed } from '../compare/provider-title.js';
import { providerTitle } from '../model/words.js';
import { changeLines } from './console-causes.js';
import { type Layout, paragraph, section } from './console-layout.js';
import { code } from './markdown.js';
import { createPalette, type Screen } from './screen.js';
import { type Column, renderTable } from './table.js';
import { formatSeconds, plain, plural } from './text.js';

const KINDS = ['regressed', 'missing', 'changed_type', 'fixed', 'new'] as const;

/** `FAIL  2 regressed, 1 missing`: first and last line. */
export function comparisonVerdict({ met, changes, providers }: RunComparison): string {
  const counts = KINDS.filter((kind) => changes[kind].length > 0).map(
    (kind) => `${changes[kind].length} ${kind.replace('_', ' ')}`,
  );
  const parts = [...(counts.length === 0 ? ['no change'] : counts), ...emulationNotes(providers)];
  return `${met ? 'PASS' : 'FAIL'}  ${parts.join(', ')}`;
}

/** The side on which a provider is an emulator; null: it is none. */
function emulatedIn({ before, after }: ProviderChange): 'both' | 'base' | 'head' | null {
  const sides = [before, after].filter((figures) => figures !== null);
  if (!sides.some(({ emulated }) => emulated)) return null;
  if (sides.every(({ emulated }) => emulated)) return 'both';
  return before?.emulated === true ? 'base' : 'head';
}

function emulationNotes(providers: readonly ProviderChange[]): string[] {
  const on = (side: ReturnType<typeof emulatedIn>) =>
    providers.filter((change) => emulatedIn(change) === side).map(({ provider }) => provider);
  const ran = providers.filter(({ before, after }) => before !== null || after !== null);
  const [both, base, head] = [on('both'), on('base'), on('head')];
  return [
    ...(both.length === 0 ? [] : [both.length === ran.length ? 'all emulated' : `${listed(both)} emulated`]),
    ...(base.length === 0 ? [] : [`${listed(base)} emulated in base`]),
    ...(head.length === 0 ? [] : [`${listed(head)} emulated in head`]),
  ];
}

/** `e2b (emulated)`, or `e2b (head emulated)`. */
function titlesOf(providers: readonly ProviderChange[]): (name: string) => string {
  const titles = new Map(
    providers.map((change) => {
      const side = emulatedIn(change);
      const name = change.provider;
      const title = side === 'base' || side === 'head' ? `${name} (${side} emulated)` : null;
      return [name, title ?? providerTitle({ name, emulated: side === 'both' })];
    }),
  );
  return (name) => titles.get(name) ?? name;
}

/** Ends with a line feed; fits the screen. */
export function renderComparison(comparison: RunComparison, screen: Pick<Screen, 'columns' | 'color'>): string {
  const layout: Layout = { columns: Math.max(screen.columns, 40), paint: createPalette(screen.color) };
  const color = comparison.met ? layout.paint.good : layout.paint.bad;
  const verdict = color(comparisonVerdict(comparison));
  const columns: Column[] = [
    { title: 'provider' },
    { title: 'base' },
    { title: 'head' },
    { title: 'base time', align: 'right' },
    { title: 'head time', align: 'right' },
  ];
  const title = titlesOf(comparison.providers);
  const rows = comparison.providers.map(({ provider, before, after }) => [
    title(provider),
    rate(before),
    rate(after),
    time(before),
    time(after),
  ]);
  const { base, head, changes } = comparison;
  const blocks = [
    [verdict, `${plain(base.name)} (${base.started_at}) → ${plain(head.name)} (${head.started_at})`],
    section('Providers', renderTable(columns, rows, { columns: layout.columns, indent: '  ' }), layout),
    section(
      'Changes',
      KINDS.flatMap((kind) => changeLines(kind, changes[kind], title, layout)),
      layout,
    ),
    section(
      'Hard to compare',
      comparison.warnings.slice(0, 20).flatMap((warning) => paragraph(warning, '  ', layout)),
      layout,
    ),
    [verdict],
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

const MAX_ROWS = 200;

/** A table per kind of change, to be pasted. */
export function renderComparisonMarkdown(comparison: RunComparison): string {
  const lines = [
    `## ${comparisonVerdict(comparison).replace(/\s+/, ': ')}`,
    '',
    `${code(comparison.base.name)} → ${code(comparison.head.name)}`,
    '',
  ];
  const title = titlesOf(comparison.providers);
  lines.push('| provider | base | head |', '| --- | --- | --- |');
  for (const { provider, before, after } of comparison.providers)
    lines.push(`| ${code(title(provider))} | ${rate(before)} | ${rate(after)} |`);
  const changes = KINDS.flatMap((kind) => comparison.changes[kind].map((change) => ({ kind, ...change })));
  const shown = changes.filter(({ kind, after }) => kind !== 'new' || after !== 'pass');
  if (shown.length > 0)
    lines.push('', '| change | task | provider | before | after |', '| --- | --- | --- | --- | --- |');
  for (const { kind, task, provider, before, after } of shown.slice(0, MAX_ROWS)) {
    lines.push(
      `| ${kind.replace('_', ' ')} | ${code(task)} | ${code(title(provider))} | ${code(before ?? '')} | ${code(after ?? '')} |`,
    );
  }
  if (shown.length > MAX_ROWS) lines.push('', `and ${plural(shown.length - MAX_ROWS, 'more change')}`);
  if (comparison.warnings.length > 0)
    lines.push('', ...comparison.warnings.slice(0, MAX_ROWS).map((warning) => `- ${code(warning)}`));
  return `${lines.join('\n')}\n`;
}

function rate(figures: ProviderChange['before']): string {
  if (!figures) return 'did not run';
  return figures.pass_rate === null
    ? '–'
    : `${figures.passed}/${figures.applicable} = ${formatRate(figures.pass_rate)}`;
}

function time(figures: ProviderChange['before']): string {
  return figures?.wall_clock_sec == null ? '–' : formatSeconds(figures.wall_clock_sec);
}
