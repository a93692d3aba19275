/** The variables that configure the Daytona provider; no other file names them. */

import { type ProxyEnv, proxyVariables } from '../../util/proxy.js';
import type { ProviderOptions } from '../options.js';
import { DEFAULT_POLICY, type RetryPolicy } from '../remote/retry.js';

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

export interface DaytonaConfig {
  readonly apiUrl: string;
  /** Null: there is no credential. */
  readonly connection: DaytonaConnection | null;
  readonly emulated: boolean;
  /** Network modes that the backend behind an emulator enforces, and `dynamic`; null for the real cloud. */
  readonly emulatedNetwork: readonly string[] | null;
  /** Limits that the backend behind an emulator enforces; null for the real cloud. */
  readonly emulatedLimits: readonly string[] | null;
  /** Minutes that a sandbox lives without a sign of ours. */
  readonly autoStopMinutes: number;
  /** Milliseconds for one request. */
  readonly requestTimeoutMs: number;
  /** Milliseconds between two looks at something that is being made. */
  readonly pollMs: number;
  readonly policy: RetryPolicy;
}

const API_URL = 'https://app.daytona.io/api';
const AUTO_STOP_MINUTES = 15;
const REQUEST_TIMEOUT_MS = 120_000;
const POLL_MS = 1_000;
const EMULATED_POLL_MS = 150;

export function daytonaConfig({ env, settings = {} }: ProviderOptions): DaytonaConfig {
  const apiUrl = env['DAYTONA_API_URL'] || API_URL;
  const apiKey = env['DAYTONA_API_KEY'] ?? '';
  const jwtToken = env['DAYTONA_JWT_TOKEN'] ?? '';
  const organizationId = env['DAYTONA_ORGANIZATION_ID'] ?? '';
  const emulated = env['PLUMBLINE_EMULATED_DAYTONA'] === '1';
  const requestTimeoutMs = positive(settings['daytona.request_timeout_ms'], REQUEST_TIMEOUT_MS);
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
    emulated,
    emulatedNetwork: emulated ? (env['PLUMBLINE_EMULATED_DAYTONA_NETWORK'] ?? '').split(',') : null,
    emulatedLimits: emulated ? (env['PLUMBLINE_EMULATED_DAYTONA_LIMITS'] ?? '').split(',') : null,
    autoStopMinutes: positive(settings['daytona.auto_stop_minutes'], AUTO_STOP_MINUTES),
    requestTimeoutMs,
    pollMs: positive(settings['daytona.poll_ms'], emulated ? EMULATED_POLL_MS : POLL_MS),
    policy: {
      ...DEFAULT_POLICY,
      tries: positive(settings['daytona.tries'], DEFAULT_POLICY.tries),
      firstPauseMs: positive(settings['daytona.first_pause_ms'], DEFAULT_POLICY.firstPauseMs),
    },
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

function positive(text: string | undefined, fallback: number): number {
  const value = Number(text);
  return value > 0 ? value : fallback;
}
