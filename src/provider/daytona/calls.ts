/** One call of the control plane: bounded, abortable, repeated when that can do no harm, and held against what a reply must be. */
import { NetworkError } from '../../exception/errors.js';
import type { AdaptiveLimit } from '../remote/adaptive-limit.js';
import { type Attempt, createCaller } from '../remote/calls.js';
import type { RetryPolicy } from '../remote/retry.js';
import { type DaytonaCall, daytonaError, isRepeatable, statusOf } from './errors.js';
import type { CallOptions, DaytonaClient, SandboxDto, SnapshotDto } from './sdk.js';

export interface Cloud {
  readonly client: DaytonaClient;
  readonly policy: RetryPolicy;
  readonly requestTimeoutMs: number;
  readonly pollMs: number;
  readonly autoStopMinutes: number;
  readonly target: string | null;
  /** Creates under way at once. */
  readonly creates: AdaptiveLimit;
}

const call = createCaller(daytonaError, isRepeatable);

/** @throws the typed error, or the signal's reason */
export async function again<T>(
  cloud: Cloud,
  attempt: Attempt<DaytonaCall>,
  work: (options: CallOptions) => Promise<T>,
): Promise<T> {
  return call(cloud, attempt, () => work({ timeout: cloud.requestTimeoutMs, signal: attempt.signal }));
}

/** Null for what is not there. */
export async function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}

/** Axios hands on a reply that is no JSON as text. @throws NetworkError */
export function asSandbox(data: unknown): SandboxDto {
  const { id, state } = (data ?? {}) as Partial<SandboxDto>;
  if (typeof id === 'string' && typeof state === 'string') return data as SandboxDto;
  throw malformed('a sandbox', data);
}

/** @throws NetworkError */
export function asSnapshot(data: unknown): SnapshotDto {
  const { id, state } = (data ?? {}) as Partial<SnapshotDto>;
  if (typeof id === 'string' && typeof state === 'string') return data as SnapshotDto;
  throw malformed('a snapshot', data);
}

export function malformed(wanted: string, data: unknown): NetworkError {
  const shown = JSON.stringify(data)?.slice(0, 200) ?? 'nothing';
  return new NetworkError(`the reply is not ${wanted}: ${shown}`, { origin: 'provider' });
}
