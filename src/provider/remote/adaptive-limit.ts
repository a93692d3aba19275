/** How many calls may be under way: halved when the provider says "too many", raised again by one after a run of successes. */
import { ProviderRateLimitError } from '../../exception/errors.js';
import type { ProviderContext } from '../../model/provider.js';

export interface AdaptiveLimit {
  /** Waits for a slot, off the caller's clock. The wait ends with the signal's reason. */
  run<T>(work: () => Promise<T>, ctx?: Partial<ProviderContext>): Promise<T>;
  /** Slots at this moment. */
  readonly limit: number;
}

/** Successes in a row, times the limit, before it rises by one. */
const RAISE_AFTER = 2;

/** @param most slots at the start and at most */
export function createAdaptiveLimit(most: number): AdaptiveLimit {
  let limit = most;
  let running = 0;
  let successes = 0;
  const queue: (() => void)[] = [];
  const next = () => {
    while (running < limit) {
      const start = queue.shift();
      if (start === undefined) return;
      running += 1;
      start();
    }
  };
  const wait = (signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      signal?.throwIfAborted();
      const onAbort = () => {
        const at = queue.indexOf(start);
        if (at >= 0) queue.splice(at, 1);
        reject(signal?.reason);
      };
      const start = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.push(start);
      next();
    });
  return {
    get limit() {
      return limit;
    },
    async run(work, { signal, onEvent, queued } = {}) {
      const waiting = wait(signal);
      if (queue.length > 0) {
        onEvent?.('waiting for its turn');
        await (queued?.(waiting) ?? waiting);
        onEvent?.('creating');
      }
      await waiting;
      try {
        const result = await work();
        successes += 1;
        if (limit < most && successes >= limit * RAISE_AFTER) {
          limit += 1;
          successes = 0;
        }
        return result;
      } catch (error) {
        if (error instanceof ProviderRateLimitError) {
          limit = Math.max(1, Math.floor(limit / 2));
          successes = 0;
        }
        throw error;
      } finally {
        running -= 1;
        next();
      }
    },
  };
}
