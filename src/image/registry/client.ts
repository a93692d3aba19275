/** Requests to one registry endpoint for one repository: authentication, retries, polite waits, errors with their meaning. */
import { ImagePullError, PlumblineError } from '../../exception/errors.js';
import { sleep } from '../../util/deadline.js';
import { DIRECT, type Web } from '../../util/web.js';
import { answerChallenge, parseChallenge } from './auth.js';
import { CONNECT_LIMIT_MS, probeProxy, probeRegistry } from './connect.js';
import type { CredentialSource } from './credentials.js';
import { isFinal, MAX_POLITE_WAIT_MS, requestError, responseError, retryAfterMs } from './errors.js';
import { isLoopback } from './hosts.js';

export interface RegistryClient {
  readonly host: string;
  /** A successful answer, whose body the caller must read or cancel. */
  get(path: string, request: GetRequest): Promise<Response>;
}

export interface GetRequest {
  /** The image's name, for messages. */
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Other statuses that are answers, not errors. */
  readonly accept?: readonly number[];
}

export interface ClientOptions {
  readonly credentials: CredentialSource;
  /** Default: Node's fetch, without a proxy. */
  readonly web?: Web;
  readonly connectLimitMs?: number;
  /** First wait between attempts, doubled each time; milliseconds. */
  readonly backoffMs?: number;
}

const ATTEMPTS = 4;
const BACKOFF_MS = 500;
/** Until the headers of an answer; a body has its own watch. */
const ANSWER_LIMIT_MS = 60_000;
const MAX_ERROR_BODY = 64 * 1024;

/**
 * Connects. `endpoint` is a host, with plain HTTP tried second on this machine only (as the engine does), or a URL.
 * @throws ImagePullError, `isRegistryUnreachable` when no connection stands within the limit
 */
export async function openRegistry(
  endpoint: string,
  repository: string,
  options: ClientOptions,
  signal?: AbortSignal,
): Promise<RegistryClient> {
  const { web = DIRECT } = options;
  const base = await chooseBase(endpoint, options, web, signal);
  const host = new URL(base).host;
  const scope = `repository:${repository}:pull`;
  let authorization: string | null = null;

  const once = async (path: string, { headers = {}, signal: stop }: GetRequest): Promise<Response> => {
    const url = `${base}/v2/${repository}/${path}`;
    const limited = limit(stop);
    const ask = () =>
      web.fetch(url, {
        headers: { ...headers, ...(authorization !== null && { authorization }) },
        signal: limited.signal,
      });
    try {
      const first = await ask();
      if (first.status !== 401) return first;
      const challenge = parseChallenge(first.headers.get('www-authenticate') ?? '');
      if (challenge === null) return first;
      const answer = await answerChallenge(challenge, await options.credentials(host), scope, web, limited.signal);
      if (answer === null || answer === authorization) return first;
      await first.body?.cancel();
      authorization = answer;
      return await ask();
    } finally {
      limited.settle();
    }
  };

  return {
    host,
    async get(path, request) {
      for (let attempt = 1; ; attempt++) {
        const result = await attemptOnce(() => once(path, request), request, host);
        if ('response' in result) return result.response;
        const wait = result.waitMs ?? (options.backoffMs ?? BACKOFF_MS) * 2 ** (attempt - 1);
        if (!result.again || attempt === ATTEMPTS || wait > MAX_POLITE_WAIT_MS) throw result.error;
        await sleep(wait, request.signal);
      }
    },
  };
}

type Attempt = { response: Response } | { error: Error; again: boolean; waitMs: number | null };

async function attemptOnce(ask: () => Promise<Response>, request: GetRequest, host: string): Promise<Attempt> {
  let response: Response;
  try {
    response = await ask();
  } catch (error) {
    request.signal?.throwIfAborted();
    if (error instanceof PlumblineError) return { error, again: false, waitMs: null };
    const final = isFinal(error);
    return { error: requestError(host, error), again: !final, waitMs: null };
  }
  if (response.ok || request.accept?.includes(response.status)) return { response };
  const now = Date.now();
  const { status, headers } = response;
  const body = (await response.text()).slice(0, MAX_ERROR_BODY);
  const error = responseError({ status, headers, body }, request.what, host, now);
  // a wait that was asked for is kept; a 429 that names no time is final, or every client would hammer on
  const waitMs = status === 429 || status === 503 ? retryAfterMs(headers, now) : null;
  return { error, again: status >= 500 || (status === 429 && waitMs !== null), waitMs };
}

async function chooseBase(
  endpoint: string,
  options: ClientOptions,
  web: Web,
  signal: AbortSignal | undefined,
): Promise<string> {
  const limitMs = options.connectLimitMs ?? CONNECT_LIMIT_MS;
  if (/^https?:\/\//.test(endpoint)) {
    const base = endpoint.replace(/\/+$/, '').replace(/\/v2$/, '');
    await probe(base, web, limitMs, signal);
    return base;
  }
  if (!isLoopback(endpoint)) {
    await probe(`https://${endpoint}`, web, limitMs, signal);
    return `https://${endpoint}`;
  }
  await probeRegistry(
    new URL(`http://${endpoint}`).port === '' ? `https://${endpoint}` : `http://${endpoint}`,
    limitMs,
    signal,
  );
  return (await speaksTls(endpoint, signal)) ? `https://${endpoint}` : `http://${endpoint}`;
}

/** Behind a proxy only the proxy can be tried for a connection; what it says of the registry comes with the first request. */
async function probe(base: string, web: Web, limitMs: number, signal: AbortSignal | undefined): Promise<void> {
  let proxy: ReturnType<Web['proxyFor']>;
  try {
    proxy = web.proxyFor(base);
  } catch (error) {
    throw requestError(new URL(base).host, error);
  }
  await (proxy === null ? probeRegistry(base, limitMs, signal) : probeProxy(base, proxy, limitMs, signal));
}

async function speaksTls(host: string, signal: AbortSignal | undefined): Promise<boolean> {
  const limited = limit(signal);
  try {
    const response = await fetch(`https://${host}/v2/`, { signal: limited.signal });
    await response.body?.cancel();
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    const code = String((error as { cause?: { code?: unknown } }).cause?.code);
    // a certificate that nobody vouches for is still TLS: say so at the first request instead of talking in clear text
    return /CERT|SELF_SIGNED|ALTNAME/.test(code);
  } finally {
    limited.settle();
  }
}

/** The caller's signal and our own limit for an answer; after `settle` only the caller's is left. */
function limit(signal: AbortSignal | undefined): { signal: AbortSignal; settle: () => void } {
  const own = new AbortController();
  const timer = setTimeout(
    () => own.abort(new ImagePullError(`The registry did not answer within ${ANSWER_LIMIT_MS / 1000} s.`)),
    ANSWER_LIMIT_MS,
  );
  const all = signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]);
  return { signal: all, settle: () => clearTimeout(timer) };
}
