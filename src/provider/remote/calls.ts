/** One call of an SDK: repeated where that can do no harm, its failure in our words. Each provider makes its own of it. */
import type { PlumblineError } from '../../exception/errors.js';
import { type Retry, type RetryPolicy, retrying } from './retry.js';

export interface Attempt<Call> extends Omit<Retry, 'policy' | 'mayRetry'> {
  /** What kind of call it is: decides what an answer means. */
  readonly call: Call;
  /** Which one it is about: only the messages of errors name it. */
  readonly of?: string;
  /** Absent: what the provider counts as repeatable. */
  readonly mayRetry?: Retry['mayRetry'];
}

export type Caller<Call> = <T>(
  cloud: { readonly policy: RetryPolicy },
  attempt: Attempt<Call>,
  work: (attempt: number) => Promise<T>,
) => Promise<T>;

/** A caller throws the typed error of the last try, or the signal's reason. */
export function createCaller<Call>(
  mapError: (error: unknown, call: Call, what: string) => PlumblineError,
  isRepeatable: (error: PlumblineError) => boolean,
): Caller<Call> {
  return ({ policy }, { call, of, mayRetry = isRepeatable, ...retry }, work) =>
    retrying({ ...retry, policy, mayRetry }, async (attempt) => {
      try {
        return await work(attempt);
      } catch (error) {
        retry.signal?.throwIfAborted();
        throw mapError(error, call, of === undefined ? retry.what : `${retry.what} ${of}`);
      }
    });
}
