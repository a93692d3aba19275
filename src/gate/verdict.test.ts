import { expect, test } from 'vitest';
import type { PlannedTrial } from '../model/record.js';
import { makeException, makeGateOptions, makeTrial } from '../testing/records.js';
import { describeNonPass, testName } from './verdict.js';

const planned = (repeat: number): PlannedTrial => ({ ...makeTrial({ provider: 'e2b', repeat }), task_dir: '/tasks/x' });

test('a test is named after task, provider and repeat, and after the emulator that it ran on', () => {
  const [one, two] = [planned(1), planned(2)];
  expect([testName(one, [one], false), testName(two, [one, two], false), testName(two, [one, two], true)]).toEqual([
    'hello-world on e2b',
    'hello-world on e2b [2]',
    'hello-world on e2b (emulated) [2]',
  ]);
});

test.each([
  ['an exception', { exception: makeException('ExecError') }, 'ExecError in oracle'],
  ['a failed test', { outcome: 'fail' as const }, 'fail, rewards {"reward":0}'],
])('what is told of %s begins with the emulator, and only with that', (_, overrides, text) => {
  const of = (emulated: boolean) =>
    describeNonPass(makeTrial({ provider: 'e2b', emulated, ...overrides }), makeGateOptions());
  expect(of(true).startsWith(`on e2b (emulated): ${text}`)).toBe(true);
  expect(of(false).startsWith(text)).toBe(true);
});
