/** The client, the app, and calls that may be repeated. */
import { NetworkError } from '../../exception/errors.js';
import { bounded } from '../bounded.js';
import type { AdaptiveLimit } from '../remote/adaptive-limit.js';
import { createCaller } from '../remote/calls.js';
import type { RetryPolicy } from '../remote/retry.js';
import { isRepeatable, modalError } from './errors.js';
import type { ModalApp, ModalClient } from './sdk.js';

/** What every part of the provider works with. */
export interface Cloud {
  readonly client: ModalClient;
  readonly app: ModalApp;
  readonly policy: RetryPolicy;
  /** Milliseconds for one call. */
  readonly requestTimeoutMs: number;
  /** Milliseconds that a sandbox lives without a sign of ours. */
  readonly idleMs: number;
  /** Creates under way at once. */
  readonly creates: AdaptiveLimit;
}

/** The SDK has tried four times already, within a second: these tries outlast an outage. */
export const again = createCaller(modalError, isRepeatable);

/** Nothing was refused and nothing broke: there was no answer within our limit. */
class NoAnswer extends NetworkError {}

/**
 * For calls that the SDK does not limit. At the limit, or at an abort, they are told so by their signal, where they take one, and left
 * to themselves.
 */
export async function limited<T>(
  ms: number,
  what: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const onExpiry = () => new NoAnswer(`${what}: no answer in ${ms / 1000} s`, { origin: 'provider' });
  return await bounded({ ms, onExpiry, signal }, work);
}

/** Whether the call ended because of the limit of `limited`. */
export function isNoAnswer(error: unknown): boolean {
  return error instanceof NoAnswer;
}
