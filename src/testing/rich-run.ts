/** One small run with every section of every report in it, and with the names and messages that a hostile task would choose. */
import type { Expectation } from '../model/event.js';
import type { HistoryLine } from '../model/record.js';
import type { FoldedRun } from '../model/run.js';
import { at, makeException, makeGateOptions, makeProvider, makeRun, makeTrial } from './records.js';

/** Breaks out of HTML, XML, Markdown, terminals and workflow commands, where a renderer lets it. */
export const HOSTILE =
  '</script><img src=x onerror=alert(1)>]]>|`*_@team\x1b[2J\x1b]0;owned\x07\u202e\r\n::error::%0A\ud800\ufffe';

const expectation = (overrides: Partial<Expectation>): Expectation => ({
  task: '*',
  provider: '*',
  outcome: null,
  exception_type: null,
  phase: null,
  origin: null,
  fingerprint: null,
  reason: 'known',
  link: null,
  owner: null,
  expires: null,
  ...overrides,
});

/** Three nights before the rich run: green, a part of a run, and one with a flaky and a hostile task and without modal. */
function makeHistory(): HistoryLine[] {
  const figures = (passed: number, seconds: number): HistoryLine['providers'][string] => ({
    status: 'ran',
    planned: 6,
    passed,
    measured: 6,
    unsupported: 0,
    recovered: 0,
    pass_rate: passed / 6,
    wall_clock_sec: seconds,
  });
  const line = (day: number, overrides: Partial<HistoryLine>): HistoryLine => ({
    v: 1,
    run: `night-${day}`,
    name: `night-${day}`,
    at: at((day - 4) * 86_400),
    plumbline_version: '0.1.0',
    met: false,
    partial: false,
    providers: { docker: figures(6, 200), modal: { ...figures(6, 310), emulated: true } },
    non_passes: {},
    flaky: {},
    ...overrides,
  });
  const absent = {
    ...figures(0, 0),
    status: 'skipped' as const,
    emulated: true,
    planned: 0,
    measured: 0,
    pass_rate: null,
    wall_clock_sec: null,
  };
  return [
    line(1, { met: true }),
    line(2, { partial: true, providers: { docker: figures(1, 20) } }),
    line(3, {
      providers: { docker: figures(4, 205.5), modal: absent },
      non_passes: { docker: { alpha: 'RewardBelowOne', [`evil ${HOSTILE}`]: 'ExecError' } },
      flaky: { docker: { alpha: '1/2' } },
    }),
  ];
}

export function makeRichRun(): FoldedRun {
  const timeout = makeException('VerifierTimeoutError', {
    message: 'tests/test.sh passed 900 s and was killed',
    fingerprint: 'tests/test.sh passed # and was killed',
  });
  const refused = makeException('SandboxCreateError', {
    message: 'POST /sandboxes: 503 (request 7f3a)',
    fingerprint: 'POST /sandboxes: # (request #)',
    provider_state: 'creating',
    cause: [
      { type: 'TypeError', message: 'fetch failed' },
      { type: 'Error', message: 'connect ECONNREFUSED 10.0.0.7:443' },
    ],
  });
  const hostile = makeException('ExecError', { message: HOSTILE, fingerprint: HOSTILE });
  const recovered = makeTrial({ task: 'gamma', provider: 'modal' });
  const trials = [
    makeTrial({ task: 'alpha' }),
    makeTrial({ task: 'alpha', provider: 'modal', exception: refused }),
    makeTrial({ task: 'alpha', repeat: 2 }),
    makeTrial({ task: 'alpha', repeat: 2, provider: 'modal' }),
    makeTrial({ task: 'beta', outcome: 'fail', rewards: { speed: 0.5, size: null } }),
    makeTrial({ task: 'beta', provider: 'modal', exception: timeout }),
    makeTrial({
      task: 'gamma',
      warnings: [{ code: 'OracleExitCode', message: 'solve.sh ended with 1, the reward is 1' }],
    }),
    {
      ...recovered,
      attempts: [
        { n: 1, outcome: 'error' as const, exception: refused, duration_sec: 1.5, dir: `${recovered.dir}/attempts/1` },
        { n: 2, outcome: 'pass' as const, exception: null, duration_sec: 11.35, dir: recovered.dir },
      ],
    },
    makeTrial({
      task: 'org/delta-with-a-name-that-is-far-too-long-for-any-table-in-a-terminal-of-eighty-columns',
      outcome: 'unsupported',
    }),
    makeTrial({ task: 'epsilon', outcome: 'not_run' }),
    makeTrial({ task: 'epsilon', provider: 'modal', outcome: 'cancelled', attempts: [] }),
    makeTrial({
      task: `evil ${HOSTILE}`,
      trial_name: 'evil__1',
      provider: 'modal',
      exception: hostile,
      logs: {
        build: null,
        oracle: { tail: `${HOSTILE}\nlast line\n`, path: 'modal/evil__1/oracle.txt' },
        verifier: null,
      },
    }),
    makeTrial({ task: 'alpha', trial_name: 'alpha__nop', agent: 'nop', control: true, outcome: 'fail' }),
    makeTrial({ task: 'gamma', trial_name: 'gamma__nop', agent: 'nop', control: true, vacuous: true }),
  ].map((trial) => ({
    ...trial,
    vacuous: trial.task === 'gamma',
    emulated: trial.provider === 'modal',
    ...(['alpha', 'beta'].includes(trial.task) && { task_path: `suites/reference/${trial.task}` }),
  }));
  return makeRun(trials, {
    gate: makeGateOptions({
      expectations: [
        expectation({ task: 'beta', provider: 'docker', outcome: 'fail', link: 'https://example.org/issues/1' }),
        expectation({ task: 'beta', provider: 'modal', exception_type: 'AgentTimeoutError' }),
        expectation({ task: 'gamma', provider: 'docker' }),
        expectation({ task: 'nowhere' }),
        expectation({ task: 'alpha', expires: '2025-12-31', reason: 'fixed upstream' }),
      ],
      baseline: {
        docker: { alpha: 'pass', beta: 'pass', gone: 'pass' },
        modal: { alpha: 'pass', gamma: 'NetworkError', beta: 'AgentTimeoutError' },
      },
      required_providers: ['docker'],
      history: makeHistory(),
    }),
    providers: [
      makeProvider('docker', { versions: { engine: '20.10', client: '28' } }),
      makeProvider('modal', { emulated: true, leaked_sandboxes: 2 }),
      makeProvider('e2b', {
        status: 'unavailable',
        reason: 'E2B_API_KEY is not set',
        wall_clock_sec: null,
        leaked_sandboxes: null,
      }),
    ],
    warnings: [{ code: 'TornEventLog', message: 'line 7 of the event log was cut off and is ignored' }],
  });
}
