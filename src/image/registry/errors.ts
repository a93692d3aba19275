/** What a registry's answer, or its silence, means for the caller. */
import { ImagePullError, type PlumblineError, RegistryRateLimitError } from '../../exception/errors.js';
import { causeChain } from '../../util/cause-chain.js';
import { CERTIFICATE_FIX, isUntrusted } from '../../util/certificate.js';
import { ProxySettingError } from '../../util/proxy.js';
import { ProxyError } from '../../util/web.js';

/** No connection: DNS, refused, no route, or no answer within the limit. Never a status code. */
export class RegistryUnreachable extends Error {
  override readonly name = 'RegistryUnreachable';
}

/** Whether an error means that the registry could not be reached at all: the only case in which a base image may be bootstrapped. */
export function isRegistryUnreachable(error: unknown): boolean {
  return error instanceof ImagePullError && error.details.cause instanceof RegistryUnreachable;
}

export function unreachable(host: string, cause: unknown): ImagePullError {
  const reasons = causeChain(cause).map(({ message }) => message);
  const reason = [cause instanceof Error ? cause.message : String(cause), ...reasons].at(-1);
  return new ImagePullError(`The registry ${host} cannot be reached: ${reason}.`, {
    cause: new RegistryUnreachable(String(reason), { cause }),
  });
}

/** DNS and connect failures, in the codes of libuv and undici. */
const NO_CONNECTION =
  /^(ENOTFOUND|EAI_AGAIN|EAI_FAIL|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/;

/** A request without an answer: unreachable when there was no connection; broken, refused by TLS or timed out otherwise. */
export function requestError(host: string, error: unknown): ImagePullError {
  if (error instanceof ProxySettingError || (error instanceof ProxyError && error.status === 407)) {
    return new ImagePullError(`The registry ${host} was not asked: ${error.message}.`, {
      cause: error,
      retryable: false,
      origin: 'harness',
    });
  }
  if (error instanceof ProxyError) return unreachable(host, new Error(error.message));
  if (isUntrusted(error)) {
    return new ImagePullError(`The certificate of the registry ${host} is not trusted: ${CERTIFICATE_FIX}.`, {
      cause: error,
      retryable: false,
      origin: 'harness',
    });
  }
  let code: unknown;
  for (let cause: unknown = error; cause instanceof Error && code === undefined; cause = cause.cause) {
    code = (cause as { code?: unknown }).code;
  }
  if (typeof code === 'string' && NO_CONNECTION.test(code)) return unreachable(host, error);
  const reasons = causeChain(error).map(({ message }) => message);
  return new ImagePullError(`The connection to the registry ${host} broke: ${reasons.at(-1) ?? String(error)}.`, {
    cause: error,
  });
}

/** An error that another try will hardly change; without a proxy, a registry that cannot be reached is not asked twice either. */
export function isFinal(error: unknown): boolean {
  return error instanceof ProxySettingError || error instanceof ProxyError || isUntrusted(error);
}

/** Longest wait that `Retry-After` may ask of us before we give up instead, in milliseconds. */
export const MAX_POLITE_WAIT_MS = 30_000;

/** How long a 429 asks to wait, in milliseconds from `now`; null when it does not say. */
export function retryAfterMs(headers: Headers, now: number): number | null {
  const after = headers.get('retry-after');
  if (after !== null) {
    if (/^\d+$/.test(after.trim())) return Number(after) * 1000;
    const date = Date.parse(after);
    if (!Number.isNaN(date)) return Math.max(0, date - now);
  }
  const reset = headers.get('ratelimit-reset') ?? headers.get('x-ratelimit-reset');
  if (reset === null || !/^\d+$/.test(reset.trim())) return null;
  // both forms are in use: seconds from now, and seconds since 1970
  const seconds = Number(reset);
  return seconds > 1_000_000_000 ? Math.max(0, seconds * 1000 - now) : seconds * 1000;
}

export interface FailedResponse {
  readonly status: number;
  readonly headers: Headers;
  /** First kilobytes of the body. */
  readonly body: string;
}

/** The exception for an answer that is no success. `what` is the image's name, `host` who answered. */
export function responseError(response: FailedResponse, what: string, host: string, now: number): PlumblineError {
  const { status, headers, body } = response;
  const words = errorWords(body);
  const said = words === '' ? `status ${status}` : `status ${status}: ${words}`;
  if (status === 429) {
    const wait = retryAfterMs(headers, now);
    const limit = headers.get('ratelimit-limit');
    const reset = wait === null ? 'it did not say until when' : `it resets at ${new Date(now + wait).toISOString()}`;
    return new RegistryRateLimitError(
      `The registry ${host} refused ${what} because of its rate limit${limit === null ? '' : ` (${limit})`}; ${reset}.`,
      wait === null ? {} : { retryAfterMs: wait },
    );
  }
  if (status === 401 || status === 403) {
    return new ImagePullError(
      `The registry ${host} denied access to ${what} (${said}). If it exists and is private: docker login ${host}.`,
      { retryable: false, origin: 'task' },
    );
  }
  if (status === 404) {
    return new ImagePullError(`The registry ${host} has no ${what} (${said}).`, { retryable: false, origin: 'task' });
  }
  return new ImagePullError(`The registry ${host} failed to give ${what} (${said}).`);
}

/** The messages of a distribution-spec error body; else its beginning, if it is text. */
function errorWords(body: string): string {
  try {
    const { errors } = JSON.parse(body) as { errors?: { code?: string; message?: string }[] };
    if (Array.isArray(errors)) return errors.map(({ code, message }) => message ?? code ?? '').join('; ');
  } catch {
    // proxies answer with HTML or plain text
  }
  return /^[^<]/.test(body.trim()) ? body.trim().slice(0, 200) : '';
}
