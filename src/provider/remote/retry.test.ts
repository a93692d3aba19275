import { describe, expect, test } from 'vitest';
import { NetworkError, ProviderAuthError } from '../../exception/errors.js';
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
