/** The SDK, and lifecycle calls of it that may be repeated. */
import { NetworkError } from '../../exception/errors.js';
import { bounded } from '../bounded.js';
import type { AdaptiveLimit } from '../remote/adaptive-limit.js';
import { type Attempt, createCaller } from '../remote/calls.js';
import type { RetryPolicy } from '../remote/retry.js';
import type { TensorlakeConfig, Tuning } from './config.js';
import { type Doing, mapError } from './errors.js';
import type { LabelStore } from './label-store.js';
import type { Sdk, SdkClient } from './sdk.js';

/** What every part of the provider works with. */
export interface Cloud {
  readonly sdk: Sdk;
  readonly config: TensorlakeConfig;
  readonly store: LabelStore;
  readonly tuning: Tuning;
  readonly policy: RetryPolicy;
  /** Creates under way at once. */
  readonly creates: AdaptiveLimit;
}

/** Milliseconds for which the SDK's own deadline is waited for. */
const SDK_SLACK_MS = 2_000;

/** For work of more than one call. */
export const trying = createCaller(mapError, (error) => error.retryable);

/** @throws the typed error, or the signal's reason */
export async function again<T>(
  cloud: Cloud,
  attempt: Attempt<Doing>,
  work: (client: SdkClient) => Promise<T>,
): Promise<T> {
  return trying(cloud, attempt, () => answered(cloud, attempt.what, work));
}

/** One call, once. The SDK has a deadline of its own; ours is for the day it has not. */
export async function answered<T>(
  { sdk, tuning }: Cloud,
  what: string,
  work: (client: SdkClient) => Promise<T>,
): Promise<T> {
  const ms = tuning.requestSec * 1000 + SDK_SLACK_MS;
  const onExpiry = () => new NetworkError(`${what}: no answer within ${ms} ms`, { origin: 'provider' });
  return bounded({ ms, onExpiry }, () => work(sdk.client(tuning.requestSec)));
}
