/**
 * The one file that loads the SDK, and the part of it that we use. Named imports: the package has no exports map, and its
 * default import is a namespace object.
 */
import type { Readable } from 'node:stream';
import { NetworkError } from '../../exception/errors.js';
import { type ProxyEnv, proxyFor } from '../../util/proxy.js';
import { installProxies } from '../../util/web.js';
import { assertProxyWorks } from '../remote/reach.js';

export interface CommandEnd {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandHandle {
  readonly pid: number;
  /** Rejects with CommandExitError for an exit code that is not 0. */
  wait(): Promise<CommandEnd>;
  kill(): Promise<boolean>;
  disconnect(): Promise<void>;
}

export interface RequestOptions {
  readonly requestTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface E2bSandbox {
  readonly sandboxId: string;
  readonly commands: {
    run(
      command: string,
      options: RequestOptions & {
        readonly background: true;
        readonly user: string;
        readonly cwd: string;
        readonly envs: Readonly<Record<string, string>>;
        readonly timeoutMs: number;
        readonly onStdout: (text: string) => void;
      },
    ): Promise<CommandHandle>;
  };
  readonly files: {
    write(
      path: string,
      data: Blob,
      options: RequestOptions & { readonly user: string; readonly useOctetStream: boolean },
    ): Promise<unknown>;
    read(
      path: string,
      options: RequestOptions & {
        readonly user: string;
        readonly format: 'stream';
        readonly streamIdleTimeoutMs: number;
      },
    ): Promise<ReadableStream<Uint8Array> | Readable>;
  };
  isRunning(options?: RequestOptions): Promise<boolean>;
  setTimeout(ms: number, options?: RequestOptions): Promise<void>;
  updateNetwork(policy: NetworkUpdate, options?: RequestOptions): Promise<void>;
}

export interface NetworkUpdate {
  readonly allowOut?: readonly string[];
  readonly denyOut?: readonly string[];
  readonly allowInternetAccess?: boolean;
}

export interface SandboxInfo {
  readonly sandboxId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly state: string;
  readonly cpuCount: number;
  readonly memoryMB: number;
}

export interface E2bTemplate {
  fromImage(image: string): E2bTemplate;
  setUser(user: string): E2bTemplate;
  setWorkdir(dir: string): E2bTemplate;
  copy(source: string, destination: string): E2bTemplate;
  runCmd(command: string, options: { readonly user: string }): E2bTemplate;
}

export interface BuildSettings {
  readonly cpuCount: number;
  readonly memoryMB: number;
  readonly skipCache: boolean;
  readonly tags?: string[];
  readonly onBuildLogs?: (entry: { readonly message: string; readonly level: string }) => void;
}

export interface BegunBuild {
  readonly templateId: string;
  readonly buildId: string;
}

export interface E2bClient {
  readonly Sandbox: {
    create(
      template: string,
      options: RequestOptions & {
        readonly metadata: Readonly<Record<string, string>>;
        readonly timeoutMs: number;
        readonly allowInternetAccess?: boolean;
        readonly network?: NetworkUpdate;
      },
    ): Promise<E2bSandbox>;
    connect(id: string, options: RequestOptions & { readonly timeoutMs: number }): Promise<E2bSandbox>;
    kill(id: string, options?: RequestOptions): Promise<boolean>;
    getInfo(id: string, options?: RequestOptions): Promise<SandboxInfo>;
    list(options: RequestOptions & { readonly query: { readonly metadata: Readonly<Record<string, string>> } }): {
      readonly hasNext: boolean;
      nextItems(options?: RequestOptions): Promise<SandboxInfo[]>;
    };
  };
  readonly Template: {
    (options: { readonly fileContextPath: string }): E2bTemplate;
    exists(name: string, options?: RequestOptions): Promise<boolean>;
    /** @param target `<name>:<tag>` */
    assignTags(target: string, tags: string[], options?: RequestOptions): Promise<unknown>;
    build(template: E2bTemplate, name: string, settings: RequestOptions & BuildSettings): Promise<unknown>;
    /** Resolves when the build has begun. */
    buildInBackground(template: E2bTemplate, name: string, settings: BuildSettings): Promise<BegunBuild>;
    getBuildStatus(
      build: BegunBuild,
      options: RequestOptions & { readonly logsOffset: number },
    ): Promise<{
      readonly status: string;
      readonly logEntries: readonly { readonly message: string }[];
      readonly reason?: { readonly message: string };
    }>;
  };
}

export interface E2bConnection {
  readonly apiKey: string;
  readonly apiUrl?: string;
  readonly sandboxUrl?: string;
  readonly domain?: string;
  readonly requestTimeoutMs: number;
  /** The proxy variables, which the SDK ignores. */
  readonly env: ProxyEnv;
}

const DOMAIN = 'e2b.app';

/**
 * A client of its own, bound to these options and to no environment variable. It waits by itself for a 429 with Retry-After, which
 * it does not hand on; everything else is ours. Its uploads of build contexts go through undici's global dispatcher.
 * @throws ERR_MODULE_NOT_FOUND when the package is not installed, NetworkError when a proxy is in the way
 */
export async function loadE2b({ env, ...connection }: E2bConnection): Promise<E2bClient> {
  const { domain = DOMAIN, apiUrl = `https://api.${domain}`, sandboxUrl = `https://sandbox.${domain}` } = connection;
  await assertProxyWorks(apiUrl, env);
  const proxy = oneProxy(apiUrl, sandboxUrl, env);
  const { E2B } = await import('e2b');
  await installProxies(env);
  return new E2B({ ...connection, ...(proxy === null ? {} : { proxy }) }) as unknown as E2bClient;
}

/** The SDK takes one for its API and its sandboxes. @throws NetworkError when the variables want two */
function oneProxy(apiUrl: string, sandboxUrl: string, env: ProxyEnv): string | null {
  const [api, sandbox] = [apiUrl, sandboxUrl].map((url) => proxyFor(url, env)?.url ?? null);
  if (api === sandbox || api === undefined) return api ?? null;
  const hosts = [apiUrl, sandboxUrl].map((url) => new URL(url).hostname).join(' and ');
  throw new NetworkError(`E2B’s SDK takes one proxy for ${hosts}: name both in NO_PROXY, or neither`, {
    origin: 'harness',
    retryable: false,
  });
}
