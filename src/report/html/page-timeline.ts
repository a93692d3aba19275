/** Runs in the page; nothing outside of the function exists there. What every slot did and when: contention is seen at once. */
import type { PageElement } from './dom-types.js';
import type { PageData, PageTrial } from './page-data.js';
import type { PageDom } from './page-dom.js';

export interface PageTimeline {
  /** One row per slot of a provider; null when none of its trials ran. */
  ofProvider(provider: string): PageElement | null;
  /** The phases of one trial as a bar over its own time. */
  ofTrial(trial: PageTrial): PageElement;
  legend(): PageElement;
}

export function createTimeline(data: PageData, dom: PageDom, seconds: (value: number) => string): PageTimeline {
  const phases = [
    'load',
    'prepare_image',
    'create',
    'start',
    'healthcheck',
    'oracle',
    'verifier',
    'collect',
    'teardown',
  ];
  const ran = data.trials.filter((trial) => trial.slot !== null && trial.phases.length > 0);
  const startOf = (trial: PageTrial) =>
    Math.min(Date.parse(trial.started_at), Date.parse(trial.phases[0]?.started_at ?? trial.started_at));
  const endOf = (trial: PageTrial) =>
    Math.max(...trial.phases.map((phase) => Date.parse(phase.started_at) + phase.duration_sec * 1000), startOf(trial));
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const trial of ran) {
    first = Math.min(first, startOf(trial));
    last = Math.max(last, endOf(trial));
  }
  const span = Math.max(1, last - first);
  const percent = (part: number, whole: number) => `${((100 * part) / Math.max(1, whole)).toFixed(3)}%`;

  /** One element per trial whatever its phases: a gradient with hard edges. */
  const gradient = (trial: PageTrial) => {
    const begin = startOf(trial);
    const length = endOf(trial) - begin;
    const stops = trial.phases.map((phase) => {
      const from = Date.parse(phase.started_at) - begin;
      const color = phases.includes(phase.name) ? `var(--phase-${phase.name})` : 'var(--line)';
      return `var(--gap) ${percent(from, length)}, ${color} ${percent(from, length)} ${percent(from + phase.duration_sec * 1000, length)}, var(--gap) ${percent(from + phase.duration_sec * 1000, length)}`;
    });
    return `linear-gradient(90deg, ${stops.join(', ') || 'var(--line), var(--line)'})`;
  };
  const describe = (trial: PageTrial) =>
    `${trial.task}: ${trial.label}, ${seconds(trial.duration_sec)}\n${trial.phases.map((phase) => `${phase.name} ${seconds(phase.duration_sec)}`).join(', ')}`;

  return {
    ofProvider(provider) {
      const own = ran.filter((trial) => trial.provider === provider);
      const slots = [...new Set(own.map((trial) => trial.slot ?? 0))].sort((a, b) => a - b);
      if (slots.length === 0) return null;
      const rows = slots.map((slot) => {
        const bars = own.filter((trial) => trial.slot === slot);
        return dom.h(
          'div',
          { class: 'slot' },
          ...bars.map((trial) =>
            dom.h('a', {
              class: `bar ${trial.outcome}`,
              href: dom.trialHref(trial.key),
              title: describe(trial),
              attrs: { 'aria-label': describe(trial), tabindex: '-1' },
              vars: {
                '--left': percent(startOf(trial) - first, span),
                '--width': percent(endOf(trial) - startOf(trial), span),
                '--phases': gradient(trial),
              },
            }),
          ),
        );
      });
      return dom.h(
        'div',
        { class: 'timeline' },
        dom.h(
          'h3',
          {},
          data.titles[provider] ?? provider,
          dom.h(
            'small',
            {},
            ` ${own.length} trials in ${slots.length} ${slots.length === 1 ? 'slot' : 'slots'}, ${seconds(span / 1000)} across`,
          ),
        ),
        ...rows,
      );
    },
    ofTrial: (trial) =>
      dom.h('div', { class: 'phasebar', title: describe(trial), vars: { '--phases': gradient(trial) } }),
    legend: () =>
      dom.h(
        'p',
        { class: 'legend' },
        ...phases.map((phase) =>
          dom.h(
            'span',
            {},
            dom.h('i', { vars: { '--phases': `linear-gradient(var(--phase-${phase}), var(--phase-${phase}))` } }),
            phase,
          ),
        ),
      ),
  };
}
