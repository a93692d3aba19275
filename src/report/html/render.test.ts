/** The page, opened and used without a browser; what it looks like is checked by eye (docs/reports.md). */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { buildReport } from '../../compare/summarize.js';
import { openPage } from '../../testing/page.js';
import { makeRun, makeTrial } from '../../testing/records.js';
import { HOSTILE, makeRichRun } from '../../testing/rich-run.js';
import { makeSampleRun } from '../../testing/sample-run.js';
import { stripControls } from '../text.js';
import { jsonForScript, pageScript, renderHtml } from './render.js';

const report = buildReport(makeRichRun());
const html = renderHtml(report);

describe('the file', () => {
  test('needs no network and lets nothing but its own code run', () => {
    expect(html).not.toMatch(/\b(src|href)="(?!#)/);
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
    expect(policy).toContain("default-src 'none'");
    const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    const style = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? '';
    expect(policy).toContain(`style-src ${hash(style)}`);
    expect(policy).toContain(`script-src ${hash(pageScript())}`);
    expect(html).toContain(`<script>${pageScript()}</script>`);
  });

  test('hostile text cannot leave its data', () => {
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).not.toContain('<img');
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    const [, data = ''] = /id="data">(.*?)<\/script>/s.exec(html) ?? [];
    expect(
      JSON.parse(data).trials.some((trial: { task: string }) => trial.task === `evil ${stripControls(HOSTILE)}`),
    ).toBe(true);
    expect(jsonForScript({ a: '</script><!--\u2028' })).toBe('{"a":"\\u003c/script>\\u003c!--\\u2028"}');
  });

  test('the verdict is there without JavaScript', () => {
    expect(html).toContain('<main id="main"><h1>FAIL  pass rate 5/11 = 0.454');
    expect(renderHtml(buildReport(makeRun([makeTrial()])))).toContain('<title>PASS nightly</title>');
  });

  test('logs of passes are cut, those of non-passes are not', () => {
    const tail = 'x'.repeat(16 * 1024);
    const logs = { build: null, oracle: { tail, path: 'p' }, verifier: null };
    const size = (outcome: 'pass' | 'fail') => renderHtml(buildReport(makeRun([makeTrial({ outcome, logs })]))).length;
    expect(size('fail') - size('pass')).toBeGreaterThan(13 * 1024);
  });
});

