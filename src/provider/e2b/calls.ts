/** The client, and calls of it that may be repeated. */
import { NetworkError } from '../../exception/errors.js';
import { bounded } from '../bounded.js';
import type { AdaptiveLimit } from '../remote/adaptive-limit.js';
import { createCaller } from '../remote/calls.js';
import type { RetryPolicy } from '../remote/retry.js';
import { e2bError } from './errors.js';
import type { E2bClient } from './sdk.js';

/** What every part of the provider works with. */
export interface Cloud {
  readonly client: E2bClient;
  readonly policy: RetryPolicy;
  /** Milliseconds for one request of the control plane. */
  readonly requestTimeoutMs: number;
  /** Milliseconds that a sandbox lives without a sign of ours. */
  readonly lifetimeMs: number;
  /** Creates under way at once. */
  readonly creates: AdaptiveLimit;
}

/** Listing, looking and killing may be repeated, whatever went wrong. */
export const again = createCaller(e2bError, (error) => error.retryable);

/** Milliseconds after the SDK's own limit. */
const SLACK_MS = 1_000;

/**
 * The SDK joins its own limit with other signals by `AbortSignal.any`, and Node 20 forgets a limit that nothing else holds on to: such a
 * call can hang for ever. This limit is ours.
 */
export async function limited<T>(
  { requestTimeoutMs }: Cloud,
  what: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const seconds = requestTimeoutMs / 1000;
  const onExpiry = () => new NetworkError(`${what}: no answer in ${seconds} s`, { origin: 'provider' });
  return await bounded({ ms: requestTimeoutMs + SLACK_MS, onExpiry, signal }, work);
}
