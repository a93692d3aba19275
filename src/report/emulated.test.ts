/** Whoever reads a result of an emulator is told so: in every format, wherever the provider is named. */
import { describe, expect, test } from 'vitest';
import { compareReports } from '../compare/compare-runs.js';
import { buildReport } from '../compare/summarize.js';
import type { Report } from '../model/record.js';
import type { FoldedRun } from '../model/run.js';
import { createFakeClock } from '../testing/clock.js';
import { createStamper, phaseStarted, runPlanned, runStarted, trialFinished, trialStarted } from '../testing/events.js';
import { openPage } from '../testing/page.js';
import { makeException, makeTrial, RUN_START } from '../testing/records.js';
import { makeRichRun } from '../testing/rich-run.js';
import { makeSampleRun } from '../testing/sample-run.js';
import { createTerminal } from '../testing/terminal.js';
import { comparisonVerdict, renderComparison, renderComparisonMarkdown } from './comparison.js';
import { renderConsoleSummary } from './console-summary.js';
import { renderCtrf } from './ctrf.js';
import { renderAnnotations, renderStepSummary } from './github.js';
import { renderHtml } from './html/render.js';
import { renderJunit } from './junit.js';
import { createLinesReporter } from './lines.js';
import { createLiveWindow } from './live-window.js';
import { renderMarkdown } from './markdown.js';
import { verdictLine } from './verdict.js';

/** Every provider is an emulator, those of the history too. */
function emulated(folded: FoldedRun): FoldedRun {
  const history = folded.gate.history?.map((line) => ({
    ...line,
    providers: Object.fromEntries(
      Object.entries(line.providers).map(([name, figures]) => [name, { ...figures, emulated: true }]),
    ),
  }));
  return {
    ...folded,
    gate: { ...folded.gate, ...(history && { history }) },
    providers: folded.providers.map((provider) => ({ ...provider, emulated: true, versions: {}, leaked_sandboxes: 3 })),
    trials: folded.trials.map((trial) => ({
      ...trial,
      emulated: true,
      warnings: [{ code: 'Odd', message: 'something' }],
    })),
  };
}
/** Docker and modal as real services, but for the ones that are named. */
function partly(...names: string[]): Report {
  const folded = makeRichRun();
  return buildReport({
    ...folded,
    providers: folded.providers.map((provider) => ({ ...provider, emulated: names.includes(provider.name) })),
    trials: folded.trials.map((trial) => ({ ...trial, emulated: names.includes(trial.provider) })),
  });
}
const all = buildReport(emulated(makeRichRun()));
const PLACE = { dir: 'reports/nightly', files: [], faults: [] };
const WIDE = { columns: 120, color: false };

/** Where a name stands without the word, with a little of what is around it. Commands take names as they are. */
function unlabelled(text: string): string[] {
  const one = text
    .replace(/plumbline (run|reap|diagnose)[^\n`<]*/g, '')
    .replace(/e2b[`|\s]+did not run/g, '')
    .replaceAll('`', '')
    .replace(/\s+/g, ' ');
  return [...one.matchAll(/\b(docker|modal|e2b)(?:\/[\w.-]+)?(?![\w/.-])(?! \(emulated\))/gi)]
    .map(({ index }) => one.slice(Math.max(0, index - 40), index + 40))
    .filter((found) => !/was unavailable|is unavailable|is required/.test(found));
}

describe('every provider of the run is an emulator', () => {
  test.each([
    ['the console summary', renderConsoleSummary(all, WIDE, PLACE)],
    ['summary.md', renderMarkdown(all)],
    ['the step summary', renderStepSummary(all)],
    ['the comparison', renderComparison(compareReports(all, all), WIDE)],
    ['the comparison for a pull request', renderComparisonMarkdown(compareReports(all, all))],
    ['the annotations', renderAnnotations(all).join('\n')],
  ])('%s names none without saying so', (_, text) => {
    expect(text).toContain('emulated');
    expect(unlabelled(text)).toEqual([]);
  });

  test('nor does the page, in any cell, heading, row or title', () => {
    const html = renderHtml(all);
    const named = (texts: readonly string[]) => texts.filter((text) => /^(on )?(docker|modal|e2b)\b/.test(text));
    for (const at of ['', '#/trials', '#/trial/modal%2Falpha__1', '#/trial/docker%2Falpha__1']) {
      const page = openPage(html, at);
      const leaves = page.find(({ tag }) => ['th', 'td', 'h3', 'small', 'span', 'a', 'p'].includes(tag));
      const found = named(leaves.map(({ children }) => children.filter((child) => typeof child === 'string').join('')));
      expect(found.length, at).toBeGreaterThan(0);
      for (const text of found) expect(text, at).toMatch(/^(on )?\w+(\/[\w.-]+)? \((emulated)\)/);
    }
    expect(openPage(html, '#/trial/modal%2Falpha__1').title).toBe('alpha on modal (emulated)');
  });

  test('in the page’s history an emulator has a row of its own', () => {
    const text = openPage(renderHtml(partly())).text();
    expect(text).toMatch(/before → now.*modal 0 of 1 at 1.0000.333e2b/);
    expect(text).toMatch(/before → now.*modal \(emulated\) 1 of 1 at 1.0001.000/);
  });

  test('on a narrow terminal a sentence below the table says it', () => {
    const many = buildReport(
      emulated(makeSampleRun({ providers: ['docker', 'tensorlake', 'modal', 'daytona', 'e2b'], tasks: 20 })),
    );
    const text = renderConsoleSummary(many, { columns: 60, color: false }, PLACE);
    const [, matrix = ''] = /(Non-passes by exception[\s\S]*?)\n\n/.exec(text) ?? [];
    expect(matrix.replace(/\s+/g, ' ')).toContain('docker, tensorlake, modal, daytona and e2b are emulated');
  });
});

