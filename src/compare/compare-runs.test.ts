import { expect, test } from 'vitest';
import { makeException, makeProvider, makeRun, makeRunRecord, makeTrial } from '../testing/records.js';
import { compareReports } from './compare-runs.js';
import { buildReport } from './summarize.js';

const lost = makeException('SandboxLostError');
const base = buildReport(
  makeRun([
    makeTrial({ task: 'a' }),
    makeTrial({ task: 'b', exception: lost }),
    makeTrial({ task: 'c' }),
    makeTrial({ task: 'a', provider: 'modal' }),
  ]),
);

test('changes, rates and what vanished', () => {
  const head = buildReport(
    makeRun([makeTrial({ task: 'a', outcome: 'fail' }), makeTrial({ task: 'b' }), makeTrial({ task: 'd' })]),
  );
  const comparison = compareReports(base, head);
  expect(comparison.met).toBe(false);
  expect(comparison.changes).toEqual({
    regressed: [{ task: 'a', provider: 'docker', before: 'pass', after: 'RewardBelowOne' }],
    fixed: [{ task: 'b', provider: 'docker', before: 'SandboxLostError', after: 'pass' }],
    changed_type: [],
    missing: [
      { task: 'a', provider: 'modal', before: 'pass', after: null },
      { task: 'c', provider: 'docker', before: 'pass', after: null },
    ],
    new: [{ task: 'd', provider: 'docker', before: null, after: 'pass' }],
  });
  expect(comparison.providers).toEqual([
    {
      provider: 'docker',
      before: { emulated: false, pass_rate: 2 / 3, passed: 2, applicable: 3, wall_clock_sec: 240 },
      after: { emulated: false, pass_rate: 2 / 3, passed: 2, applicable: 3, wall_clock_sec: 240 },
    },
    {
      provider: 'modal',
      before: { emulated: false, pass_rate: 1, passed: 1, applicable: 1, wall_clock_sec: 240 },
      after: null,
    },
  ]);
});

test('a run compared with itself has no change', () => {
  const { met, changes, warnings } = compareReports(base, base);
  expect([met, Object.values(changes).flat(), warnings]).toEqual([true, [], []]);
});

test('what makes runs hard to compare is said', () => {
  const head = buildReport(
    makeRun([makeTrial({ task: 'a', task_digest: 'sha256:00' })], {
      run: makeRunRecord({ plumbline_version: '0.2.0' }),
      providers: [makeProvider('docker', { emulated: true, versions: { docker: '2.0' } })],
    }),
  );
  expect(compareReports(base, head).warnings).toEqual([
    "a: the task's files differ between the two runs",
    'plumbline 0.1.0 against 0.2.0',
    'docker was emulated in one run only',
    'docker: docker 1.0 against 2.0',
  ]);
});
