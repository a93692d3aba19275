/**
 * How many creates may be under way: halved when the provider says "too many at once", raised again by one after a run of successes.
 * Where the account is full, a create waits until a sandbox of ours has gone.
 */
import { type PlumblineError, ProviderQuotaError, ProviderRateLimitError } from '../../exception/errors.js';
import type { ProviderContext, SandboxSpec } from '../../model/provider.js';
import { sleep } from '../../util/deadline.js';

export interface AdaptiveLimit {
  /**
   * Waits for a slot, and for room in the account, off the caller's clock. The wait ends with the signal's reason.
   * @param holder what `work` creates: it holds room in the account until `gone`
   */
  run<T>(holder: Holder, work: () => Promise<T>, ctx?: Partial<ProviderContext>): Promise<T>;
  /** What bears this name takes no room any more; said of something that never did, it changes nothing. */
  gone(name: string): void;
  /** Slots at this moment. */
  readonly limit: number;
}

export interface Holder {
  readonly name: string;
  /** Its trial: nobody waits for what belongs to the same one, which may stay until after that wait. */
  readonly trial: string;
}

/** A sandbox as a holder of room. */
export function holderOf({ name, labels }: Pick<SandboxSpec, 'name' | 'labels'>): Holder {
  return { name, trial: labels['trial'] ?? name };
}

/** For `mayRetry` of a create: room in a full account has been waited for already, and its refusal stands. */
export function unlessFull(mayRetry: (error: PlumblineError) => boolean): (error: PlumblineError) => boolean {
  return (error) => error.type !== 'ProviderQuotaError' && mayRetry(error);
}

export interface RoomWait {
  /** Milliseconds after which a full account is asked again although nothing of ours has gone: others use it too. */
  readonly askAgainMs: number;
  /** Milliseconds in all, after which the refusal stands. */
  readonly longestMs: number;
}

const ROOM_WAIT: RoomWait = { askAgainMs: 30_000, longestMs: 60 * 60_000 };
/** Successes in a row, times the limit, before it rises by one. */
const RAISE_AFTER = 2;

/** @param most slots at the start and at most */
export function createAdaptiveLimit(most: number, room: RoomWait = ROOM_WAIT): AdaptiveLimit {
  let limit = most;
  let running = 0;
  let successes = 0;
  const queue: (() => void)[] = [];
  const holding = new Map<string, string>();
  const leaving = createBell();

  const next = () => {
    while (running < limit) {
      const start = queue.shift();
      if (start === undefined) return;
      running += 1;
      start();
    }
  };
  const slot = (signal: AbortSignal | undefined) =>
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

  const once = async <T>(work: () => Promise<T>, { signal, onEvent, queued }: Partial<ProviderContext>): Promise<T> => {
    const waiting = slot(signal);
    if (queue.length > 0) {
      onEvent?.('waiting for its turn');
      await (queued?.(waiting) ?? waiting);
    }
    await waiting;
    onEvent?.('creating');
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
  };

  return {
    get limit() {
      return limit;
    },
    async run({ name, trial }, work, ctx = {}) {
      const ends = performance.now() + room.longestMs;
      for (;;) {
        const rung = leaving.count;
        try {
          const result = await once(work, ctx);
          holding.set(name, trial);
          return result;
        } catch (error) {
          const full = error instanceof ProviderQuotaError && error.retryable && performance.now() < ends;
          const others = [...holding.values()].filter((holder) => holder !== trial).length;
          // nothing is there to wait for: it is the request, or somebody else's sandboxes
          if (!full || (others === 0 && leaving.count === rung)) throw error;
          ctx.onEvent?.(`the account is full: waiting until one of ${others} other sandboxes of ours has gone`);
          const waiting = leaving.after(rung, room.askAgainMs, ctx.signal);
          await (ctx.queued?.(waiting) ?? waiting);
        }
      }
    },
    gone(name) {
      if (holding.delete(name)) leaving.ring();
    },
  };
}

/** Wakes whoever waits; one who comes late learns that it has rung meanwhile. */
function createBell() {
  let count = 0;
  const sleepers = new Set<AbortController>();
  return {
    get count() {
      return count;
    },
    ring() {
      count += 1;
      for (const sleeper of sleepers) sleeper.abort();
    },
    /** Resolves when it has rung more often than `seen`, or after `ms`. @throws the signal's reason */
    async after(seen: number, ms: number, signal: AbortSignal | undefined): Promise<void> {
      if (count > seen) return;
      const woken = new AbortController();
      sleepers.add(woken);
      try {
        await sleep(ms, signal === undefined ? woken.signal : AbortSignal.any([woken.signal, signal]));
      } catch {
        signal?.throwIfAborted(); // otherwise it was the bell
      } finally {
        sleepers.delete(woken);
      }
    },
  };
}
