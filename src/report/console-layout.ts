/** What the sections of the console summary share. */
import { formatRate } from '../compare/gate.js';
import { listed } from '../compare/provider-title.js';
import type { ProviderRecord, Report } from '../model/record.js';
import { providerTitle } from '../model/words.js';
import type { Palette } from './screen.js';
import { displayWidth, plain, wrap } from './text.js';

/** What a section needs besides the report. */
export interface Layout {
  readonly columns: number;
  readonly paint: Palette;
}

/** A heading and indented text, wrapped. */
export function section(title: string, lines: readonly string[], layout: Layout): string[] {
  return lines.length === 0 ? [] : [layout.paint.bold(title), ...lines];
}

/** Wraps plain text behind an indent; following lines are indented by `hang` more. */
export function paragraph(text: string, indent: string, layout: Layout, hang = 2): string[] {
  const [first = '', ...rest] = wrap(plain(text), layout.columns - indent.length - hang);
  return [`${indent}${first}`, ...rest.map((line) => `${indent}${' '.repeat(hang)}${line}`)];
}

export interface ProviderHeads {
  readonly names: readonly string[];
  /** The titles of their columns. */
  readonly titles: readonly string[];
  /** To be put below the table. */
  readonly note: readonly string[];
}

/**
 * Columns for the providers that ran. Where they do not fit with what they are, a sentence below the table says it.
 * @param others columns of the terminal that the rest of the table needs
 */
export function providerHeads(report: Pick<Report, 'providers'>, others: number, layout: Layout): ProviderHeads {
  const ran = report.providers.filter(({ status }) => status === 'ran');
  const names = ran.map(({ name }) => name);
  const titles = ran.map(providerTitle);
  const width = titles.reduce((sum, title) => sum + displayWidth(title) + 2, others);
  if (width <= layout.columns) return { names, titles, note: [] };
  const emulated = ran.filter((provider: ProviderRecord) => provider.emulated).map(({ name }) => name);
  const text = `${listed(emulated)} ${emulated.length === 1 ? 'is' : 'are'} emulated`;
  return { names, titles: names, note: emulated.length === 0 ? [] : paragraph(text, '  ', layout) };
}

/** `117/120 = 0.975`, or `–` when nothing applies. */
export function rateText(passed: number, total: number): string {
  return total === 0 ? '–' : `${passed}/${total} = ${formatRate(passed / total)}`;
}
