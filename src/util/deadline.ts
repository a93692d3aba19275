/** Bounds on waiting. Every wait of the harness has a limit, a signal, and an error of the caller's choice. */

/** Waits for something while the limit's clock stands still. */
export type OffTheClock = <T>(wait: Promise<T>) => Promise<T>;

/**
 * Resolves with `work`, or rejects with `onExpiry()` after `ms`. The work itself is told through the signal and is not
 * waited for, so it must clean up after itself. Null means no limit.
 */
export async function withDeadline<T>(
  ms: number | null,
  work: (signal: AbortSignal, offTheClock: OffTheClock) => Promise<T>,
  onExpiry: () => Error,
  parent?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const forward = () => controller.abort(parent?.reason);
  if (parent?.aborted) forward();
  parent?.addEventListener('abort', forward, { once: true });
  let expire = () => {};
  const expiry = new Promise<never>((_, reject) => {
    expire = () => {
      const error = onExpiry();
      // Before the abort: work that rejects at once when it is aborted must not win the race with its own error.
      reject(error);
      controller.abort(error);
    };
  });
  const clock = startClock(ms, () => expire());
  try {
    const running = work(controller.signal, clock.standingStill);
    if (ms === null || !Number.isFinite(ms)) return await running;
    running.catch(() => undefined); // after expiry nobody awaits it; its failure must not become an unhandled rejection
    return await Promise.race([running, expiry]);
  } finally {
    clock.stop();
    parent?.removeEventListener('abort', forward);
  }
}

/** Runs for `ms`, not counting what `standingStill` waits for; waits that overlap count once. */
function startClock(ms: number | null, onEnd: () => void): { standingStill: OffTheClock; stop(): void } {
  let left = ms === null || !Number.isFinite(ms) ? null : ms;
  let waits = 0;
  let since = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const run = () => {
    if (left === null || stopped) return;
    since = performance.now();
    timer = setTimeout(onEnd, clampTimer(left));
  };
  const pause = () => {
    clearTimeout(timer);
    if (left !== null) left -= performance.now() - since;
  };
  run();
  return {
    async standingStill(wait) {
      waits += 1;
      if (waits === 1) pause();
      try {
        return await wait;
      } finally {
        waits -= 1;
        if (waits === 0) run();
      }
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** setTimeout fires at once above 2^31-1 ms (24.8 days) and for NaN. */
export function clampTimer(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), 2 ** 31 - 1);
}

/** Sleeps, or rejects with the signal's reason as soon as it aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, clampTimer(ms));
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
