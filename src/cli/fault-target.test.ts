import { describe, expect, test } from 'vitest';
import type { SandboxFacts } from '../emulator/core/faults.js';
import type { SandboxSpec } from '../model/provider.js';
import { sandboxLabels } from '../provider/labels.js';
import { sandboxName } from '../provider/tensorlake/names.js';
import { type FaultTarget, targetTest } from './fault-target.js';

const NONE: FaultTarget = { task: null, sandbox: null, contains: null };

function hits(target: Partial<FaultTarget>, sandbox: SandboxFacts | null, text = ''): boolean | undefined {
  return targetTest({ ...NONE, ...target })?.({ sandbox, text });
}

/** As trial/start.ts names it. */
const spec = (task: string): Pick<SandboxSpec, 'name' | 'owner' | 'labels'> => ({
  name: `pl-${(task.split('/').at(-1) ?? '').slice(0, 32)}-xk3q9zp-0123456789`,
  owner: { runId: 'r', owner: 'o', expiresAt: '2030-01-01T00:00:00.000Z' },
  labels: { task, trial: `${task}__Xk3q9Zp` },
});
const labelled = (task: string) => ({ name: spec(task).name, labels: sandboxLabels(spec(task)) });
const nameOnly = (task: string) => ({ name: sandboxName(spec(task).name, spec(task).owner.expiresAt), labels: {} });

test('no target means every call', () => {
  expect(targetTest(NONE)).toBeNull();
});

describe.each([
  ['by label', labelled],
  ['by name, as Tensorlake has it', nameOnly],
])('a task %s', (_, of) => {
  test.each([
    ['never-start-07', 'never-start-07', true],
    ['never-start-*', 'never-start-07', true],
    ['acme/never-start-07', 'acme/never-start-07', true],
    ['never-start-0?', 'never-start-07', true],
    ['never-start-0[67]', 'never-start-07', true],
    ['never-start-0[12]', 'never-start-07', false],
    ['never-start-0[!1]', 'never-start-07', true],
    ['never-start-0[9-1]', 'never-start-07', false],
    ['never-start', 'never-start-07', false],
    ['start-07', 'never-start-07', false],
    ['never-start-07', 'never-start-070', false],
    ['hello', 'hello-servers', false],
    ['web', 'web-shop', false],
    ['*', 'web-shop', true],
    ['a-task-with-a-name-longer-than-thirty-two', 'a-task-with-a-name-longer-than-thirty-two', true],
  ])('%s over %s: %s', (pattern, task, expected) => {
    expect(hits({ task: pattern }, of(task))).toBe(expected);
  });

  test('never a call that is about no sandbox, nor somebody else’s', () => {
    expect(hits({ task: '*' }, null)).toBe(false);
    expect(hits({ task: '*' }, { name: 'mine', labels: { a: 'b' } })).toBe(false);
  });
});

test('a sandbox is found by its name and by any value of its labels', () => {
  const mine = { name: 'my-box', labels: { team: 'blue' } };
  expect([hits({ sandbox: 'my-*' }, mine), hits({ sandbox: 'blue' }, mine), hits({ sandbox: 'my' }, mine)]).toEqual([
    true,
    true,
    false,
  ]);
  expect(hits({ sandbox: '*' }, null)).toBe(false);
});

test('all keys of an entry have to fit', () => {
  const box = labelled('web');
  expect(hits({ contains: 'solve.sh' }, null, 'exec sh /solution/solve.sh')).toBe(true);
  expect(hits({ contains: 'solve.sh', task: 'web' }, box, 'exec sh /solution/solve.sh')).toBe(true);
  expect(hits({ contains: 'solve.sh', task: 'web' }, box, 'exec true')).toBe(false);
  expect(hits({ contains: 'solve.sh', task: 'shop' }, box, 'solve.sh')).toBe(false);
});
