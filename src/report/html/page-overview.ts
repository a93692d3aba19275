/** Runs in the page; nothing outside of the function exists there. The first view: verdict, providers, causes, disagreements. */
import type { PageElement, PageNode } from './dom-types.js';
import type { PageData, PageTrial } from './page-data.js';
import type { PageDom } from './page-dom.js';
import type { PageQuery } from './page-query.js';
import type { PageTimeline } from './page-timeline.js';

export interface OverviewParts {
  data: PageData;
  dom: PageDom;
  query: PageQuery;
  timeline: PageTimeline;
  history: () => PageElement | null;
  seconds: (value: number) => string;
  rate: (value: number) => string;
}

export function createOverview({
  data,
  dom,
  query,
  timeline,
  history,
  seconds,
  rate,
}: OverviewParts): () => PageElement[] {
  const { h, section, table } = dom;
  const { report } = data;
  const ran = report.providers.filter((provider) => provider.status === 'ran');
  const names = ran.map((provider) => provider.name);
  const title = (name: string) => data.titles[name] ?? name;
  const titles = names.map(title);
  /** Of a trial, by its key. */
  const keyTitle = (key: string) =>
    report.providers.some((provider) => provider.emulated && key.startsWith(`${provider.name}/`))
      ? `${key} (emulated)`
      : key;
  const link = (text: string, ...terms: string[]) => h('a', { href: dom.trialsHref(terms.join(' ')) }, text);
  const list = (lines: readonly (PageNode | null)[]) =>
    lines.length === 0 ? null : h('ul', {}, ...lines.map((line) => h('li', {}, line)));
  const count = (value: number, ...terms: string[]) =>
    value === 0 ? h('span', { class: 'zero' }, '0') : link(String(value), ...terms);

  const verdict = () =>
    h(
      'section',
      { class: `verdict ${report.gate.met ? 'pass' : 'fail'}` },
      h('h1', {}, `${report.gate.met ? '✓' : '✗'} ${data.verdict}`),
      list(report.gate.reasons.slice(0, 50)),
    );

  const providers = () => {
    const rows = report.providers.map((provider) => {
      const name = title(provider.name);
      if (provider.status !== 'ran')
        return [
          name,
          h('span', { class: 'absent' }, `${provider.status}: ${provider.reason ?? 'no reason was given'}`),
        ];
      const of = query.term('provider', provider.name);
      const applicable = provider.planned - provider.unsupported;
      const meter = h('span', { class: 'meter', vars: { '--share': String(provider.pass_rate ?? 0) } });
      const passed = link(`${provider.passed}/${applicable}`, of, 'outcome:pass');
      return [
        name,
        h('span', { class: 'rate' }, meter, passed, ` ${provider.pass_rate === null ? '–' : rate(provider.pass_rate)}`),
        `${provider.measured}/${applicable}`,
        count(provider.failed, of, 'outcome:fail'),
        count(provider.errored, of, 'outcome:error'),
        count(provider.unsupported, of, 'outcome:unsupported'),
        count(provider.cancelled + provider.not_run, of, '-outcome:pass', '-outcome:nonpass', '-outcome:unsupported'),
        provider.first_try_pass_rate === null ? '–' : rate(provider.first_try_pass_rate),
        count(provider.recovered, of, 'is:recovered'),
        provider.wall_clock_sec === null ? '–' : seconds(provider.wall_clock_sec),
        String(provider.concurrency),
        provider.leaked_sandboxes === null ? 'unknown' : String(provider.leaked_sandboxes),
      ];
    });
    const head = [
      'provider',
      'pass rate',
      'measured',
      'fail',
      'error',
      'unsupported',
      'not run',
      'first try',
      'recovered',
      'wall clock',
      'slots',
      'leaked',
    ];
    return section('Providers', table(head, rows, 'numbers rates'), phaseTimes());
  };

  const phaseTimes = () => {
    const phases = [...new Set(ran.flatMap((provider) => Object.keys(provider.phase_sec)))];
    if (phases.length === 0) return null;
    const rows = ran.map((provider) => [
      title(provider.name),
      ...phases.map((phase) => {
        const times = provider.phase_sec[phase];
        return times
          ? h(
              'span',
              { title: `max ${seconds(times.max)}, sum ${seconds(times.sum)}` },
              `${seconds(times.p50)} · ${seconds(times.p90)}`,
            )
          : '–';
      }),
    ]);
    return h(
      'details',
      {},
      h('summary', {}, 'Phase times, p50 · p90'),
      table(['provider', ...phases], rows, 'numbers'),
    );
  };

  /** One type of exception by the provider's last state, where there are several. */
  const stateRows = (groups: typeof report.groups) => {
    const states = [...new Set(groups.flatMap((group) => group.provider_state ?? []))];
    if (states.length < 2) return [];
    const sum = (list: readonly number[]) => list.reduce((all, value) => all + value, 0);
    return states
      .map((state) => ({ state, own: groups.filter((group) => group.provider_state === state) }))
      .map(({ state, own }) => [
        h('span', { class: 'state' }, `last state ${state}`),
        ...names.map((name) => {
          const value = sum(own.map((group) => group.providers[name] ?? 0));
          const [only] = own;
          if (value === 0) return h('span', { class: 'zero' }, '·');
          if (own.length > 1 || !only) return String(value);
          return link(String(value), `group:${report.groups.indexOf(only) + 1}`, query.term('provider', name));
        }),
        String(sum(own.map((group) => group.count))),
      ]);
  };

  const matrix = () => {
    const types = new Map<string, number>();
    for (const group of report.groups)
      types.set(group.exception_type, (types.get(group.exception_type) ?? 0) + group.count);
    const rows = [...types]
      .sort((a, b) => b[1] - a[1])
      .flatMap(([type, total]) => {
        const own = report.groups.filter((group) => group.exception_type === type);
        const origins = [...new Set(own.map((group) => `${group.phase}, ${group.origin}`))].join('; ');
        const cells = names.map((name) => {
          const value = own.reduce((sum, group) => sum + (group.providers[name] ?? 0), 0);
          if (value === 0) return h('span', { class: 'zero' }, '·');
          return h(
            'a',
            {
              class: 'heat',
              href: dom.trialsHref(`${query.term('type', type)} ${query.term('provider', name)} is:nonpass`),
              vars: { '--heat': String(value / total) },
            },
            String(value),
          );
        });
        const row = [
          h('span', {}, link(type, query.term('type', type), 'is:nonpass'), h('small', {}, ` ${origins}`)),
          ...cells,
          String(total),
        ];
        return [row, ...stateRows(own)];
      });
    return rows.length === 0
      ? null
      : section('Non-passes by exception and provider', table(['exception', ...titles, 'total'], rows, 'grid'));
  };

  const outcomesOf = new Map<string, Map<string, PageTrial[]>>();
  for (const trial of data.trials) {
    if (trial.control) continue;
    const task = outcomesOf.get(trial.task) ?? new Map<string, PageTrial[]>();
    outcomesOf.set(trial.task, task);
    task.set(trial.provider, [...(task.get(trial.provider) ?? []), trial]);
  }
  const cellOf = (task: string, provider: string) => {
    const trials = outcomesOf.get(task)?.get(provider) ?? [];
    const worst =
      trials.find((trial) => trial.outcome === 'error' || trial.outcome === 'fail') ??
      trials.find((trial) => trial.outcome !== 'pass') ??
      trials[0];
    if (!worst) return '';
    const passed = trials.filter((trial) => trial.outcome === 'pass').length;
    const repeats = trials.length > 1 ? ` ${passed}/${trials.length}` : '';
    return h(
      'a',
      {
        class: `cell ${worst.outcome}`,
        href:
          trials.length > 1
            ? dom.trialsHref(`${query.term('task', task)} ${query.term('provider', provider)}`)
            : dom.trialHref(worst.key),
        title: worst.label,
      },
      dom.outcome(worst.outcome, `${worst.outcome.replace('_', ' ')}${repeats}`),
    );
  };
  const grid = (tasks: readonly string[]) =>
    table(
      ['task', ...titles],
      tasks.map((task) => [link(task, query.term('task', task)), ...names.map((name) => cellOf(task, name))]),
      'grid',
    );

  const disagreements = () => {
    if (names.length < 2) return null;
    const tasks = report.disagreements.map((entry) => entry.task);
    const all = h('details', {}, h('summary', {}, `All ${outcomesOf.size} tasks`));
    all.addEventListener('toggle', () => {
      if (all.open && !all.querySelector('table')) all.append(grid([...outcomesOf.keys()].sort()));
    });
    const found =
      tasks.length === 0 ? h('p', {}, 'None: no task passes on one provider and fails on another.') : grid(tasks);
    return section(`Providers disagree on ${tasks.length} ${tasks.length === 1 ? 'task' : 'tasks'}`, found, all);
  };

  const groups = () =>
    section(
      'Causes',
      ...report.groups.map((group, index) =>
        h(
          'details',
          { class: 'group', attrs: index < 3 ? { open: '' } : {} },
          h(
            'summary',
            {},
            h('b', {}, `${group.count} × ${group.exception_type}`),
            h(
              'small',
              {},
              ` in ${group.phase}, origin ${group.origin}: ${Object.entries(group.providers)
                .map(([name, value]) => `${title(name)} ${value}`)
                .join(', ')}`,
            ),
          ),
          h('pre', {}, group.sample_message),
          h('p', {}, group.advice),
          h(
            'p',
            {},
            link(`Show ${group.count === 1 ? 'the trial' : `the ${group.count} trials`}`, `group:${index + 1}`),
          ),
        ),
      ),
    );

  const timelines = () => section('Timeline', timeline.legend(), ...names.map((name) => timeline.ofProvider(name)));

  const stability = () => {
    const unstable = (report.stability ?? []).filter((entry) => entry.verdict !== 'stable');
    if (report.stability === null) return null;
    if (unstable.length === 0)
      return section('Stability over repeats', h('p', {}, 'Every task gave the same result in all repeats.'));
    const rows = unstable.map((entry) => [
      link(entry.task, query.term('task', entry.task), query.term('provider', entry.provider)),
      title(entry.provider),
      entry.verdict,
      `${entry.passed}/${entry.repeats}`,
      `${entry.interval[0].toFixed(2)} to ${entry.interval[1].toFixed(2)}`,
    ]);
    const found = table(['task', 'provider', 'verdict', 'passes', '95 % interval'], rows);
    const folded = rows.length > 20 ? h('details', {}, h('summary', {}, `${rows.length} tasks`), found) : found;
    return section('Not stable over repeats', folded);
  };

  const baseline = () => {
    const changed = report.baseline;
    if (!changed) return null;
    const rows = (['regressed', 'missing', 'changed_type', 'fixed', 'new'] as const).flatMap((kind) =>
      changed[kind]
        .filter((change) => kind !== 'new' || change.after !== 'pass')
        .map((change) => [
          kind.replace('_', ' '),
          link(change.task, query.term('task', change.task)),
          title(change.provider),
          change.before ?? '–',
          change.after ?? '–',
        ]),
    );
    return section(
      'Against the baseline',
      rows.length === 0 ? h('p', {}, 'No change.') : table(['change', 'task', 'provider', 'before', 'after'], rows),
    );
  };

  const expectations = () => {
    const record = report.expectations;
    if (!record) return null;
    const rows = [
      ...record.surprise_pass.map((entry) => [
        'surprise pass',
        h('a', { href: dom.trialHref(entry.trial) }, keyTitle(entry.trial)),
        entry.reason,
      ]),
      ...record.mismatched.map((entry) => [
        'fails in another way',
        h('a', { href: dom.trialHref(entry.trial) }, keyTitle(entry.trial)),
        `expected ${entry.expected}, got ${entry.actual}`,
      ]),
      ...record.unmatched.map((entry) => ['matches nothing', entry.pattern, entry.reason]),
      ...record.expired.map((entry) => ['expired', entry.pattern, `${entry.expires}: ${entry.reason}`]),
      ...record.expected.map((entry) => [
        'as expected',
        h('a', { href: dom.trialHref(entry.trial) }, keyTitle(entry.trial)),
        `${entry.exception_type}: ${entry.reason}${entry.link ? ` (${entry.link})` : ''}`,
      ]),
    ];
    return rows.length === 0 ? null : section('Expectations', table(['', 'trial', 'why'], rows));
  };

  const warnings = () => {
    const codes = new Map<string, number>();
    for (const trial of data.trials)
      for (const warning of trial.warnings) codes.set(warning.code, (codes.get(warning.code) ?? 0) + 1);
    const own = report.warnings.map((warning) => `${warning.code}: ${warning.message}`);
    const lines = [...codes]
      .sort()
      .map(([code, value]) => link(`${code}: ${value} in trials`, query.term('warning', code)));
    return section('Warnings', list([...own, ...lines]));
  };

  const about = () => {
    const { run } = report;
    const rows: PageNode[][] = report.runs.map((source) => [
      source.id,
      `${source.host.hostname}, ${source.host.platform}/${source.host.arch}, ${source.host.cpus} cpus, ${source.host.memory_mb} MB, node ${source.host.node}`,
      Object.entries(source.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ]);
    return section(
      'Run',
      h('p', {}, h('code', {}, `plumbline ${run.argv.join(' ')}`)),
      h('p', {}, `${run.started_at} to ${run.finished_at ?? 'unknown'}`),
      table(['run', 'host', 'versions'], rows),
    );
  };

  return () =>
    [
      verdict(),
      providers(),
      matrix(),
      disagreements(),
      groups(),
      timelines(),
      stability(),
      baseline(),
      history(),
      expectations(),
      warnings(),
      about(),
    ].filter((part) => part !== null);
}
