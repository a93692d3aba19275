import { describe, expect, test } from 'vitest';
import { CATALOGUE } from '../exception/catalogue.js';
import { makeException, makeTrial } from '../testing/records.js';
import { describeRewards, groupsByState, groupTrials } from './groups.js';

describe('groupTrials', () => {
  test('one cause on two providers is one group that counts both', () => {
    const exception = makeException('SandboxCreateError', {
      message: 'no room at 10.0.0.1',
      fingerprint: 'no room at #',
    });
    const other = makeException('SandboxCreateError', { message: 'no room at 10.0.0.2', fingerprint: 'no room at #' });
    const [group, ...rest] = groupTrials([
      makeTrial({ task: 'b', provider: 'modal', exception }),
      makeTrial({ task: 'a', provider: 'docker', exception: other }),
      makeTrial({ task: 'c', provider: 'modal', exception }),
    ]);
    expect(rest).toEqual([]);
    expect(group).toEqual({
      exception_type: 'SandboxCreateError',
      origin: 'provider',
      phase: 'create',
      fingerprint: 'no room at #',
      providers: { docker: 1, modal: 2 },
      count: 3,
      trials: ['docker/a__1', 'modal/b__1', 'modal/c__1'],
      sample_message: 'no room at 10.0.0.1',
      advice: CATALOGUE.SandboxCreateError.advice,
    });
    expect(JSON.stringify(group?.providers)).toBe('{"docker":1,"modal":2}');
  });

  test('type, phase and fingerprint each split', () => {
    const groups = groupTrials([
      makeTrial({ task: 'a', exception: makeException('NetworkError', { phase: 'create' }) }),
      makeTrial({ task: 'b', exception: makeException('NetworkError', { phase: 'start' }) }),
      makeTrial({ task: 'c', exception: makeException('NetworkError', { phase: 'create', fingerprint: 'other' }) }),
      makeTrial({ task: 'd', exception: makeException('TransferError', { phase: 'create' }) }),
    ]);
    expect(groups.map(({ exception_type, phase, fingerprint }) => [exception_type, phase, fingerprint])).toEqual([
      ['NetworkError', 'create', 'NetworkError happened'],
      ['NetworkError', 'create', 'other'],
      ['NetworkError', 'start', 'NetworkError happened'],
      ['TransferError', 'create', 'TransferError happened'],
    ]);
  });

  test('graded failures are RewardBelowOne, sorted by count before name', () => {
    const groups = groupTrials([
      makeTrial({ task: 'a', exception: makeException('AgentTimeoutError') }),
      makeTrial({ task: 'b', outcome: 'fail', rewards: { reward: 0 } }),
      makeTrial({ task: 'c', outcome: 'fail', rewards: { reward: 0.5 } }),
    ]);
    expect(
      groups.map(({ exception_type, count, origin, sample_message }) => [
        exception_type,
        count,
        origin,
        sample_message,
      ]),
    ).toEqual([
      ['RewardBelowOne', 2, 'task', 'reward 0'],
      ['AgentTimeoutError', 1, 'task', 'AgentTimeoutError happened'],
    ]);
  });

  test('passes, controls, unsupported and unrun trials are in no group', () => {
    const trials = [
      makeTrial(),
      makeTrial({ task: 'b', outcome: 'fail', control: true, agent: 'nop' }),
      makeTrial({ task: 'c', outcome: 'unsupported' }),
      makeTrial({ task: 'd', outcome: 'not_run' }),
      makeTrial({ task: 'e', outcome: 'cancelled' }),
    ];
    expect(groupTrials(trials)).toEqual([]);
  });

  test('a type that the catalogue does not know still gets advice', () => {
    const exception = { ...makeException('HarnessError'), type: 'FutureError' };
    expect(groupTrials([makeTrial({ exception })])[0]?.advice).toMatch(/message and the logs/);
  });
});

test('describeRewards names a map and calls null NaN', () => {
  expect(describeRewards({ reward: 0.25 })).toBe('reward 0.25');
  expect(describeRewards({ speed: null, size: 1 })).toBe('rewards: size=1, speed=NaN');
  expect(describeRewards(null)).toBe('no reward');
});

describe('the provider’s last state', () => {
  const stuck = (task: string, state: string | null) =>
    makeTrial({
      task,
      exception: makeException('EnvironmentStartTimeoutError', { fingerprint: `in ${state}`, provider_state: state }),
    });

  test('stands with a group whose trials had the same one', () => {
    const [group] = groupTrials([stuck('a', 'pulling'), stuck('b', 'pulling')]);
    expect(group).toMatchObject({ count: 2, provider_state: 'pulling' });
    const mixed = [stuck('a', 'pulling'), { ...stuck('b', 'creating') }].map((trial) => ({
      ...trial,
      exception: trial.exception && { ...trial.exception, fingerprint: 'same' },
    }));
    expect(groupTrials(mixed)[0]).not.toHaveProperty('provider_state');
    expect(groupTrials([stuck('a', null)])[0]).not.toHaveProperty('provider_state');
  });

  test('splits a type where there are several, the most frequent first', () => {
    const groups = groupTrials([
      stuck('a', 'pulling'),
      stuck('b', 'starting'),
      stuck('c', 'starting'),
      stuck('d', null),
    ]);
    expect(groupsByState(groups).map(({ state, groups: own }) => [state, own.map(({ count }) => count)])).toEqual([
      ['starting', [2]],
      ['pulling', [1]],
    ]);
    expect(groupsByState(groupTrials([stuck('a', 'pulling'), stuck('b', null)]))).toEqual([]);
  });
});