describe('the views', () => {
  test('overview: verdict, providers, matrix, disagreements, causes, timeline and the rest', () => {
    const page = openPage(html);
    for (const text of [
      '✗ FAIL  pass rate 5/11',
      'unavailable: E2B_API_KEY is not set',
      'modal (emulated)',
      'Non-passes by exception and provider',
      'Providers disagree on 1 task',
      'Causes',
      '1 × SandboxCreateError',
      'docker 6 trials in 1 slot,',
      'Not stable over repeats',
      'Against the baseline',
      'AgentTimeoutErrorVerifierTimeoutError',
      'as expected',
      'TornEventLog',
      'plumbline run -p suites/reference -e docker',
    ]) {
      expect(page.text(), text).toContain(text);
    }
    expect(page.title).toBe('FAIL nightly');
  });

  test('history: bars per run, the step to this one, what changed, and all numbers', () => {
    const page = openPage(html);
    for (const text of [
      'History: the last 4 runs',
      '1 of 4 at 1.000',
      '0.666 → 0.600',
      '20.0s to 4m00s',
      'Tasks that changed, newest first',
      'RewardBelowOne, passes 1/2',
      'night-2, a part',
    ]) {
      expect(page.text(), text).toContain(text);
    }
    const bars = page.find(({ tag, attributes }) => tag === 'i' && (attributes['title'] ?? '').includes('night-'));
    expect(bars.map(({ attributes }) => attributes['title'])).toContain('2025-12-30 night-1: 6/6 = 1.000');
    expect(bars.find(({ attributes }) => attributes['title']?.endsWith('skipped'))?.attributes['class']).toBe('none');
    const single = renderHtml(buildReport({ ...makeRichRun(), gate: { ...makeRichRun().gate, history: [] } }));
    expect(openPage(single).text()).not.toContain('History');
  });

  test('every link of every view leads somewhere', () => {
    const page = openPage(html);
    const hrefs = new Set(page.links().map(({ href }) => href));
    expect(hrefs.size).toBeGreaterThan(20);
    for (const href of hrefs) {
      page.go(href);
      expect(page.text(), href).not.toMatch(/No trial|not known/);
      if (href.startsWith('#/trials')) expect(page.text(), href).not.toMatch(/^.*\b0 trials/);
    }
  });

  test('a cell of the matrix filters by exception and provider', () => {
    const page = openPage(html);
    const cell = page.find(
      (element) =>
        element.attributes['class'] === 'heat' && /VerifierTimeoutError/.test(element.attributes['href'] ?? ''),
    )[0];
    page.go(cell?.attributes['href'] ?? '');
    expect(page.text()).toContain('1 trial, sorted by');
    expect(
      page
        .links()
        .filter(({ href }) => href.startsWith('#/trial/'))
        .map(({ href }) => href),
    ).toEqual(['#/trial/modal%2Fbeta__1']);
  });

  test('trial: exception, cause, phases, resources, logs and commands', () => {
    const page = openPage(html, '#/trial/modal%2Falpha__1');
    for (const text of [
      'error alpha',
      'SandboxCreateError',
      'Harbor saysRuntimeError',
      'last statecreating',
      'caused by Error: connect ECONNREFUSED',
      'plumbline run -p suites/reference -e modal -i alpha',
      'plumbline diagnose reports/nightly modal/alpha__1',
      'create0.5s10m00s',
      'The same task elsewhere',
      'docker (nop)',
      'plumbline/alpha:abcdef123456',
      'verifier of alpha',
    ]) {
      expect(page.text(), text).toContain(text);
    }
    expect(page.title).toBe('alpha on modal (emulated)');
  });

  test('hostile text is shown as text', () => {
    const page = openPage(html, '#/trial/modal%2Fevil__1');
    expect(page.text()).toContain('</script><img src=x onerror=alert(1)>');
    expect(page.find((element) => element.tag === 'img' || element.tag === 'script')).toEqual([]);
  });

  test('the filter box writes the address, keys walk the list that was left', () => {
    const page = openPage(html, '#/trials');
    page.type('is:nonpass -is:control');
    expect(page.hash).toBe('#/trials?q=is%3Anonpass%20-is%3Acontrol&sort=outcome');
    expect(page.text()).toContain('4 trials, sorted by');
    page.go('#/trial/modal%2Falpha__1');
    expect(page.text()).toContain('1 of 4 in “is:nonpass -is:control”');
    page.press('j');
    expect(page.hash).toBe('#/trial/modal%2Fbeta__1');
    page.press('k');
    expect(page.hash).toBe('#/trial/modal%2Falpha__1');
    page.press('u');
    expect(page.hash).toBe('#/trials?q=is%3Anonpass%20-is%3Acontrol&sort=outcome');
    page.press('o');
    expect(page.text()).toContain('Providers disagree');
  });

  test('an address that is wrong is answered', () => {
    expect(openPage(html, '#/trial/docker%2Fnone').text()).toContain('No trial docker/none');
    expect(openPage(html, '#/trial/%E0%A4%A').text()).toContain('No trial %E0%A4%A');
    expect(openPage(html, '#/trials?q=is:nonsense').text()).toContain('is:nonsense is not known');
    expect(openPage(html, '#/elsewhere').text()).toContain('Providers');
  });

  test('a run in which nothing ran still opens', () => {
    const empty = renderHtml(buildReport(makeRun([makeTrial({ outcome: 'not_run' })])));
    expect(openPage(empty).text()).toContain('FAIL');
    expect(openPage(empty, '#/trial/docker%2Fhello-world__1').text()).toContain('not run hello-world');
  });

  test('1,000 trials are rendered quickly', () => {
    const large = renderHtml(
      buildReport(makeSampleRun({ providers: ['docker', 'tensorlake'], tasks: 100, repeats: 5 })),
    );
    const page = openPage(large, '#/trials');
    expect(page.find((element) => element.attributes['class'] === 'row')).toHaveLength(1000);
    const started = performance.now();
    page.go('#/');
    page.go('#/trials?q=is:nonpass');
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
