/**
 * Errors of the SDK as ours. Its native half throws one class for every broken connection, with the reason in the text only,
 * and image builds throw plain errors; each text here was seen from tensorlake 0.5.89 (errors.test.ts).
 */
import {
  DiskFullError,
  EnvironmentDefinitionError,
  type ErrorDetails,
  ExecError,
  HarnessError,
  ImageBuildError,
  ImagePullError,
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
import { knownBuildFailure } from '../remote/build-failure.js';

/** What was being done: decides what an answer means. */
export type Doing = 'create' | 'look' | 'exec' | 'transfer' | 'delete';

const BROKEN_CONNECTION =
  /error sending request|EventSource error|error decoding response body|connection (?:reset|closed|refused)|operation timed out/i;
const MALFORMED =
  /expected text\/event-stream|missing field|expected value at line|invalid type|expected `?.*`? at line \d+ column|EOF while parsing/i;

/** Status of an HTTP answer; null when there was none. */
export function statusOf(error: unknown): number | null {
  const code = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof code === 'number' ? code : null;
}

/** Nothing with this id or name: the SDK has a class for lifecycle calls and a status for calls to the daemon. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404 || (error instanceof Error && error.name === 'SandboxNotFoundError');
}

/** A lifecycle or daemon call. */
export function mapError(error: unknown, doing: Doing, what: string): PlumblineError {
  if (error instanceof PlumblineError) return error;
  const message = `${what}: ${errorMessage(error)}`;
  const details = { cause: error };
  const status = statusOf(error);
  const account = accountError(status, message, error);
  if (account !== null) return account;
  if (isNotFound(error) && doing !== 'create') return new SandboxLostError(message, details);
  if (/no space left on device/i.test(message)) return new DiskFullError(message, details);
  if (status === null && (BROKEN_CONNECTION.test(message) || MALFORMED.test(message))) {
    return new NetworkError(message, details);
  }
  const retryable = status !== null && status >= 500;
  if (doing === 'create') return new SandboxCreateError(message, { ...details, retryable });
  if (retryable) return new NetworkError(message, { ...details, origin: 'provider' });
  if (doing === 'exec') return new ExecError(message, { ...details, retryable });
  if (doing === 'transfer') return new TransferError(message, { ...details, retryable });
  return new SandboxCreateError(message, { ...details, retryable });
}

/** What an answer says of who asks, and not of what was asked. Null: nothing. */
function accountError(status: number | null, message: string, cause: unknown): PlumblineError | null {
  if (status === 401 || status === 403) return new ProviderAuthError(message, { cause });
  if (status === 402) return new ProviderQuotaError(message, { cause, retryable: false });
  return status === 429 ? tooMany(message, cause) : null;
}

const MAX_LINE = 500;

/** The import or build of an image. @param log everything that the builder has said */
export function mapImageError(error: unknown, kind: 'import' | 'build', what: string, log: string): PlumblineError {
  if (error instanceof PlumblineError) return error;
  const text = errorMessage(error);
  const last = log.trimEnd().split('\n').at(-1)?.trim();
  const message = `${what}: ${text}${last ? `; last line of its log: ${last.slice(0, MAX_LINE)}` : ''}`;
  const details = { cause: error, ...(log === '' ? {} : { log }) };
  // `find` throws the class with a status, builds only text
  const written = /\(HTTP (\d{3})|Server error: (\d{3})/.exec(text)?.slice(1).find(Boolean);
  const status = statusOf(error) ?? (written === undefined ? null : Number(written));
  if (/Missing TENSORLAKE_API_KEY/.test(text)) return new ProviderAuthError(message, details);
  const account = accountError(status, message, error);
  if (account !== null) return account;
  if (status !== null && status >= 500) return new NetworkError(message, { ...details, origin: 'provider' });
  if (/failed with exit code \d+/.test(text)) return failedBuilder(text, log, kind, message, details);
  if (/unsupported FROM syntax|failed to parse dockerfile/i.test(text)) {
    return new EnvironmentDefinitionError(message, { ...details, origin: 'provider' });
  }
  const connection = error instanceof Error && error.name === 'SandboxConnectionError';
  if (connection || BROKEN_CONNECTION.test(text)) return new NetworkError(message, details);
  const ImageError = kind === 'import' ? ImagePullError : ImageBuildError;
  return new ImageError(message, { ...details, origin: 'provider', retryable: true });
}

/** The builder's own program ended with a code: what it printed says whose fault it was. */
function failedBuilder(
  text: string,
  log: string,
  kind: 'import' | 'build',
  message: string,
  details: ErrorDetails,
): PlumblineError {
  const known = knownBuildFailure(text, log, message, details);
  if (known !== null) return known;
  if (kind === 'import') return new ImagePullError(message, details);
  return new ImageBuildError(message, { ...details, origin: 'task' });
}

/** Another host or process registered the name meanwhile; the SDK has no class for it. */
export function isAlreadyRegistered(error: unknown): boolean {
  return /HTTP 409|already (?:registered|exists)/i.test(errorMessage(error));
}

/** A name that is taken: by an earlier try of ours whose answer was lost. */
export function isConflict(error: unknown): boolean {
  return statusOf(error) === 409;
}

/** 429 stands for the account's limit and for the API's; the native client passes no headers on, only the body. */
function tooMany(message: string, cause: unknown): PlumblineError {
  if (/quota|limit of \d+ sandboxes|maximum number of|concurrent sandboxes/i.test(message)) {
    return new ProviderQuotaError(message, { cause });
  }
  const seconds = Number(/retry[-_ ]?after["':= ]+(\d+(?:\.\d+)?)/i.exec(message)?.[1] ?? Number.NaN);
  return new ProviderRateLimitError(message, {
    cause,
    ...(Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {}),
  });
}

/** The SDK itself would not load. */
export function mapLoadError(error: unknown): PlumblineError {
  if (error instanceof PlumblineError) return error;
  return new HarnessError(`the npm package tensorlake cannot be loaded: ${errorMessage(error)}`, { cause: error });
}