describe('the verdict', () => {
  test.each([
    [partly(), /1 unsupported$/],
    [partly('modal'), /, modal emulated$/],
    [partly('modal', 'docker'), /, all emulated$/],
  ])('%#: says which', (report, end) => {
    expect(verdictLine(report)).toMatch(end);
  });

  test('so does that of a comparison', () => {
    expect(comparisonVerdict(compareReports(partly(), partly('modal')))).toMatch(/, modal emulated in head$/);
    expect(comparisonVerdict(compareReports(partly('modal'), partly()))).toMatch(/, modal emulated in base$/);
    expect(comparisonVerdict(compareReports(partly('modal'), partly('modal')))).toMatch(/, modal emulated$/);
    expect(comparisonVerdict(compareReports(all, all))).toMatch(/, all emulated$/);
  });

  test('a row of the comparison says on which side', () => {
    const text = renderComparison(compareReports(partly(), partly('modal')), WIDE);
    expect(text).toMatch(/^ {2}modal \(head emulated\) /m);
    expect(text).toMatch(/^ {2}docker {2,}/m);
  });
});

describe('what programs read', () => {
  const report = partly('modal');

  test('junit.xml: the suite is another than the service’s, and has a property', () => {
    const xml = renderJunit(report);
    expect(xml).toMatch(
      /<testsuite name="reference\.modal \(emulated\)"[^>]*>\n {4}<properties>\n {6}<property name="emulated" value="true"\/>\n {4}<\/properties>\n/,
    );
    expect(xml).toContain('classname="reference.modal (emulated)"');
    expect(xml).toContain('<testsuite name="reference.docker"');
    expect(xml.match(/<properties>/g)).toHaveLength(1);
  });

  test('CTRF: suite, tag and label of each test, and the summary', () => {
    const { results } = JSON.parse(renderCtrf(report));
    const of = (provider: string) =>
      results.tests.filter(({ labels }: { labels: { provider: string } }) => labels.provider === provider);
    expect(of('modal').length).toBeGreaterThan(3);
    for (const found of of('modal')) {
      expect(found).toMatchObject({
        suite: ['reference', 'modal (emulated)'],
        tags: ['emulated'],
        labels: { emulated: 'true' },
      });
    }
    for (const found of of('docker')) {
      expect([found.suite, found.tags, found.labels.emulated]).toEqual([['reference', 'docker'], undefined, undefined]);
    }
    expect(results.summary.extra.emulated_providers).toEqual(['modal']);
  });

  test('annotations: a cause that only emulators showed', () => {
    expect(renderAnnotations(report).join('\n')).toContain('title=SandboxCreateError in create (1 trial%2C emulated)');
    expect(renderAnnotations(report).join('\n')).toContain('title=RewardBelowOne in verifier (1 trial)');
  });
});

describe('while it runs', () => {
  const planned = (name: string) => {
    const event = runPlanned(['alpha', 'beta'], [name]);
    if (event.type !== 'run_planned') throw new Error('another event');
    return { ...event, providers: event.providers.map((provider) => ({ ...provider, emulated: true })) };
  };
  const exception = makeException('SandboxCreateError');
  const events = (name: string) => [
    runStarted(),
    planned(name),
    { type: 'image_finished' as const, provider: name, image: 'x', duration_sec: 1, cache_hit: false, error: 'broken' },
    trialStarted('alpha', name),
    {
      type: 'attempt_finished' as const,
      trial: `${name}/alpha__1`,
      will_retry: true,
      attempt: { n: 1, outcome: 'error' as const, exception, duration_sec: 1, dir: 'x' },
    },
    phaseStarted('alpha', name, 'oracle', 120),
    trialStarted('beta', name),
    { type: 'image_started' as const, provider: name, image: 'y' },
    trialFinished(makeTrial({ task: 'beta', provider: name, emulated: true, exception })),
  ];

  test('every line says it', () => {
    const clock = createFakeClock(RUN_START);
    const terminal = createTerminal({ columns: 80, rows: 24 });
    const reporter = createLinesReporter(terminal, { clock });
    const stamp = createStamper(clock);
    for (const event of events('e2b')) reporter.handle(stamp(event));
    clock.advance(31_000);
    expect(unlabelled(terminal.raw)).toEqual([]);
    expect(terminal.raw).toContain('[1/2] error reference/beta  e2b (emulated)  ');
    expect(terminal.raw).toContain('oldest alpha on e2b (emulated): oracle');
  });

  test.each([
    ['e2b', 80],
    ['tensorlake', 80],
    ['tensorlake', 120],
  ])('the window names %s in %s columns', (name, columns) => {
    const clock = createFakeClock(RUN_START);
    const terminal = createTerminal({ columns, rows: 24 });
    const window = createLiveWindow(terminal, { clock, onExit: () => () => undefined });
    const stamp = createStamper(clock);
    for (const event of events(name)) window.handle(stamp(event));
    clock.advance(1100);
    const rest = terminal.text().replaceAll(`${name} (emulated)`, '');
    expect(rest).not.toContain(name);
    expect(terminal.text()).toMatch(new RegExp(`^ {2}alpha +${name} \\(emulated\\) +oracle 1s/2m00s$`, 'm'));
    expect(terminal.text()).toContain(`${name} (emulated) 1/`);
  });
});
