import { describe, expect, test } from 'vitest';
import { NetworkError, ProviderAuthError, ProviderRateLimitError } from '../../exception/errors.js';
import { createAdaptiveLimit } from './adaptive-limit.js';
import { pauseOf, retrying } from './retry.js';

const POLICY = { tries: 4, firstPauseMs: 1, longestPauseMs: 4, random: () => 0.5 };
const always = () => true;

describe('retrying', () => {
  test('tries again until it works, and says so', async () => {
    const events: string[] = [];
    let calls = 0;
    const result = await retrying(
      { what: 'list', policy: POLICY, mayRetry: always, onEvent: (e) => events.push(e) },
      async () => {
        calls += 1;
        if (calls < 3) throw new NetworkError('reset');
        return 'done';
      },
    );
    expect([result, calls]).toEqual(['done', 3]);
    expect(events).toEqual([
      'list: NetworkError, again in 0.0 s (try 2)',
      'list: NetworkError, again in 0.0 s (try 3)',
    ]);
  });

  test('gives up after the last try with the last error', async () => {
    let calls = 0;
    const work = retrying({ what: 'x', policy: POLICY, mayRetry: always }, async () => {
      calls += 1;
      throw new NetworkError(`reset ${calls}`);
    });
    await expect(work).rejects.toThrow('reset 4');
  });

  test('leaves alone what may not run twice, and errors that are not ours', async () => {
    let calls = 0;
    const count = async (error: Error) => {
      calls += 1;
      throw error;
    };
    const mayRetry = (error: { retryable: boolean }) => error.retryable;
    await expect(
      retrying({ what: 'x', policy: POLICY, mayRetry }, () => count(new ProviderAuthError('no'))),
    ).rejects.toThrow('no');
    await expect(
      retrying({ what: 'x', policy: POLICY, mayRetry: always }, () => count(new TypeError('bug'))),
    ).rejects.toThrow('bug');
    expect(calls).toBe(2);
  });

  test('an abort ends the pause with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('given up');
    const policy = { ...POLICY, firstPauseMs: 60_000, longestPauseMs: 60_000 };
    const work = retrying(
      { what: 'x', policy, mayRetry: always, signal: controller.signal, onEvent: () => controller.abort(reason) },
      async () => {
        throw new NetworkError('reset');
      },
    );
    await expect(work).rejects.toBe(reason);
  });

  test('pauses grow to their ceiling, and Retry-After is obeyed', () => {
    const policy = { tries: 9, firstPauseMs: 100, longestPauseMs: 1000, random: () => 0 };
    expect([1, 2, 3, 4, 5, 6].map((attempt) => pauseOf(policy, attempt, undefined))).toEqual([
      50, 100, 200, 400, 500, 500,
    ]);
    expect(pauseOf(policy, 1, 7000)).toBe(7000);
    expect(pauseOf({ ...policy, random: () => 0.999 }, 1, undefined)).toBeLessThanOrEqual(100);
  });
});

describe('adaptive limit', () => {
  test('halves at a rate limit, rises again after successes, never goes below one', async () => {
    const limit = createAdaptiveLimit(8);
    const refuse = () =>
      limit.run(async () => {
        throw new ProviderRateLimitError('429');
      });
    await expect(refuse()).rejects.toThrow('429');
    expect(limit.limit).toBe(4);
    for (let i = 0; i < 4; i += 1) await refuse().catch(() => undefined);
    expect(limit.limit).toBe(1);
    for (let i = 0; i < 2; i += 1) await limit.run(async () => undefined);
    expect(limit.limit).toBe(2);
  });

  test('runs no more than the limit at once, in order', async () => {
    const limit = createAdaptiveLimit(2);
    let running = 0;
    let most = 0;
    const order: number[] = [];
    await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        limit.run(async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise(setImmediate);
          order.push(n);
          running -= 1;
        }),
      ),
    );
    expect([most, order]).toEqual([2, [1, 2, 3, 4, 5]]);
  });

  test('waits off the clock of a caller that has one, and says so; a free slot is no wait', async () => {
    const limit = createAdaptiveLimit(1);
    const seen: string[] = [];
    const ctx = (name: string) => ({
      onEvent: (state: string) => seen.push(`${name}: ${state}`),
      async queued<T>(wait: Promise<T>) {
        seen.push(`${name}: clock stopped`);
        const result = await wait;
        seen.push(`${name}: clock runs`);
        return result;
      },
    });
    const run = (name: string) => limit.run(async () => seen.push(`${name}: work`), ctx(name));
    await Promise.all([run('first'), run('second')]);
    expect(seen.filter((line) => line.startsWith('first'))).toEqual(['first: work']);
    expect(seen.filter((line) => line.startsWith('second'))).toEqual([
      'second: waiting for its turn',
      'second: clock stopped',
      'second: clock runs',
      'second: creating',
      'second: work',
    ]);
  });

  test('a waiter that gives up frees its place', async () => {
    const limit = createAdaptiveLimit(1);
    let release = () => {};
    const first = limit.run(
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    const controller = new AbortController();
    const second = limit.run(async () => 'never', { signal: controller.signal });
    const third = limit.run(async () => 'third');
    controller.abort(new Error('left'));
    await expect(second).rejects.toThrow('left');
    release();
    await first;
    expect(await third).toBe('third');
  });
});
