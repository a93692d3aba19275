/** The client, and calls of it that may be repeated. */
import type { AdaptiveLimit } from '../remote/adaptive-limit.js';
import { createCaller } from '../remote/calls.js';
import type { RetryPolicy } from '../remote/retry.js';
import { e2bError } from './errors.js';
import type { E2bClient } from './sdk.js';

/** What every part of the provider works with. */
export interface Cloud {
  readonly client: E2bClient;
  readonly policy: RetryPolicy;
  /** Milliseconds that a sandbox lives without a sign of ours. */
  readonly lifetimeMs: number;
  /** Creates under way at once. */
  readonly creates: AdaptiveLimit;
}

/** Listing, looking and killing may be repeated, whatever went wrong. */
export const again = createCaller(e2bError, (error) => error.retryable);
