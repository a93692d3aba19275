/** Reads over HTTP with bounded waits and retries. Only reads: everything here may be sent twice. */
import { CERTIFICATE_FIX, isUntrusted } from '../../util/certificate.js';
import { sleep } from '../../util/deadline.js';
import { ProxySettingError } from '../../util/proxy.js';
import { DIRECT, ProxyError, type Web } from '../../util/web.js';
import { MAX_JSON_BYTES } from './constants.js';
import { DatasetError, rootMessage } from './dataset-error.js';

export interface HttpPolicy {
  readonly signal: AbortSignal;
  /** Waits before the second, third, … attempt, in milliseconds. */
  readonly retryDelaysMs: readonly number[];
  /** Without an answer, or without a byte of it, for so long the attempt has failed; milliseconds. */
  readonly idleTimeoutMs: number;
  /** Default: Node's fetch, without a proxy. */
  readonly web?: Web;
}

/** Harbor waits 120 s for a table; a download has no total limit, because a large package may be slow and still alive. */
export const DEFAULT_POLICY: Omit<HttpPolicy, 'signal'> = {
  retryDelaysMs: [500, 1000, 2000, 4000],
  idleTimeoutMs: 60_000,
};

/** A server that says when to come back is believed up to here. */
const MAX_RETRY_AFTER_MS = 30_000;
const SHOWN_BODY = 300;

export interface HttpRequest {
  readonly url: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** What the answer is for, in messages. */
  readonly subject: string;
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Undefined when the body is not JSON. */
  readonly value: unknown;
  /** The body, shortened. */
  readonly text: string;
}

/**
 * The answer whatever its status; connection errors, 429 and 5xx have been retried.
 * @throws DatasetError (unreachable) when no attempt brought an answer; the signal's reason
 */
export async function requestJson(request: HttpRequest, policy: HttpPolicy): Promise<JsonAnswer> {
  return await retried(request, policy, async (response, chunks) => {
    const text = await readText(chunks, request);
    return { status: response.status, headers: response.headers, value: parsed(text), text: text.slice(0, SHOWN_BODY) };
  });
}

/**
 * Hands the body to `consume`, again from the start when the connection broke; an error of `consume` itself is final.
 * An answer other than 2xx goes to `refuse`, which makes the error.
 */
export async function download<T>(
  request: HttpRequest,
  policy: HttpPolicy,
  consume: (chunks: AsyncIterable<Uint8Array>) => Promise<T>,
  refuse: (answer: JsonAnswer) => DatasetError,
): Promise<T> {
  return await retried(request, policy, async (response, chunks) => {
    if (response.ok) return await consume(chunks);
    const text = await readText(chunks, request);
    const value = parsed(text);
    throw refuse({ status: response.status, headers: response.headers, value, text: text.slice(0, SHOWN_BODY) });
  });
}

/** An attempt that may be made again. */
class Transient extends Error {
  constructor(
    message: string,
    readonly afterMs: number,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

async function retried<T>(
  request: HttpRequest,
  policy: HttpPolicy,
  read: (response: Response, chunks: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once(request, policy, read);
    } catch (error) {
      policy.signal.throwIfAborted();
      if (!(error instanceof Transient)) throw error;
      const wait = policy.retryDelaysMs[attempt];
      if (wait === undefined) {
        throw new DatasetError(
          `no answer after ${attempt + 1} attempts: ${error.message}`,
          {
            dataset: request.subject,
            url: request.url,
            fix: 'check the network, HTTP(S)_PROXY and the registry’s state, then run the command again',
            cause: error,
          },
          true,
        );
      }
      await sleep(Math.max(wait, error.afterMs), policy.signal);
    }
  }
}

async function once<T>(
  request: HttpRequest,
  policy: HttpPolicy,
  read: (response: Response, chunks: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  policy.signal.throwIfAborted();
  if (!URL.canParse(request.url)) {
    const fix = 'write a whole URL, for example https://host/path';
    throw new DatasetError('this is no URL', { dataset: request.subject, url: request.url, fix });
  }
  const watch = watchIdle(policy);
  try {
    const response = await opened(request, policy.web ?? DIRECT, watch.signal);
    watch.touch();
    const chunks = bodyOf(response, watch.touch);
    if (response.status === 429 || response.status >= 500) {
      const text = await readText(chunks, request);
      throw new Transient(`status ${response.status}${said(text)}`, retryAfter(response.headers));
    }
    return await read(response, chunks);
  } finally {
    watch.close();
  }
}

async function opened(request: HttpRequest, web: Web, signal: AbortSignal): Promise<Response> {
  const json = request.body === undefined ? {} : { 'Content-Type': 'application/json' };
  try {
    return await web.fetch(request.url, {
      method: request.method ?? 'GET',
      headers: { ...json, ...request.headers },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      signal,
    });
  } catch (error) {
    const fix = fixOf(error);
    if (fix !== null) {
      const { subject: dataset, url } = request;
      throw new DatasetError(`no connection: ${rootMessage(error)}`, { dataset, url, fix, cause: error }, true);
    }
    throw new Transient(rootMessage(error), 0, error);
  }
}

/** What to change when another try cannot help; null when it may. */
function fixOf(error: unknown): string | null {
  if (isUntrusted(error)) return CERTIFICATE_FIX;
  if (error instanceof ProxySettingError) return 'name an HTTP proxy';
  return error instanceof ProxyError && error.status === 407 ? 'give the proxy’s URL its user and password' : null;
}

/** Errors of the connection are told apart from errors of whoever reads. */
async function* bodyOf(response: Response, touch: () => void): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const next = await reader.read().catch((error: unknown) => {
        throw new Transient(`the connection broke: ${rootMessage(error)}`, 0, error);
      });
      touch();
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // A reader that stops early leaves the rest; cancelling a broken stream repeats its error, which is known by then.
    await reader.cancel().catch(() => undefined);
  }
}

function watchIdle(policy: HttpPolicy): { signal: AbortSignal; touch: () => void; close: () => void } {
  const controller = new AbortController();
  const seconds = policy.idleTimeoutMs / 1000;
  const expire = () => controller.abort(new Error(`nothing was received for ${seconds} s`));
  let pending = setTimeout(expire, policy.idleTimeoutMs);
  return {
    signal: AbortSignal.any([policy.signal, controller.signal]),
    touch: () => {
      clearTimeout(pending);
      pending = setTimeout(expire, policy.idleTimeoutMs);
    },
    close: () => clearTimeout(pending),
  };
}

async function readText(chunks: AsyncIterable<Uint8Array>, request: HttpRequest): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MAX_JSON_BYTES) {
      throw new DatasetError(`the answer is longer than ${MAX_JSON_BYTES / 2 ** 20} MB`, {
        dataset: request.subject,
        url: request.url,
        fix: 'check that the URL is that of a registry',
      });
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // an HTML page of a proxy, say: the caller has status and text, and says what it expected
  }
}

function said(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line === '' ? '' : `: ${line.slice(0, SHOWN_BODY)}`;
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryAfter(headers: Headers): number {
  const value = headers.get('retry-after');
  if (value === null) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}
