/** The variables that configure the E2B provider; no other file names them. */
import type { ProviderOptions } from '../options.js';
import { type Emulation, emulationOf } from '../remote/emulated.js';
import type { RetryPolicy } from '../remote/retry.js';
import { remoteSettings, retryPolicy } from '../remote/settings.js';
import type { E2bConnection } from './sdk.js';

export interface E2bConfig extends Emulation {
  readonly apiUrl: string;
  /** Null: there is no API key. */
  readonly connection: E2bConnection | null;
  /** Milliseconds that a sandbox lives without a sign of ours. */
  readonly lifetimeMs: number;
  /** Milliseconds for one request of the control plane, a stream's start among them. */
  readonly requestTimeoutMs: number;
  readonly policy: RetryPolicy;
}

export function e2bConfig({ env, settings }: ProviderOptions): E2bConfig {
  const set = remoteSettings('e2b', settings);
  const apiKey = env['E2B_API_KEY'] ?? '';
  const apiUrl = env['E2B_API_URL'] ?? '';
  const requestTimeoutMs = set.request_timeout_ms;
  const connection: E2bConnection = {
    apiKey,
    requestTimeoutMs,
    ...(apiUrl === '' ? {} : { apiUrl }),
    ...(env['E2B_SANDBOX_URL'] ? { sandboxUrl: env['E2B_SANDBOX_URL'] } : {}),
    ...(env['E2B_DOMAIN'] ? { domain: env['E2B_DOMAIN'] } : {}),
    env,
  };
  return {
    apiUrl: apiUrl || `https://api.${env['E2B_DOMAIN'] || 'e2b.app'}`,
    connection: apiKey === '' ? null : connection,
    ...emulationOf('e2b', env, apiKey, {
      E2B_API_URL: apiUrl || null,
      E2B_SANDBOX_URL: env['E2B_SANDBOX_URL'] || null,
    }),
    lifetimeMs: set.lifetime_ms,
    requestTimeoutMs,
    policy: retryPolicy(set),
  };
}
