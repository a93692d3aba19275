import { expect, test } from 'vitest';
import { once } from './once.js';

test('all who ask share one piece of work; after a failure the next one tries again', async () => {
  let calls = 0;
  const load = once(async () => {
    calls += 1;
    if (calls === 1) throw new Error('the proxy did not answer');
    return calls;
  });
  const first = await Promise.allSettled([load(), load()]);
  expect([first.map(({ status }) => status), calls]).toEqual([['rejected', 'rejected'], 1]);
  expect(await Promise.all([load(), load()])).toEqual([2, 2]);
  expect(await load()).toBe(2);
});
