/** Trying again what cannot run twice, with pauses that grow and never fall into step with others'. */
import { PlumblineError } from '../../exception/errors.js';
import type { ProviderContext } from '../../model/provider.js';
import { sleep } from '../../util/deadline.js';

export interface RetryPolicy {
  /** Tries in all. */
  readonly tries: number;
  /** Milliseconds of the first pause at most; each further one may be twice as long. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** A value of [0, 1); tests inject theirs. */
  readonly random?: () => number;
}

export const DEFAULT_POLICY: RetryPolicy = { tries: 6, firstPauseMs: 500, longestPauseMs: 20_000 };

export interface Retry {
  /** For a person, and for counting: the same words each time ("create", "look at the sandbox"). */
  readonly what: string;
  readonly policy: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
  /** Whether the failed try had provably no effect, or has one that a second try only repeats. */
  readonly mayRetry: (error: PlumblineError) => boolean;
  readonly onEvent?: ProviderContext['onEvent'] | undefined;
  /** Waits off the caller's clock where the provider asks to wait. */
  readonly queued?: ProviderContext['queued'] | undefined;
}

/**
 * Resolves with the first try that succeeds. `retryAfterMs` of the error is obeyed when it is longer than our own pause.
 * @throws the last error, or the signal's reason
 */
export async function retrying<T>(retry: Retry, work: (attempt: number) => Promise<T>): Promise<T> {
  const { policy, signal } = retry;
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      signal?.throwIfAborted();
      const last = attempt >= policy.tries;
      if (last || !(error instanceof PlumblineError) || !retry.mayRetry(error)) throw error;
      const pause = pauseOf(policy, attempt, error.details.retryAfterMs);
      sayAgain(retry.onEvent, retry.what, error, pause, attempt + 1);
      const resting = sleep(pause, signal);
      await (error.type === 'ProviderRateLimitError' && retry.queued ? retry.queued(resting) : resting);
    }
  }
}

/** Tells that something failed and is done once more after a pause of so many milliseconds. */
export function sayAgain(
  onEvent: ProviderContext['onEvent'] | undefined,
  what: string,
  { type }: PlumblineError,
  pauseMs: number,
  attempt: number,
): void {
  onEvent?.(`${what}: ${type}, again in ${(pauseMs / 1000).toFixed(1)} s (try ${attempt})`, { what, after: type });
}

/** Full jitter between half of the ceiling and all of it, so that the pause is never next to nothing. */
export function pauseOf(policy: RetryPolicy, attempt: number, retryAfterMs: number | undefined): number {
  const ceiling = Math.min(policy.longestPauseMs, policy.firstPauseMs * 2 ** (attempt - 1));
  const own = ceiling * (0.5 + (policy.random ?? Math.random)() / 2);
  return Math.max(own, retryAfterMs ?? 0);
}
