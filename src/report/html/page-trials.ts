/** Runs in the page; nothing outside of the function exists there. The list of trials that a query leaves, as links. */
import type { PageElement } from './dom-types.js';
import type { PageTrial } from './page-data.js';
import type { PageDom } from './page-dom.js';
import type { PageQuery } from './page-query.js';

export interface TrialsParts {
  dom: PageDom;
  query: PageQuery;
  seconds: (value: number) => string;
}

export interface PageTrials {
  /** In the order of the list. */
  ordered(text: string, sort: string): { trials: PageTrial[]; problems: string[] };
  render(text: string, sort: string): PageElement[];
}

export function createTrials({ dom, query, seconds }: TrialsParts): PageTrials {
  const { h } = dom;
  const rank: Record<string, number> = { error: 0, fail: 1, cancelled: 2, not_run: 3, unsupported: 4, pass: 5 };
  const order: Record<string, (a: PageTrial, b: PageTrial) => number> = {
    outcome: (a, b) => (rank[a.outcome] ?? 9) - (rank[b.outcome] ?? 9),
    slowest: (a, b) => b.duration_sec - a.duration_sec,
    task: (a, b) => (a.task < b.task ? -1 : Number(a.task > b.task)),
    plan: () => 0,
  };
  const examples = ['is:nonpass', 'is:different', 'is:recovered', 'is:unlike', 'is:warned', 'outcome:unsupported'];

  const ordered: PageTrials['ordered'] = (text, sort) => {
    const found = query.run(text);
    return { problems: found.problems, trials: [...found.trials].sort(order[sort] ?? order['outcome']) };
  };

  const marks = (trial: PageTrial) =>
    [
      trial.control ? 'nop control' : '',
      trial.expected ? 'expected' : '',
      trial.vacuous ? 'vacuous' : '',
      trial.attempts.length > 1 ? `attempt ${trial.attempts.length}` : '',
      trial.unlike.length > 0 ? 'not like for like' : '',
      trial.image?.source === 'replayed' ? 'replayed image' : '',
      trial.warnings.length > 0
        ? `${trial.warnings.length} ${trial.warnings.length === 1 ? 'warning' : 'warnings'}`
        : '',
    ].filter((mark) => mark !== '');

  const row = (trial: PageTrial) => {
    const why =
      trial.outcome === 'unsupported'
        ? (trial.unsupported_reason ?? '')
        : trial.exception
          ? `${trial.exception.type} in ${trial.exception.phase}: ${trial.exception.message}`
          : trial.outcome === 'fail'
            ? 'RewardBelowOne'
            : '';
    return h(
      'a',
      { class: 'row', href: dom.trialHref(trial.key) },
      dom.outcome(trial.outcome),
      h(
        'span',
        { class: 'task' },
        trial.repeat > 1 ? `${trial.task} [${trial.repeat}]` : trial.task,
        ...marks(trial).map((mark) => h('em', {}, mark)),
      ),
      h('span', { class: 'provider' }, trial.place),
      h('span', { class: 'time' }, trial.duration_sec === 0 ? '' : seconds(trial.duration_sec)),
      why === '' ? null : h('span', { class: 'why' }, why.slice(0, 300)),
    );
  };

  return {
    ordered,
    render(text, sort) {
      const { trials, problems } = ordered(text, sort);
      const sorts = Object.keys(order).map((name) =>
        h(
          'a',
          {
            class: name === sort ? 'chip on' : 'chip',
            href: `${dom.trialsHref(text)}&sort=${name}`,
            attrs: name === sort ? { 'aria-current': 'true' } : {},
          },
          name,
        ),
      );
      return [
        h(
          'p',
          { class: 'chips' },
          'Filters: ',
          ...examples.map((example) => h('a', { class: 'chip', href: dom.trialsHref(example) }, example)),
        ),
        h(
          'p',
          { class: 'chips' },
          `${trials.length} ${trials.length === 1 ? 'trial' : 'trials'}, sorted by: `,
          ...sorts,
        ),
        ...problems.map((problem) => h('p', { class: 'problem', attrs: { role: 'alert' } }, problem)),
        h('div', { class: 'rows' }, ...trials.map(row)),
      ];
    },
  };
}
