/** Runs in the page; nothing outside of the function exists there. Address → view, the filter box and the keyboard. */
import type { PageDocument, PageElement, PageWindow } from './dom-types.js';
import type { PageData, PageTrial } from './page-data.js';
import type { PageDom } from './page-dom.js';
import type { PageTrials } from './page-trials.js';

export interface StartParts {
  document: PageDocument;
  window: PageWindow;
  data: PageData;
  dom: PageDom;
  overview: () => PageElement[];
  trials: PageTrials;
  trial: (trial: PageTrial) => PageElement[];
}

export function startPage({ document, window, data, dom, overview, trials, trial }: StartParts): void {
  const main = document.getElementById('main');
  const box = document.getElementById('filter');
  if (!main || !box) return;
  const byKey = new Map(data.trials.map((entry) => [entry.key, entry]));
  // The list that the reader came from: next and previous follow it.
  let list = { q: '', sort: 'outcome' };
  let current: PageTrial | null = null;
  let timer: number | undefined;

  /** An address typed by hand may be no valid encoding; it is then taken as it stands. */
  const decode = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const go = (hash: string) => {
    window.location.hash = hash;
  };
  const listHref = () => `${dom.trialsHref(list.q)}&sort=${list.sort}`;

  const neighbours = (of: PageTrial) => {
    const { trials: ordered } = trials.ordered(list.q, list.sort);
    const index = ordered.findIndex((entry) => entry.key === of.key);
    return {
      index,
      total: ordered.length,
      previous: ordered[index - 1],
      next: index < 0 ? ordered[0] : ordered[index + 1],
    };
  };
  const trialNav = (of: PageTrial) => {
    const { index, total, previous, next } = neighbours(of);
    const step = (to: PageTrial | undefined, text: string) =>
      to ? dom.h('a', { class: 'chip', href: dom.trialHref(to.key) }, text) : null;
    const place = index < 0 ? '' : ` ${index + 1} of ${total}${list.q === '' ? '' : ` in “${list.q}”`} `;
    return dom.h(
      'p',
      { class: 'chips' },
      dom.h('a', { class: 'chip', href: listHref() }, '↑ list'),
      step(previous, '← previous'),
      place,
      step(next, 'next →'),
    );
  };
  const trialPage = (encoded: string) => {
    current = byKey.get(decode(encoded)) ?? null;
    document.title = current ? `${current.task} on ${current.place}` : 'plumbline';
    return current
      ? [trialNav(current), ...trial(current)]
      : [dom.h('p', { class: 'problem' }, `No trial ${decode(encoded)} in this report.`)];
  };
  const trialsPage = (search: string) => {
    const parameters = new Map(
      search
        .split('&')
        .map((pair): [string, string] => [pair.split('=')[0] ?? '', decode(pair.slice(pair.indexOf('=') + 1))]),
    );
    list = { q: parameters.get('q') ?? '', sort: parameters.get('sort') ?? 'outcome' };
    if (document.activeElement !== box) box.value = list.q;
    document.title = list.q === '' ? 'All trials' : list.q;
    return trials.render(list.q, list.sort);
  };

  const show = () => {
    const [, view = '', rest = ''] = /^#\/(\w+)[/?]?(.*)$/.exec(window.location.hash) ?? [];
    current = null;
    for (const link of document.getElementById('nav')?.querySelectorAll('a') ?? []) {
      link.setAttribute('aria-current', String(link.matches(`[href="#/${view === 'trial' ? 'trials' : view}"]`)));
    }
    if (view === 'trial') main.replaceChildren(...trialPage(rest));
    else if (view === 'trials') main.replaceChildren(...trialsPage(rest));
    else {
      document.title = `${data.verdict.split(' ')[0]} ${data.report.run.name}`;
      main.replaceChildren(...overview());
    }
    if (view !== 'trials' || document.activeElement !== box) window.scrollTo(0, 0);
  };

  const moveInList = (by: number) => {
    const rows = [...main.querySelectorAll('a.row')];
    const focused = document.activeElement;
    const at = focused ? rows.indexOf(focused) : -1;
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
  };
  const keys: Record<string, () => void> = {
    '/': () => box.focus(),
    o: () => go('#/'),
    t: () => go('#/trials'),
    u: () => go(listHref()),
    j: () => step(1),
    k: () => step(-1),
  };
  const step = (by: 1 | -1) => {
    if (!current) return moveInList(by);
    const { next, previous } = neighbours(current);
    const to = by === 1 ? next : previous;
    if (to) go(dom.trialHref(to.key));
  };

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches('input')) {
      if (event.key === 'Escape') box.blur();
      return;
    }
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  box.addEventListener('input', () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => go(`${dom.trialsHref(box.value)}&sort=${list.sort}`), 120);
  });
  window.addEventListener('hashchange', show);
  show();
}
