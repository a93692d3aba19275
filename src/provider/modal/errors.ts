/**
 * What the SDK throws, as our exceptions. Classes are told apart by name and gRPC code, not by `instanceof`: the SDK is loaded
 * only when it is used, and does not export the class of gRPC failures. Each case stands with a captured message in errors.test.ts.
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

/** What was being done: the same code means different things to a create and to a running command. */
export type ModalCall = 'create' | 'control' | 'exec' | 'files';

const CANCELLED = 1;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/**
 * The exception for a failed call. An abort of the caller must be handled before: here it would look like a broken connection.
 * Whether a sandbox that cannot be reached is gone is found out by the caller (shell.ts).
 */
export function modalError(error: unknown, call: ModalCall, what: string): PlumblineError {
  if (error instanceof PlumblineError) return error;
  const message = `${what}: ${errorMessage(error)}`;
  const details: ErrorDetails = { cause: error };
  const code = grpcCode(error);
  if (code !== null) return grpcError(code, call, message, details);
  const name = error instanceof Error ? error.name : '';
  if (/missing credentials/i.test(message)) return new ProviderAuthError(message, details);
  switch (name) {
    case 'ResourceExhaustedError':
      return new ProviderQuotaError(message, details);
    case 'AlreadyExistsError':
      return new SandboxCreateError(message, { ...details, retryable: false });
    case 'NotFoundError':
    case 'ConflictError':
    case 'ClientClosedError': // this handle was given up
      // an environment that is not there looks like a missing app, which else is made
      return call === 'create' || /\bApp '.*' not found/.test(message)
        ? new SandboxCreateError(message, { ...details, retryable: false })
        : new SandboxLostError(message, details);
    case 'TimeoutError':
    case 'AbortError':
    case 'RetryDeadlineExceededError':
      return new NetworkError(message, { ...details, origin: 'provider' });
    case 'InvalidError':
      return byCall(call, message, { ...details, retryable: false });
    default:
      break;
  }
  if (/no space left on device/i.test(message)) return new DiskFullError(message, details);
  // a file that is not there or not to be written is the same at the next try; the SDK's own "unexpected error" may not be
  if (/^SandboxFilesystem\w+Error$/.test(name) && name !== 'SandboxFilesystemError') {
    return new TransferError(message, { ...details, retryable: false });
  }
  return byCall(call, message, details);
}

function grpcError(code: number, call: ModalCall, message: string, details: ErrorDetails): PlumblineError {
  switch (code) {
    case UNAUTHENTICATED:
    case PERMISSION_DENIED:
      return new ProviderAuthError(message, details);
    case RESOURCE_EXHAUSTED:
      if (/message larger than max/i.test(message)) return byCall(call, message, { ...details, retryable: false });
      return /\brate\b|too many|throttl|try again/i.test(message)
        ? new ProviderRateLimitError(message, details)
        : new ProviderQuotaError(message, details);
    case CANCELLED:
      return new NetworkError(message, details);
    case DEADLINE_EXCEEDED:
      return new NetworkError(message, { ...details, origin: 'provider' });
    case NOT_FOUND:
    case FAILED_PRECONDITION:
      return call === 'create'
        ? new SandboxCreateError(message, { ...details, retryable: false })
        : new SandboxLostError(message, details);
    case INVALID_ARGUMENT:
      return byCall(call, message, { ...details, retryable: false });
    // each is what grpc-js says of a broken connection, and what a server answers that is itself at a loss
    case UNAVAILABLE:
    case UNKNOWN:
    case INTERNAL:
      if (isBrokenTransport(message)) return new NetworkError(message, details);
      return call === 'create'
        ? new SandboxCreateError(message, details)
        : new NetworkError(message, { ...details, origin: 'provider' });
    default:
      return byCall(call, message, { ...details, retryable: false });
  }
}

function byCall(call: ModalCall, message: string, details: ErrorDetails): PlumblineError {
  if (call === 'exec') return new ExecError(message, details);
  if (call === 'files') return new TransferError(message, details);
  if (call === 'create') return new SandboxCreateError(message, details);
  if (details.retryable === false) return new SandboxCreateError(message, details);
  return new NetworkError(message, { ...details, origin: 'provider' });
}

/** Cut streams, unreadable replies and connections that were not made, in grpc-js's words. */
function isBrokenTransport(message: string): boolean {
  return /RST_STREAM|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|No connection established|Connection dropped|Name resolution failed|GOAWAY|socket hang up|parsing error|index out of range|invalid wire type|illegal tag|end-group/i.test(
    message,
  );
}

/** The numeric code of a gRPC failure; null for anything else. */
export function grpcCode(error: unknown): number | null {
  if (!(error instanceof Error) || error.name !== 'ClientError') return null;
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code : null;
}

/** Another try may help and cannot do anything twice: for calls that only look, or whose effect a second try repeats. */
export function isRepeatable(error: PlumblineError): boolean {
  const passing = ['NetworkError', 'ProviderRateLimitError', 'SandboxCreateError'];
  return error.retryable && passing.includes(error.type);
}
