/** Results of an emulator and those of the service are never taken for one another. */
import { describe, expect, test } from 'vitest';
import type { HistoryLine } from '../model/record.js';
import { at, makeGateOptions, makeProvider, makeRun, makeRunRecord, makeTrial } from '../testing/records.js';
import { baselineFileName, baselineFiles, parseBaselineFile } from './baseline.js';
import { compareReports } from './compare-runs.js';
import { historyChanges } from './history.js';
import { mergeRuns } from './merge.js';
import { emulationNote, keyTitle } from './provider-title.js';
import { buildReport } from './summarize.js';

function e2bRun(emulated: boolean, outcome: 'pass' | 'fail' = 'pass', day = 0, history?: HistoryLine[]) {
  return makeRun([makeTrial({ task: 'a', provider: 'e2b', emulated, outcome })], {
    run: makeRunRecord({ id: `run-${day}`, name: `run-${day}`, started_at: at(day * 86_400) }),
    providers: [makeProvider('e2b', { emulated })],
    gate: makeGateOptions(history === undefined ? {} : { history }),
  });
}
const input = (folded: ReturnType<typeof e2bRun>) => ({ folded, dir: folded.run.id, eventVersion: 1 });

describe('the name of a provider', () => {
  const e2b = makeProvider('e2b', { emulated: true });
  const modal = makeProvider('modal', { emulated: true });
  const docker = makeProvider('docker');

  test.each([
    [[docker], null],
    [[e2b], 'all emulated'],
    [[docker, e2b], 'e2b emulated'],
    [[docker, e2b, modal], 'e2b and modal emulated'],
    [[docker, makeProvider('e2b', { emulated: true, status: 'unavailable' })], null],
  ])('%#: what the verdict says', (providers, note) => {
    expect(emulationNote(providers)).toBe(note);
  });

  test('a trial’s address is followed by the word', () => {
    expect([keyTitle('e2b/a__1', [e2b, docker]), keyTitle('docker/a__1', [e2b, docker])]).toEqual([
      'e2b/a__1 (emulated)',
      'docker/a__1',
    ]);
  });

  test('every reason of the gate says it', () => {
    const folded = e2bRun(true, 'fail');
    const reasonsOf = (gate: Partial<ReturnType<typeof makeGateOptions>>) =>
      buildReport({ ...folded, gate: makeGateOptions(gate) }).gate.reasons;
    const known = { outcome: null, exception_type: null, phase: null, origin: null, fingerprint: null };
    const entry = { task: 'a', provider: 'e2b', ...known, reason: 'r', link: null, owner: null, expires: null };
    const reasons = [
      ...reasonsOf({ baseline: { e2b: { a: 'pass', gone: 'pass' } } }),
      ...reasonsOf({ expectations: [{ ...entry, exception_type: 'ExecError' }] }),
      ...buildReport({
        ...e2bRun(true),
        gate: makeGateOptions({ expectations: [{ ...entry, outcome: 'fail' }] }),
      }).gate.reasons,
      ...buildReport({ ...e2bRun(true), gate: makeGateOptions({ agent: 'nop' }) }).gate.reasons,
    ];
    expect(reasons).toHaveLength(7);
    for (const reason of reasons) expect(reason).toMatch(/e2b(\/\w+)? \(emulated\)/);
  });
});

describe('baselines', () => {
  test('an emulated one has a file of its own and says so', () => {
    const [live] = baselineFiles(buildReport(e2bRun(false)));
    const [emulated] = baselineFiles(buildReport(e2bRun(true)));
    expect(live && [baselineFileName(live), Object.keys(live)]).toEqual([
      'e2b.json',
      ['schema_version', 'provider', 'run', 'tasks'],
    ]);
    expect(emulated && [baselineFileName(emulated), emulated.emulated]).toEqual(['e2b-emulated.json', true]);
    expect(parseBaselineFile(emulated, 'x').emulated).toBe(true);
    expect(() => parseBaselineFile({ ...emulated, emulated: 'yes' }, 'x')).toThrow('x: emulated must be true or false');
  });
});

describe('merging', () => {
  test('an emulator and the service are no parts of one provider', () => {
    expect(() => mergeRuns([input(e2bRun(true, 'pass', 1)), input(e2bRun(false, 'pass', 2))])).toThrow(
      'e2b is emulated in run-1 and the service itself in run-2: hold them against each other with "plumbline compare"',
    );
  });

  test('parts that are emulated give a whole that is, also with one in which it did not run', () => {
    const absent = makeRun([], {
      run: makeRunRecord({ id: 'absent', name: 'absent' }),
      providers: [makeProvider('e2b', { status: 'skipped', reason: 'no key' })],
    });
    const whole = buildReport(mergeRuns([input(e2bRun(true)), input(absent)]));
    expect(whole.providers).toMatchObject([{ name: 'e2b', status: 'ran', emulated: true }]);
  });
});

describe('history', () => {
  const lineOf = (emulated: boolean, outcome: 'pass' | 'fail', day: number, before: HistoryLine[] = []) =>
    buildReport(e2bRun(emulated, outcome, day, before)).history?.at(-1) as HistoryLine;

  test('a line says it of its providers, and only where it is so', () => {
    expect(lineOf(true, 'pass', 1).providers['e2b']).toMatchObject({ status: 'ran', emulated: true });
    expect(lineOf(false, 'pass', 1).providers['e2b']).not.toHaveProperty('emulated');
  });

  test('the two never share a trend', () => {
    const lines = [
      lineOf(false, 'pass', 1),
      lineOf(true, 'fail', 2),
      lineOf(false, 'pass', 3),
      lineOf(true, 'pass', 4),
    ];
    expect(historyChanges(lines)).toEqual([
      {
        at: at(4 * 86_400),
        name: 'run-4',
        provider: 'e2b',
        emulated: true,
        task: 'a',
        before: 'RewardBelowOne',
        after: 'pass',
      },
    ]);
  });

  test('what is missing is asked of the last run of the same kind', () => {
    const other = (emulated: boolean) =>
      buildReport(
        makeRun([makeTrial({ task: 'b', provider: 'e2b', emulated })], {
          run: makeRunRecord({ id: 'next', started_at: at(5 * 86_400) }),
          providers: [makeProvider('e2b', { emulated })],
          gate: makeGateOptions({ history: [lineOf(true, 'fail', 2)] }),
        }),
      ).history?.at(-1)?.non_passes;
    expect([other(true), other(false)]).toEqual([{ e2b: { a: 'missing' } }, {}]);
  });
});

test('a comparison says of both sides which is emulated', () => {
  const [live, emulated] = [buildReport(e2bRun(false)), buildReport(e2bRun(true))];
  expect(compareReports(emulated, emulated).providers).toMatchObject([
    { before: { emulated: true }, after: { emulated: true } },
  ]);
  const mixed = compareReports(live, emulated);
  expect(mixed.providers).toMatchObject([{ before: { emulated: false }, after: { emulated: true } }]);
  expect(mixed.warnings).toContain('e2b was emulated in one run only');
});
