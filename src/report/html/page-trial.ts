/** Runs in the page; nothing outside of the function exists there. Everything that is known of one trial. */
import type { PageElement, PageNode, PageWindow } from './dom-types.js';
import type { PageData, PageTrial } from './page-data.js';
import type { PageDom } from './page-dom.js';
import type { PageQuery } from './page-query.js';
import type { PageTimeline } from './page-timeline.js';

export interface TrialParts {
  window: PageWindow;
  data: PageData;
  dom: PageDom;
  query: PageQuery;
  timeline: PageTimeline;
  seconds: (value: number) => string;
}

export function createTrial({
  window,
  data,
  dom,
  query,
  timeline,
  seconds,
}: TrialParts): (trial: PageTrial) => PageElement[] {
  const { h, section, table } = dom;
  const known = (value: string | number | null) => (value === null ? '–' : String(value));

  const facts = (entries: readonly (readonly [string, PageNode | null])[]) =>
    h('dl', {}, ...entries.flatMap(([name, value]) => (value === null ? [] : [h('dt', {}, name), h('dd', {}, value)])));

  const rewards = (trial: PageTrial) =>
    trial.rewards === null
      ? 'none'
      : Object.entries(trial.rewards)
          .map(([name, value]) => `${name} ${value === null ? 'NaN' : value}`)
          .join(', ');

  const head = (trial: PageTrial) =>
    h(
      'section',
      { class: 'trialhead' },
      h(
        'h1',
        {},
        dom.outcome(trial.outcome),
        ` ${trial.task} `,
        h(
          'small',
          {},
          `on ${trial.place}${trial.repeat > 1 ? `, repeat ${trial.repeat}` : ''}${trial.control ? ', nop control' : ''}`,
        ),
      ),
      facts([
        ['reward', rewards(trial)],
        ['exit codes', `oracle ${known(trial.oracle_exit_code)}, verifier ${known(trial.verifier_exit_code)}`],
        [
          'time',
          `${seconds(trial.duration_sec)}${trial.queued_sec === null ? '' : `, queued ${seconds(trial.queued_sec)}`}`,
        ],
        ['suite', trial.suite],
        ['unsupported', trial.unsupported_reason],
        ['vacuous', trial.vacuous ? 'the nop control of this task passes: a pass proves nothing' : null],
        ['expected', trial.expected ? 'a known non-pass, see Expectations' : null],
        ['emulated', trial.emulated ? 'the provider was one of our emulators' : null],
        ['evidence', h('code', {}, trial.dir)],
      ]),
    );

  const exception = (trial: PageTrial) => {
    const error = trial.exception;
    if (!error) return null;
    return section(
      error.type,
      facts([
        ['phase', error.step === null ? error.phase : `${error.phase}, step ${error.step}`],
        ['origin', error.origin],
        ['last state', error.provider_state],
        ['Harbor says', error.harbor_type === error.type ? null : error.harbor_type],
      ]),
      h('pre', {}, error.message),
      ...error.cause.map((cause) => h('pre', { class: 'cause' }, `caused by ${cause.type}: ${cause.message}`)),
    );
  };

  const phases = (trial: PageTrial) => {
    if (trial.phases.length === 0) return null;
    const rows = trial.phases.map((phase) => {
      const share =
        phase.limit_sec === null || phase.limit_sec <= 0
          ? null
          : (phase.duration_sec - (phase.queued_sec ?? 0)) / phase.limit_sec;
      return [
        phase.step === null ? phase.name : `${phase.name} (${phase.step})`,
        `${seconds(phase.duration_sec)}${phase.shared ? ', shared' : ''}${phase.queued_sec ? `, ${seconds(phase.queued_sec)} of it waiting for its turn` : ''}`,
        phase.limit_sec === null ? 'none' : seconds(phase.limit_sec),
        share === null
          ? null
          : h('span', {
              class: share > 0.8 ? 'meter late' : 'meter',
              title: `${Math.round(share * 100)} %`,
              vars: { '--share': String(Math.min(1, share)) },
            }),
      ];
    });
    return section(
      'Phases',
      timeline.ofTrial(trial),
      timeline.legend(),
      table(['phase', 'took', 'limit', 'of limit'], rows, 'numbers'),
    );
  };

  const elsewhere = (trial: PageTrial) => {
    const others = data.trials.filter((other) => other.task === trial.task && other.key !== trial.key);
    if (others.length === 0) return null;
    const rows = [trial, ...others].map((other) => [
      other.key === trial.key
        ? `${other.place} (this)`
        : h(
            'a',
            { href: dom.trialHref(other.key) },
            `${other.place}${other.repeat > 1 ? ` [${other.repeat}]` : ''}${other.control ? ' (nop)' : ''}`,
          ),
      dom.outcome(other.outcome, other.outcome === 'error' ? other.label : undefined),
      other.duration_sec === 0 ? '' : seconds(other.duration_sec),
      resource(other, 'cpus'),
      resource(other, 'memory_mb'),
      resource(other, 'storage_mb'),
      other.image?.source ?? '',
      other.interventions.join(', '),
    ]);
    return section(
      'The same task elsewhere',
      table(['provider', 'outcome', 'time', 'cpus', 'memory MB', 'storage MB', 'image', 'interventions'], rows),
    );
  };

  const resource = (trial: PageTrial, name: 'cpus' | 'memory_mb' | 'storage_mb') => {
    const asked = trial.resources.requested[name];
    const given = trial.resources.effective?.[name] ?? null;
    if (asked !== null && given !== null && asked !== given)
      return h('span', { class: 'unlike' }, `${asked} → ${given}`);
    return given === null ? (asked === null ? '–' : `${asked} → unknown`) : String(given);
  };

  const environment = (trial: PageTrial) => {
    const image = trial.image;
    return section(
      'Environment',
      trial.unlike.length === 0 ? null : h('p', { class: 'problem' }, `Not like for like: ${trial.unlike.join('; ')}`),
      facts([
        ['image', image ? h('code', {}, image.ref) : 'none'],
        ['digest', image ? h('code', {}, image.digest) : null],
        ['path taken', image ? `${image.source}, ${image.provenance}${image.cache_hit ? ', cached' : ''}` : null],
        ['cpus', resource(trial, 'cpus')],
        ['memory MB', resource(trial, 'memory_mb')],
        ['storage MB', resource(trial, 'storage_mb')],
        ['interventions', trial.interventions.length === 0 ? 'none' : trial.interventions.join(', ')],
        ['task digest', trial.task_digest === null ? null : h('code', {}, trial.task_digest)],
      ]),
    );
  };

  const attempts = (trial: PageTrial) => {
    if (trial.attempts.length < 2) return null;
    const rows = trial.attempts.map((attempt) => [
      String(attempt.n),
      dom.outcome(attempt.outcome),
      seconds(attempt.duration_sec),
      attempt.exception ? `${attempt.exception.type}: ${attempt.exception.message}` : '',
      h('code', {}, attempt.dir),
    ]);
    return section('Attempts', table(['attempt', 'outcome', 'time', 'exception', 'evidence'], rows));
  };

  const steps = (trial: PageTrial) => {
    if (trial.steps.length === 0) return null;
    const rows = trial.steps.map((step) => [
      step.name,
      step.rewards === null ? '–' : JSON.stringify(step.rewards),
      known(step.oracle_exit_code),
      known(step.verifier_exit_code),
      step.exception?.type ?? '',
    ]);
    return section('Steps', table(['step', 'rewards', 'oracle exit', 'verifier exit', 'exception'], rows));
  };

  const warnings = (trial: PageTrial) =>
    trial.warnings.length === 0
      ? null
      : section(
          'Warnings',
          h('ul', {}, ...trial.warnings.map((warning) => h('li', {}, `${warning.code}: ${warning.message}`))),
        );

  const logs = (trial: PageTrial) => {
    const found = (['verifier', 'oracle', 'build'] as const).flatMap((name) => {
      const log = trial.logs[name];
      return log
        ? [
            h(
              'details',
              { attrs: { open: '' } },
              h('summary', {}, `${name} `, h('small', {}, `last lines of ${log.path}`)),
              h('pre', { class: 'log', attrs: { tabindex: '0' } }, log.tail === '' ? '(empty)' : log.tail),
            ),
          ]
        : [];
    });
    return section('Logs', ...found);
  };

  const command = (label: string, line: string) => {
    const button = h('button', { attrs: { type: 'button' } }, 'Copy');
    const code = h('code', { attrs: { tabindex: '0' } }, line);
    button.addEventListener('click', () => {
      const done = (text: string) => {
        button.textContent = text;
        window.setTimeout(() => (button.textContent = 'Copy'), 1500);
      };
      const clipboard = window.navigator.clipboard;
      if (!clipboard) return done('Select it');
      clipboard.writeText(line).then(
        () => done('Copied'),
        () => done('Select it'),
      );
    });
    return h('div', { class: 'command' }, h('span', {}, label), code, button);
  };

  return (trial) =>
    [
      head(trial),
      exception(trial),
      section(
        'Commands',
        command('run it again', trial.rerun),
        command('find out why', trial.diagnose),
        h('p', {}, h('a', { href: dom.trialsHref(query.term('task', trial.task)) }, 'All trials of this task')),
      ),
      phases(trial),
      elsewhere(trial),
      environment(trial),
      attempts(trial),
      steps(trial),
      warnings(trial),
      logs(trial),
    ].filter((part) => part !== null);
}
