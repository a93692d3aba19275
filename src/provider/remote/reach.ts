/**
 * Why a cloud cannot be reached, asked once more in our own way: the SDKs say "fetch failed", "error sending request" or nothing at all
 * when a proxy refuses them or a certificate is not trusted.
 */
import { NetworkError } from '../../exception/errors.js';
import { CERTIFICATE_FIX, isUntrusted } from '../../util/certificate.js';
import { type ProxyEnv, ProxySettingError, proxyFor } from '../../util/proxy.js';
import { ProxyError, webAccess } from '../../util/web.js';
import { bounded } from '../bounded.js';

export interface Explanation {
  readonly cause: 'proxy' | 'certificate';
  readonly what: string;
  readonly fix: string;
}

/** Milliseconds. */
const LIMIT_MS = 15_000;

/** Null when neither a proxy nor a certificate is in the way. @throws the signal's reason */
export async function explainUnreachable(
  url: string,
  env: ProxyEnv,
  signal?: AbortSignal,
): Promise<Explanation | null> {
  const onExpiry = () => new NetworkError(`${url}: no answer within ${LIMIT_MS} ms`);
  try {
    await bounded({ ms: LIMIT_MS, onExpiry, signal }, async (limit) => {
      const response = await webAccess(env).fetch(url, { method: 'HEAD', redirect: 'manual', signal: limit });
      await response.body?.cancel();
    });
    return null;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ProxySettingError) return { cause: 'proxy', what: error.message, fix: 'name an HTTP proxy' };
    if (error instanceof ProxyError) {
      const fix =
        error.status === 407
          ? 'give the proxy’s URL its user and password'
          : 'check the proxy, or name the host in NO_PROXY';
      return { cause: 'proxy', what: error.message, fix };
    }
    if (isUntrusted(error)) {
      return {
        cause: 'certificate',
        what: `the certificate of ${new URL(url).host} is not trusted`,
        fix: CERTIFICATE_FIX,
      };
    }
    return null; // what else is wrong, the SDK says well enough
  }
}

/** Before the first request of an SDK through a proxy; without one, nothing is sent. @throws NetworkError that names the proxy */
export async function assertProxyWorks(url: string, env: ProxyEnv): Promise<void> {
  const why = mayUseProxy(url, env) ? await explainUnreachable(url, env) : null;
  // certificates are the SDKs' own affair: some trust a bundle that Node does not read
  if (why?.cause === 'proxy')
    throw new NetworkError(`${why.what}: ${why.fix}`, { origin: 'harness', retryable: false });
}

function mayUseProxy(url: string, env: ProxyEnv): boolean {
  try {
    return proxyFor(url, env) !== null;
  } catch {
    return true; // a variable that cannot be followed: the request says so
  }
}
