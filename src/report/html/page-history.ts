/** Runs in the page; nothing outside of the function exists there. The last runs of every provider, and which tasks changed. */
import type { PageElement } from './dom-types.js';
import type { PageData } from './page-data.js';
import type { PageDom } from './page-dom.js';
import type { PageQuery } from './page-query.js';

export interface HistoryParts {
  data: PageData;
  dom: PageDom;
  query: PageQuery;
  seconds: (value: number) => string;
  rate: (value: number) => string;
}

/** The section; null without earlier runs. */
export function createHistory({ data, dom, query, seconds, rate }: HistoryParts): () => PageElement | null {
  const { h, table } = dom;
  const lines = data.report.history ?? [];
  const known = new Set(data.trials.map((trial) => trial.task));
  const titleOf = (name: string, emulated: boolean | undefined) => (emulated ? `${name} (emulated)` : name);
  const titled = lines.map((line) => ({
    line,
    figures: new Map(Object.entries(line.providers).map(([name, own]) => [titleOf(name, own.emulated), own])),
  }));
  // An emulator has a trend of its own. What this run has comes first.
  const here = data.report.providers.map(({ name, emulated }) => titleOf(name, emulated));
  const names = [...new Set([...here, ...titled.flatMap(({ figures }) => [...figures.keys()])])];
  const day = (at: string) => at.slice(0, 10);
  const figuresOf = (name: string) => titled.map(({ line, figures }) => ({ line, figures: figures.get(name) }));

  /** One bar per run, the newest at the right; its height is `share` of the row, `word` is for those who point at it. */
  const bars = (cells: readonly { share: number; kind: string; word: string }[], label: string) =>
    h(
      'span',
      { class: 'trend', attrs: { role: 'img', 'aria-label': label } },
      ...cells.map((cell) =>
        h('i', { class: cell.kind, title: cell.word, vars: { '--share': cell.share.toFixed(3) } }),
      ),
    );

  const rates = (name: string) => {
    const cells = figuresOf(name).map(({ line, figures }) => {
      const when = `${day(line.at)} ${line.name}`;
      if (figures?.status !== 'ran')
        return { share: 1, kind: 'none', word: `${when}: ${figures?.status ?? 'not there'}` };
      const applicable = figures.planned - figures.unsupported;
      const text = `${figures.passed}/${applicable}${figures.pass_rate === null ? '' : ` = ${rate(figures.pass_rate)}`}`;
      const kind = figures.pass_rate === 1 ? 'good' : 'bad';
      // The upper half of the rates is where nights differ: the bar of 0.5 and below is the shortest.
      const share = figures.pass_rate === null ? 0 : Math.max(0.08, 2 * figures.pass_rate - 1);
      return {
        share,
        kind: line.partial ? `${kind} partial` : kind,
        word: `${when}: ${text}${line.partial ? ', a part' : ''}`,
      };
    });
    const whole = figuresOf(name).filter(({ figures }) => figures?.status === 'ran').length;
    const good = cells.filter((cell) => cell.kind === 'good').length;
    return h('span', {}, bars(cells, `pass rate of ${whole} runs`), h('small', {}, ` ${good} of ${whole} at 1.000`));
  };

  const clocks = (name: string) => {
    const times = figuresOf(name).map(({ line, figures }) => ({ line, time: figures?.wall_clock_sec ?? null }));
    const found = times.map(({ time }) => time).filter((time) => time !== null);
    if (found.length === 0) return '–';
    const longest = Math.max(...found);
    const cells = times.map(({ line, time }) => ({
      share: time === null ? 1 : Math.max(0.08, time / Math.max(longest, 1e-9)),
      kind: time === null ? 'none' : 'time',
      word: `${day(line.at)} ${line.name}: ${time === null ? 'no time' : seconds(time)}`,
    }));
    const range = found.length < 2 ? '' : ` ${seconds(Math.min(...found))} to ${seconds(longest)}`;
    return h('span', {}, bars(cells, `wall clock of ${found.length} runs`), h('small', {}, range));
  };

  const latest = (name: string) => {
    const [now, before] = figuresOf(name)
      .filter(({ figures }) => figures?.status === 'ran')
      .map(({ figures }) => figures?.pass_rate ?? null)
      .slice(-2)
      .reverse();
    const text = (value: number | null | undefined) => (value === null || value === undefined ? '–' : rate(value));
    return before === undefined ? text(now) : `${text(before)} → ${text(now)}`;
  };

  const numbers = () => {
    const rows = [...titled].reverse().map(({ line, figures: own }) => [
      h('span', {}, day(line.at), h('small', {}, ` ${line.name}${line.partial ? ', a part' : ''}`)),
      line.met ? '✓ met' : '✗ not met',
      ...names.map((name) => {
        const figures = own.get(name);
        if (figures?.status !== 'ran') return figures?.status ?? '–';
        const clock = figures.wall_clock_sec === null ? '' : ` · ${seconds(figures.wall_clock_sec)}`;
        return `${figures.pass_rate === null ? '–' : rate(figures.pass_rate)}${clock}`;
      }),
    ]);
    return h('details', {}, h('summary', {}, 'All numbers'), table(['run', 'gate', ...names], rows, 'numbers'));
  };

  const changes = () => {
    if (data.changes.length === 0) return h('p', {}, 'No task changed its result in these runs.');
    const cell = (label: string) => dom.outcome(label === 'pass' ? 'pass' : 'fail', label);
    const rows = data.changes
      .slice(0, 200)
      .map(({ at, task, provider, emulated, before, after }) => [
        day(at),
        known.has(task) ? h('a', { href: dom.trialsHref(query.term('task', task)) }, task) : task,
        titleOf(provider, emulated),
        cell(before),
        cell(after),
      ]);
    const more = data.changes.length - rows.length;
    const found = table(['run', 'task', 'provider', 'before', 'after'], rows);
    return h(
      'div',
      {},
      h('h3', {}, 'Tasks that changed, newest first'),
      rows.length > 12 ? h('details', {}, h('summary', {}, `${rows.length} changes`), found) : found,
      more > 0 ? h('p', {}, `and ${more} earlier ones`) : null,
    );
  };

  return () => {
    if (lines.length < 2) return null;
    const rows = names.map((name) => [name, rates(name), latest(name), clocks(name)]);
    return dom.section(
      `History: the last ${lines.length} runs`,
      table(['provider', 'pass rate', 'before → now', 'wall clock'], rows, 'trends'),
      changes(),
      numbers(),
    );
  };
}
