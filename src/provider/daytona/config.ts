/** The variables that configure the Daytona provider; no other file names them. */

import { type ProxyEnv, proxyVariables } from '../../util/proxy.js';
import type { ProviderOptions } from '../options.js';
import { type Emulation, emulationOf } from '../remote/emulated.js';
import type { RetryPolicy } from '../remote/retry.js';
import { remoteSettings, retryPolicy } from '../remote/settings.js';

export interface DaytonaConnection {
  readonly apiUrl: string;
  readonly apiKey?: string;
  readonly jwtToken?: string;
  readonly organizationId?: string;
  readonly target?: string;
  readonly requestTimeoutMs: number;
  /** The proxy variables. */
  readonly env: ProxyEnv;
}

export interface DaytonaConfig extends Emulation {
  readonly apiUrl: string;
  /** Null: there is no credential. */
  readonly connection: DaytonaConnection | null;
  /** Minutes that a sandbox lives without a sign of ours. */
  readonly autoStopMinutes: number;
  /** Milliseconds for one request. */
  readonly requestTimeoutMs: number;
  /** Milliseconds between two looks at something that is being made. */
  readonly pollMs: number;
  readonly policy: RetryPolicy;
}

const API_URL = 'https://app.daytona.io/api';
/** Looking costs nothing there. */
const EMULATED_POLL_MS = 150;

export function daytonaConfig({ env, settings = {} }: ProviderOptions): DaytonaConfig {
  const set = remoteSettings('daytona', settings);
  const apiUrl = env['DAYTONA_API_URL'] || API_URL;
  const apiKey = env['DAYTONA_API_KEY'] ?? '';
  const jwtToken = env['DAYTONA_JWT_TOKEN'] ?? '';
  const organizationId = env['DAYTONA_ORGANIZATION_ID'] ?? '';
  const emulation = emulationOf('daytona', env, apiKey, { DAYTONA_API_URL: env['DAYTONA_API_URL'] || null });
  const requestTimeoutMs = set.request_timeout_ms;
  const known = apiKey !== '' || (jwtToken !== '' && organizationId !== '');
  const connection: DaytonaConnection = {
    apiUrl,
    ...(apiKey === '' ? { jwtToken, organizationId } : { apiKey }),
    ...(env['DAYTONA_TARGET'] ? { target: env['DAYTONA_TARGET'] } : {}),
    requestTimeoutMs,
    env,
  };
  return {
    apiUrl,
    connection: known ? connection : null,
    ...emulation,
    autoStopMinutes: set.auto_stop_minutes,
    requestTimeoutMs,
    pollMs: emulation.emulated && settings['daytona.poll_ms'] === undefined ? EMULATED_POLL_MS : set.poll_ms,
    policy: retryPolicy(set),
  };
}

/**
 * Axios, under the SDK, takes the proxy and the exceptions from the process's environment at each request, loopback not among them:
 * they are set there, and stay. The AWS client of the context upload else prints a notice about Node versions.
 * @throws ProxySettingError
 */
export function settleEnvironment(env: ProxyEnv): void {
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  Object.assign(process.env, proxyVariables(env));
}
