/**
 * A fetch that obeys the proxy variables of an environment that is passed in: Node's own does not before 24, and then only those of
 * the process. Without such a variable it is Node's, and nothing else is loaded.
 */
import { causeChain, errorMessage } from './cause-chain.js';
import { type ChosenProxy, hasProxy, type ProxyEnv, proxyFor } from './proxy.js';

export interface Web {
  /** Rejects as fetch does; with ProxyError when a proxy is to blame. */
  readonly fetch: typeof fetch;
  /** Of a URL; null: direct. @throws ProxySettingError */
  readonly proxyFor: (target: string | URL) => ChosenProxy | null;
}

/** The request did not get through the proxy. Its message names that, without credentials. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  /** What the proxy answered; null when there was no answer. */
  readonly status: number | null;
  constructor(message: string, status: number | null, cause: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/** Node's fetch, late bound. */
export const DIRECT: Web = { fetch: (input, init) => fetch(input, init), proxyFor: () => null };

export function webAccess(env: ProxyEnv): Web {
  if (!hasProxy(env)) return DIRECT;
  let loading: ReturnType<typeof loadProxied> | null = null;
  return {
    proxyFor: (target) => proxyFor(target, env),
    async fetch(input, init) {
      const target = input instanceof Request ? input.url : String(input);
      const proxy = proxyFor(target, env);
      loading ??= loadProxied(env);
      const { fetch: proxied, dispatcher } = await loading;
      try {
        return await proxied(input, { ...init, dispatcher });
      } catch (error) {
        init?.signal?.throwIfAborted();
        throw proxy === null ? error : (proxyFailure(error, proxy, new URL(target).host) ?? error);
      }
    },
  };
}

/** Decides anew for each origin, also for one that a redirect leads to. */
function proxyDispatcher({ Agent, Pool, ProxyAgent }: typeof import('undici'), env: ProxyEnv) {
  return new Agent({
    factory(origin, options) {
      const proxy = proxyFor(origin, env);
      if (proxy === null) return new Pool(origin, options);
      return new ProxyAgent({
        uri: proxy.origin,
        // plain HTTP goes in absolute form: many proxies let CONNECT through to port 443 only
        proxyTunnel: false,
        ...(proxy.authorization === null ? {} : { token: proxy.authorization }),
      });
    },
  });
}

/**
 * For SDKs that use undici's global dispatcher, which is the process's: also Node's own fetch takes it. Nothing happens without a
 * proxy variable. To be called after the import of an SDK that sets its own.
 */
export async function installProxies(env: ProxyEnv): Promise<void> {
  if (!hasProxy(env)) return;
  const undici = await import('undici');
  undici.setGlobalDispatcher(proxyDispatcher(undici, env));
}

/** What a proxy has to do with an error; null: nothing that could be seen. @param host that was asked for */
function proxyFailure(error: unknown, proxy: ChosenProxy, host: string): ProxyError | null {
  const reasons = [errorMessage(error), ...causeChain(error).map(({ message }) => message)];
  const named = `the proxy ${proxy.origin} (${proxy.variable})`;
  for (const reason of reasons) {
    // undici's words for an answer to CONNECT, and for one to a request in absolute form
    const status = /Proxy response \((\d{3})\)|Proxy Authentication Required \((407)\)/.exec(reason);
    const code = Number(status?.[1] ?? status?.[2] ?? Number.NaN);
    if (code === 407) return new ProxyError(`${named} wants other credentials: 407`, code, error);
    if (!Number.isNaN(code)) return new ProxyError(`${named} does not connect to ${host}: ${code}`, code, error);
    // behind a proxy nothing but the proxy is connected to
    if (/ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|CONNECT_TIMEOUT/.test(reason)) {
      return new ProxyError(`${named} cannot be reached: ${reason}`, null, error);
    }
  }
  return null;
}

async function loadProxied(env: ProxyEnv) {
  const undici = await import('undici');
  return {
    // undici's types of Request and Response are its own; they are the same standard's
    fetch: undici.fetch as unknown as (input: unknown, init: object) => Promise<Response>,
    dispatcher: proxyDispatcher(undici, env),
  };
}
