/** The variables that configure the Modal provider; no other file names them. */
import { type ProxyEnv, ProxySettingError, plainNoProxy, proxyVariables } from '../../util/proxy.js';
import type { ProviderOptions } from '../options.js';
import { type Emulation, emulationOf } from '../remote/emulated.js';
import type { RetryPolicy } from '../remote/retry.js';
import { type ExtraRoots, extraRoots } from '../remote/roots.js';
import { remoteSettings, retryPolicy } from '../remote/settings.js';

export interface ModalConnection {
  /** The SDK's variables, and only these. */
  readonly variables: Readonly<Record<string, string>>;
  /** Of the caller: proxies and certificates. */
  readonly env: ProxyEnv;
  /** Certificates in the form that grpc-js reads. */
  readonly extraRoots: ExtraRoots | null;
  readonly requestTimeoutMs: number;
}

export interface ModalConfig extends Emulation {
  /** Unless a profile of ~/.modal.toml has another. */
  readonly serverUrl: string;
  readonly connection: ModalConnection;
  /** All sandboxes and builds of ours belong to this app; it is made when it is missing. */
  readonly app: string;
  /** Milliseconds that a sandbox lives without a sign of ours. */
  readonly idleMs: number;
  /** Milliseconds for one call, the SDK's own retries included. */
  readonly requestTimeoutMs: number;
  readonly policy: RetryPolicy;
}

/** Whole bundles: grpc-js's own variable, and the usual one. */
const ROOTS = ['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', 'SSL_CERT_FILE'];
const SERVER_URL = 'https://api.modal.com';
/** The SDK reads a file that is not there as an empty one. */
const NO_FILE = '/nonexistent/modal.toml';

export function modalConfig({ env, stateDir, settings }: ProviderOptions): ModalConfig {
  const set = remoteSettings('modal', settings);
  const own = Object.entries(env).filter(([name]) => name.startsWith('MODAL_'));
  const variables: Record<string, string> = {};
  for (const [name, value] of own) if (value !== undefined && value !== '') variables[name] = value;
  // credentials of the environment are not to be mixed with a profile of ~/.modal.toml
  if (variables['MODAL_TOKEN_ID'] !== undefined) variables['MODAL_CONFIG_PATH'] ??= NO_FILE;
  // the older backend has other calls; what is written here is for the newer one
  variables['MODAL_SANDBOX_V2'] = '1';
  const requestTimeoutMs = set.request_timeout_ms;
  return {
    serverUrl: variables['MODAL_SERVER_URL'] ?? SERVER_URL,
    connection: {
      variables,
      env,
      extraRoots: extraRoots(env, ROOTS, stateDir, 'modal'),
      requestTimeoutMs,
    },
    ...emulationOf('modal', env, variables['MODAL_TOKEN_ID'] ?? null, {
      MODAL_SERVER_URL: variables['MODAL_SERVER_URL'] ?? null,
    }),
    app: set.app,
    idleMs: set.idle_ms,
    requestTimeoutMs,
    policy: retryPolicy(set),
  };
}

/**
 * Runs `work` with these variables in the process's environment and no other of Modal's: the SDK takes its server's address from
 * nowhere else. What it reads once, it has read when `work` is over; before and after, the environment is the caller's.
 * @param grpc variables of grpc-js, which reads them whenever it connects: they stay
 */
export async function withModalEnvironment<T>(
  connection: ModalConnection,
  grpc: Readonly<Record<string, string>>,
  work: () => Promise<T>,
): Promise<T> {
  const saved = Object.entries(process.env).filter(([name]) => name.startsWith('MODAL_'));
  const clear = () => {
    for (const name of Object.keys(process.env)) if (name.startsWith('MODAL_')) delete process.env[name];
  };
  clear();
  Object.assign(process.env, connection.variables);
  Object.assign(process.env, grpc);
  try {
    return await work();
  } finally {
    clear();
    Object.assign(process.env, Object.fromEntries(saved));
  }
}

/**
 * Proxies and roots under grpc-js's own names (1.14): of the usual ones it knows the lower-case spellings only, it goes on to http_proxy
 * for want of https_proxy, and around a proxy that it cannot use.
 * @throws ProxySettingError
 */
export function grpcVariables(env: ProxyEnv): Record<string, string> {
  const roots = ROOTS.map((name) => env[name]).find(Boolean);
  const trusted: Record<string, string> = roots === undefined ? {} : { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: roots };
  const own = env['grpc_proxy'] ? { ...env, https_proxy: env['grpc_proxy'] } : env;
  const exempt = env['no_grpc_proxy'] ? { ...own, no_proxy: env['no_grpc_proxy'] } : own;
  const { https_proxy: proxy } = proxyVariables(exempt);
  const direct = plainNoProxy(exempt);
  // an empty end fits every host
  if (proxy === undefined || direct.includes('*')) return { ...trusted, no_grpc_proxy: ',' };
  if (!proxy.startsWith('http://')) throw new ProxySettingError('Modal’s gRPC client can use http:// proxies only');
  return { ...trusted, grpc_proxy: proxy, no_grpc_proxy: direct.join(',') };
}
