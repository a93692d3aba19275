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
import { errorMessage } from '../../util/cause-chain.js';

/** What was being done: the same status means different things to a create and to a running command. */
export type E2bCall = 'create' | 'control' | 'exec' | 'files';

/**
 * The exception for a failed call. An abort of the caller must be handled before: here it would look like a broken connection.
 */
export function e2bError(error: unknown, call: E2bCall, what: string): PlumblineError {
  if (error instanceof PlumblineError) return error;
  const name = error instanceof Error ? error.name : '';
  const status = statusOf(error);
  const message = `${what}: ${errorMessage(error)}`;
  const details: ErrorDetails = { cause: error };
  if (name === 'AuthenticationError' || status === 401 || status === 403 || /\[permission_denied\]/.test(message)) {
    return new ProviderAuthError(message, details);
  }
  if (status === 402) return new ProviderQuotaError(message, { ...details, retryable: false });
  if (name === 'RateLimitError' || status === 429) {
    // The limit on running sandboxes is a 429 too; only its words tell (openapi "maximum number of concurrent").
    return /maximum number of concurrent/i.test(message)
      ? new ProviderQuotaError(message, details)
      : new ProviderRateLimitError(message, details);
  }
  if (name === 'NotEnoughSpaceError') return new DiskFullError(message, details);
  if (isOutOfTime(error, name)) return new NetworkError(message, { ...details, origin: 'provider' });
  if (call !== 'create' && status !== null && status >= 500 && !isDead(name, message)) {
    return new NetworkError(message, { ...details, origin: 'provider' });
  }
  if (isConnectionFailure(error, name)) return new NetworkError(message, details);
  switch (call) {
    case 'create':
      return createError(name, status, message, details);
    case 'control':
      return status === 404 || name === 'SandboxNotFoundError'
        ? new SandboxLostError(message, details)
        : new SandboxCreateError(message, { ...details, retryable: false });
    case 'files':
      if (isDead(name, message)) return new SandboxLostError(message, details);
      return new TransferError(message, { ...details, retryable: !isFinal(name) });
    case 'exec':
      if (isDead(name, message)) return new SandboxLostError(message, details);
      return new ExecError(message, { ...details, retryable: !isFinal(name) });
  }
}

/** Of the answer, which the SDK keeps in a field, in its words (`404: …`), or behind Connect's (`[unknown] HTTP 500`); else null. */
export function statusOf(error: unknown): number | null {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  if (typeof statusCode === 'number') return statusCode;
  const written = error instanceof Error ? /^(\d{3}): |\bHTTP (\d{3})$/.exec(error.message) : null;
  return written === null ? null : Number(written[1] ?? written[2]);
}

/** A template that is gone or too old, or a request that is refused, by the API or the SDK, will be refused again. */
function createError(name: string, status: number | null, message: string, details: ErrorDetails): PlumblineError {
  const final = isFinal(name) || name === 'TemplateError' || (status !== null && status < 500);
  return new SandboxCreateError(message, { ...details, retryable: !final });
}

function isFinal(name: string): boolean {
  return name === 'FileNotFoundError' || name === 'InvalidArgumentError';
}

/**
 * 502 and `unavailable` are E2B's proxy saying that there is no such sandbox; a 429 comes out the same way. Or the SDK has asked the
 * sandbox's /health, and says itself that it is gone (e2b src/envd/rpc.ts).
 */
function isDead(name: string, message: string): boolean {
  if (name === 'SandboxNotFoundError') return true;
  return name === 'TimeoutError' && /likely due to sandbox timeout|was killed or reached its end of life/.test(message);
}

/** No answer within our limit for one; the limit of a command, `[deadline_exceeded]`, is not that. */
function isOutOfTime(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || name !== 'TimeoutError') return false;
  return !isDead(name, error.message) && !/\[deadline_exceeded\]/.test(error.message);
}

/** Undici's own errors, a reply that is no JSON or none of ours, a stream that was cut. */
function isConnectionFailure(error: unknown, name: string): boolean {
  if (!(error instanceof Error)) return false;
  if (name === 'TypeError' && /fetch failed|terminated/.test(error.message)) return true;
  if (name === 'SyntaxError' || name === 'AbortError') return true;
  if (
    name === 'SandboxError' &&
    /\[unknown\]|\[internal\]|\[aborted\]|Process exited without a result/.test(error.message)
  )
    return true;
  return /Expected (start event|to receive information)|Response data is missing/.test(error.message);
}

/** The call certainly had no effect, and another one may: it cannot make a second sandbox. */
export function hadNoEffect(error: PlumblineError): boolean {
  if (error.type === 'ProviderRateLimitError') return true;
  if (error.type === 'ProviderQuotaError') return error.retryable;
  return (
    error.type === 'NetworkError' &&
    /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/.test(String((error.details.cause as Error | undefined)?.cause))
  );
}
