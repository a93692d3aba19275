import { describe, expect, test, vi } from 'vitest';
import { ProviderQuotaError, ProviderRateLimitError } from '../../exception/errors.js';
import { createAdaptiveLimit } from './adaptive-limit.js';

const of = (name: string, trial = name) => ({ name, trial });

describe('adaptive limit', () => {
  test('halves at a rate limit, rises again after successes, never goes below one', async () => {
    const limit = createAdaptiveLimit(8);
    const refuse = () =>
      limit.run(of('x'), async () => {
        throw new ProviderRateLimitError('429');
      });
    await expect(refuse()).rejects.toThrow('429');
    expect(limit.limit).toBe(4);
    for (let i = 0; i < 4; i += 1) await refuse().catch(() => undefined);
    expect(limit.limit).toBe(1);
    for (let i = 0; i < 2; i += 1) await limit.run(of('x'), async () => undefined);
    expect(limit.limit).toBe(2);
  });

  test('runs no more than the limit at once, in order', async () => {
    const limit = createAdaptiveLimit(2);
    let running = 0;
    let most = 0;
    const order: number[] = [];
    await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        limit.run(of('x'), async () => {
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
    const run = (name: string) => limit.run(of('x'), async () => seen.push(`${name}: work`), ctx(name));
    await Promise.all([run('first'), run('second')]);
    expect(seen.filter((line) => line.startsWith('first'))).toEqual(['first: creating', 'first: work']);
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
      of('x'),
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    const controller = new AbortController();
    const second = limit.run(of('x'), async () => 'never', { signal: controller.signal });
    const third = limit.run(of('x'), async () => 'third');
    controller.abort(new Error('left'));
    await expect(second).rejects.toThrow('left');
    release();
    await first;
    expect(await third).toBe('third');
  });

  describe('in a full account', () => {
    const SOON = { askAgainMs: 60_000, longestMs: 60_000 };

    /** An account with room for `most`. */
    function account(most: number) {
      const inside = new Set<string>();
      let asked = 0;
      const create = (name: string) => async () => {
        asked += 1;
        if (inside.size >= most) throw new ProviderQuotaError('limit of 1 sandboxes');
        inside.add(name);
        return name;
      };
      return { create, inside, asked: () => asked };
    }

    test('a create waits until a sandbox of ours has gone, off the clock', async () => {
      const limit = createAdaptiveLimit(4, SOON);
      const { create, inside, asked } = account(1);
      const events: string[] = [];
      let stopped = 0;
      const ctx = {
        onEvent: (state: string) => events.push(state),
        async queued<T>(wait: Promise<T>) {
          stopped += 1;
          return wait;
        },
      };
      await limit.run(of('a'), create('a'));
      const second = limit.run(of('b'), create('b'), ctx);
      await vi.waitFor(() =>
        expect(events).toContain('the account is full: waiting until one of 1 other sandboxes of ours has gone'),
      );
      limit.gone('never-was');
      expect(asked()).toBe(2);
      inside.delete('a');
      limit.gone('a');
      expect(await second).toBe('b');
      expect([asked(), stopped]).toEqual([3, 1]);
    });

    test('one that went between the question and the answer is not waited for', async () => {
      const limit = createAdaptiveLimit(4, SOON);
      const { create, inside } = account(1);
      await limit.run(of('a'), create('a'));
      const work = async () => {
        const answer = create('b');
        return answer().finally(() => {
          inside.delete('a');
          limit.gone('a');
        });
      };
      expect(await limit.run(of('b'), work)).toBe('b'); // asked again at once: nothing will ring any more
    });

    test('without a sandbox of ours the refusal stands, and so it does after the longest wait', async () => {
      const { create, inside } = account(1);
      inside.add('somebody else');
      await expect(createAdaptiveLimit(4, SOON).run(of('b'), create('b'))).rejects.toThrow(ProviderQuotaError);
      const impatient = createAdaptiveLimit(4, { askAgainMs: 5, longestMs: 40 });
      await impatient.run(of('a'), async () => 'a');
      await expect(impatient.run(of('b'), create('b'))).rejects.toThrow(ProviderQuotaError);
    });

    test('a trial does not wait for its own sandbox, nor anybody for an account that does not pay', async () => {
      const limit = createAdaptiveLimit(4, SOON);
      const { create } = account(1);
      await limit.run(of('main', 'trial-1'), create('main'));
      await expect(limit.run(of('verifier', 'trial-1'), create('verifier'))).rejects.toThrow(ProviderQuotaError);
      const unpaid = async () => {
        throw new ProviderQuotaError('402', { retryable: false });
      };
      await expect(limit.run(of('other'), unpaid)).rejects.toThrow('402');
    });

    test('an abort ends the wait', async () => {
      const limit = createAdaptiveLimit(4, SOON);
      const { create } = account(1);
      await limit.run(of('a'), create('a'));
      const controller = new AbortController();
      const waiting = limit.run(of('b'), create('b'), {
        signal: controller.signal,
        onEvent: (state) => {
          if (state.startsWith('the account')) queueMicrotask(() => controller.abort(new Error('left')));
        },
      });
      await expect(waiting).rejects.toThrow('left');
    });
  });
});
