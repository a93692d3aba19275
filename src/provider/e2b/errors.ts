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
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  const message = `${what}: ${errorMessage(error)}`;
  const details: ErrorDetails = { cause: error };
  if (name === 'AuthenticationError') return new ProviderAuthError(message, details);
  if (name === 'RateLimitError' || status === 429) {
    // The limit on running sandboxes is a 429 too; only its words tell (openapi "maximum number of concurrent").
    return /maximum number of concurrent/i.test(message)
      ? new ProviderQuotaError(message, details)
      : new ProviderRateLimitError(message, details);
  }
  if (name === 'ServiceBusyError') return new ProviderQuotaError(message, details);
  if (name === 'NotEnoughSpaceError') return new DiskFullError(message, details);
  if (isConnectionFailure(error, name)) return new NetworkError(message, details);
  if (call === 'create') return createError(status, message, details);
  if (call === 'control')
    return status === 404 || name === 'SandboxNotFoundError'
      ? new SandboxLostError(message, details)
      : controlError(status, message, details);
  // The SDK has asked the sandbox's /health: this one says that it is gone (e2b src/envd/rpc.ts).
  if (name === 'TimeoutError' && /was killed or reached its end of life/.test(message))
    return new SandboxLostError(message, details);
  // 502 and `unavailable` are E2B's proxy saying that there is no such sandbox; a 429 comes out the same way.
  if (name === 'SandboxNotFoundError' || (name === 'TimeoutError' && /likely due to sandbox timeout/.test(message))) {
    return new SandboxLostError(message, details);
  }
  if (call === 'files')
    return new TransferError(message, {
      ...details,
      retryable: name !== 'FileNotFoundError' && name !== 'InvalidArgumentError',
    });
  return new ExecError(message, { ...details, retryable: name !== 'InvalidArgumentError' });
}

function createError(status: unknown, message: string, details: ErrorDetails): PlumblineError {
  // A template that is gone, or a request that the API refuses, will be refused again.
  const final = status === 400 || status === 403 || status === 404;
  return new SandboxCreateError(message, { ...details, retryable: !final });
}

function controlError(status: unknown, message: string, details: ErrorDetails): PlumblineError {
  if (typeof status === 'number' && status >= 500) return new NetworkError(message, { ...details, origin: 'provider' });
  return new SandboxCreateError(message, { ...details, retryable: false });
}

/** Undici's own errors, an expired request, a reply that is no JSON, a stream that was cut. */
function isConnectionFailure(error: unknown, name: string): boolean {
  if (!(error instanceof Error)) return false;
  if (name === 'TypeError' && /fetch failed|terminated/.test(error.message)) return true;
  if (name === 'SyntaxError') return true;
  if (name === 'TimeoutError' && !/sandbox timeout|end of life|\[deadline_exceeded\]/.test(error.message)) return true;
  if (name === 'AbortError') return true;
  if (
    name === 'SandboxError' &&
    /\[unknown\]|\[internal\]|\[aborted\]|Process exited without a result/.test(error.message)
  )
    return true;
  return /Expected (start event|to receive information)/.test(error.message);
}

/** The call certainly had no effect: another try cannot make a second sandbox. */
export function hadNoEffect(error: PlumblineError): boolean {
  if (error.type === 'ProviderRateLimitError') return true;
  // a 503 may be a gateway's, whatever has happened behind it; the limit on running sandboxes is a refusal
  if (error.type === 'ProviderQuotaError')
    return (error.details.cause as Error | undefined)?.name !== 'ServiceBusyError';
  return (
    error.type === 'NetworkError' &&
    /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/.test(String((error.details.cause as Error | undefined)?.cause))
  );
}
