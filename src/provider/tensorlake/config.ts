/** Where Tensorlake is and who we are there. The only file of this provider that names variables or touches the process's own. */
import { type ProxyEnv, proxyVariables } from '../../util/proxy.js';
import type { ProviderOptions } from '../options.js';
import { type Emulation, emulationOf } from '../remote/emulated.js';
import type { RetryPolicy } from '../remote/retry.js';
import { type ExtraRoots, extraRoots } from '../remote/roots.js';
import { remoteSettings, retryPolicy } from '../remote/settings.js';

export interface TensorlakeConfig extends Emulation {
  readonly apiUrl: string;
  /** An API key or a personal access token; null: not logged in. */
  readonly apiKey: string | null;
  readonly isAccessToken: boolean;
  readonly organizationId: string | null;
  readonly projectId: string | null;
  readonly namespace: string;
  /** Seconds that a sandbox may live at most, `--ek tensorlake.timeout_secs`. */
  readonly maxLifetimeSec: number;
  /** `--ek tensorlake.docker_compat=true`: the builder exports through BuildKit, slower and closest to Docker. */
  readonly dockerCompat: boolean;
  readonly tuning: Tuning;
  /** The proxy variables, which each half of the SDK reads in its own way, or not at all. */
  readonly env: ProxyEnv;
  /** Private certificates, for the native half. */
  readonly extraRoots: ExtraRoots | null;
}

export interface Tuning {
  /** Seconds of one lifecycle call. */
  readonly requestSec: number;
  /** Seconds of one call to the daemon. */
  readonly daemonSec: number;
  /** Seconds for which an image build may say nothing outside of the builder's own program. */
  readonly buildSilenceSec: number;
  readonly pollMs: number;
  readonly policy: RetryPolicy;
}

export const DEFAULT_API_URL = 'https://api.tensorlake.ai';

export function readConfig(options: ProviderOptions): TensorlakeConfig {
  const { env, stateDir, settings } = options;
  const set = remoteSettings('tensorlake', settings);
  const value = (name: string) => (env[name] === undefined || env[name] === '' ? null : env[name]);
  const apiKey = value('TENSORLAKE_API_KEY');
  return {
    apiUrl: (value('TENSORLAKE_API_URL') ?? DEFAULT_API_URL).replace(/\/+$/, ''),
    apiKey: apiKey ?? value('TENSORLAKE_PAT'),
    isAccessToken: apiKey === null,
    organizationId: value('TENSORLAKE_ORGANIZATION_ID'),
    projectId: value('TENSORLAKE_PROJECT_ID'),
    namespace: value('INDEXIFY_NAMESPACE') ?? 'default',
    ...emulationOf('tensorlake', env, apiKey, { TENSORLAKE_API_URL: value('TENSORLAKE_API_URL') }),
    maxLifetimeSec: set.timeout_secs,
    dockerCompat: set.docker_compat,
    env,
    extraRoots: extraRoots(env, ['SSL_CERT_FILE'], stateDir, 'tensorlake'),
    tuning: {
      requestSec: set.request_sec,
      daemonSec: set.daemon_sec,
      buildSilenceSec: set.build_silence_sec,
      pollMs: 500,
      policy: retryPolicy(set),
    },
  };
}

/** Why this address would not be ours: the SDK takes every other host for its own cloud, in silence. Null when it is fine. */
export function complainAboutUrl(config: TensorlakeConfig): string | null {
  let host: string;
  try {
    host = new URL(config.apiUrl).hostname;
  } catch {
    return `TENSORLAKE_API_URL ${config.apiUrl} is not a URL`;
  }
  if (host === '127.0.0.1' || host === 'localhost') return null;
  if (host.startsWith('api.')) return null;
  return `TENSORLAKE_API_URL has the host ${host}; the SDK knows only hosts named api.* and localhost`;
}

/**
 * The image functions of the SDK take no options and read the process's variables at each call (tensorlake 0.5.89), and its
 * native client the proxy's; that one sends requests for 127.0.0.1 to HTTP_PROXY unless NO_PROXY names it.
 * @param roots file of all certificates to trust; null: the client's own
 * @throws ProxySettingError
 */
export function lendToProcess(config: TensorlakeConfig, roots: string | null): void {
  const set = (name: string, value: string | null) => {
    if (value === null) delete process.env[name];
    else process.env[name] = value;
  };
  set('TENSORLAKE_API_URL', config.apiUrl);
  set('TENSORLAKE_API_KEY', config.isAccessToken ? null : config.apiKey);
  set('TENSORLAKE_PAT', config.isAccessToken ? config.apiKey : null);
  set('TENSORLAKE_ORGANIZATION_ID', config.organizationId);
  set('TENSORLAKE_PROJECT_ID', config.projectId);
  set('INDEXIFY_NAMESPACE', config.namespace);
  if (roots !== null) process.env['SSL_CERT_FILE'] = roots;
  Object.assign(process.env, proxyVariables(config.env));
}
