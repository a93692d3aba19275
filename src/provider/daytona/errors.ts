/**
 * What the SDK throws, as our exceptions. Classes are told apart by name and status, not by `instanceof`: the SDK is loaded only
 * when it is used. Each case stands with a captured message in errors.test.ts.
 */
import {
  DiskFullError,
  type ErrorDetails,
  ExecError,
  NetworkError,
  PlumblineError,
  ProviderAuthError,
  ProviderQuotaError,
  ProviderRateLimitError,
  SandboxCreateError,
  SandboxLostError,
  TransferError,
} from '../../exception/errors.js';
import { retryAfterMs } from '../../image/registry/errors.js';
import { errorMessage } from '../../util/cause-chain.js';

/** What was being done: the same status means different things to a create and to a running command. */
export type DaytonaCall = 'create' | 'image' | 'control' | 'storage' | 'exec' | 'files';

/**
 * The exception for a failed call. An abort of the caller must be handled before: here it would look like a broken connection.
 */
export function daytonaError(error: unknown, call: DaytonaCall, what: string): PlumblineError {
  if (error instanceof PlumblineError) return error;
  const name = error instanceof Error ? error.name : '';
  const status = statusOf(error);
  const message = `${what}: ${errorMessage(error)}`;
  const details: ErrorDetails = { cause: error };
  if (status === 401 || name === 'DaytonaAuthenticationError') return new ProviderAuthError(message, details);
  if (status === 402) return new ProviderQuotaError(message, { ...details, retryable: false });
  if (status === 429) {
    const wait = askedToWait(error);
    return new ProviderRateLimitError(message, { ...details, ...(wait === null ? {} : { retryAfterMs: wait }) });
  }
  // Quotas of the organisation are a 400; only the words tell (server v0.190, "Total CPU limit exceeded. Maximum allowed: 10").
  if (status === 400 && /total \w+ limit exceeded|limit exceeded\. Maximum allowed/i.test(message)) {
    return new ProviderQuotaError(message, details);
  }
  if (call === 'storage' && !name.startsWith('Daytona')) return storageError(name, message, details);
  if (name === 'DaytonaConnectionTimeoutError') return new NetworkError(message, { ...details, origin: 'provider' });
  if (isConnectionFailure(name, status)) return new NetworkError(message, details);
  if (/no space left on device/i.test(message)) return new DiskFullError(message, details);
  if (call === 'files' && isOfDaemon(error)) {
    // a file that is not there, or not to be had, is the same at the next try
    return new TransferError(message, { ...details, retryable: name === 'DaytonaFileReadFailedError' });
  }
  if (status !== null && status >= 500) {
    if (call === 'create') return new SandboxCreateError(message, details);
    return new NetworkError(message, { ...details, origin: 'provider' });
  }
  if (status === 403) return new ProviderAuthError(message, details);
  return byCall(call, status, message, details);
}

function byCall(call: DaytonaCall, status: number | null, message: string, details: ErrorDetails): PlumblineError {
  switch (call) {
    case 'create':
    case 'image':
    case 'storage':
      return new SandboxCreateError(message, { ...details, retryable: false });
    case 'control':
      return status === 404 || status === 410
        ? new SandboxLostError(message, details)
        : new SandboxCreateError(message, { ...details, retryable: false });
    // whoever answered, the daemon or the proxy in front of a sandbox that cannot be reached, it may pass
    case 'files':
      return new TransferError(message, details);
    case 'exec':
      return new ExecError(message, details);
  }
}

/** Of a file: the daemon's own envelope of one, or its list of what went wrong with each. Anybody else's 404 is the sandbox. */
function isOfDaemon(error: unknown): boolean {
  const { code, source } = error as { code?: unknown; source?: unknown };
  if (source === 'DAYTONA_DAEMON') return /FILE/.test(String(code));
  return error instanceof Error && error.message.startsWith('{"errors":');
}

/** Of the context upload's own client: its credentials are fetched anew for each try, so one that expired is none to give up at. */
function storageError(name: string, message: string, details: ErrorDetails): PlumblineError {
  if (['AccessDenied', 'InvalidAccessKeyId', 'SignatureDoesNotMatch'].includes(name)) {
    return new ProviderAuthError(message, details);
  }
  if (name === 'SlowDown') return new ProviderRateLimitError(message, details); // S3's 429 is a 503
  return new NetworkError(message, { ...details, origin: 'provider' });
}

/** Of the reply; null where there was none. */
export function statusOf(error: unknown): number | null {
  const { statusCode, $metadata } = (error ?? {}) as {
    statusCode?: unknown;
    $metadata?: { httpStatusCode?: unknown };
  };
  const status = statusCode ?? $metadata?.httpStatusCode;
  return typeof status === 'number' ? status : null;
}

/** No reply, half of one, or one that is no JSON. */
function isConnectionFailure(name: string, status: number | null): boolean {
  if (status === 200) return true; // "stream has been aborted": the reply began well and broke off
  if (name === 'DaytonaConnectionError' || (name === 'DaytonaTimeoutError' && status === null)) return true;
  return ['TimeoutError', 'TypeError', 'SyntaxError', 'AbortError'].includes(name);
}

/** Milliseconds; Daytona adds the name of the limit to the header's. Null where none is said. */
function askedToWait(error: unknown): number | null {
  const headers = (error as { headers?: unknown } | null)?.headers;
  if (typeof headers !== 'object' || headers === null) return null;
  for (const [name, value] of Object.entries(headers)) {
    if (!/^retry-after(-|$)/i.test(name)) continue;
    const wait = retryAfterMs(new Headers({ 'retry-after': String(value) }), Date.now());
    if (wait !== null && wait > 0) return wait;
  }
  return null;
}

/** Looking, deleting, starting over under the same unique name: what may be done twice. */
export function isRepeatable(error: PlumblineError): boolean {
  const passing = ['NetworkError', 'ProviderRateLimitError', 'ProviderQuotaError', 'SandboxCreateError'];
  return error.retryable && passing.includes(error.type);
}
