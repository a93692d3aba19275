/**
 * The one file that loads the SDK, and the part of it that we use. Its own `create` and `snapshot.create` wait without a limit, cannot
 * be aborted and hide the states that they see; these are the generated clients beneath them, in the order in which they call.
 */
import { hasProxy } from '../../util/proxy.js';
import { webAccess } from '../../util/web.js';
import { assertProxyWorks } from '../remote/reach.js';
import { type DaytonaConnection, settleEnvironment } from './config.js';
import { type ContextItem, type PushAccess, uploadThroughProxy } from './storage.js';

export type { ContextItem } from './storage.js';

export interface CallOptions {
  /** Milliseconds. */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface SandboxDto {
  readonly id: string;
  readonly name?: string;
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly cpu: number;
  /** GiB. */
  readonly memory: number;
  /** GiB. */
  readonly disk: number;
  readonly errorReason?: string | null;
  readonly toolboxProxyUrl?: string;
}

export interface SnapshotDto {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly errorReason: string | null;
}

export interface NetworkSettings {
  readonly networkBlockAll?: boolean;
  readonly networkAllowList?: string;
  readonly domainAllowList?: string;
}

export interface NewSandbox extends NetworkSettings {
  readonly name: string;
  readonly snapshot: string;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly target?: string;
  /** Minutes; also the next three. */
  readonly autoStopInterval: number;
  readonly autoDeleteInterval: number;
  readonly ttlMinutes: number;
}

export interface NewSnapshot {
  readonly name: string;
  readonly buildInfo: { readonly dockerfileContent: string; readonly contextHashes: readonly string[] };
  readonly cpu?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly regionId?: string;
}

interface Reply<T> {
  readonly data: T;
}

/** Of one sandbox: its toolbox, through which commands and files go. */
export interface Toolbox {
  readonly process: {
    executeCommand(
      command: string,
      cwd: string | undefined,
      env: Readonly<Record<string, string>> | undefined,
      timeoutSec: number,
    ): Promise<{ readonly exitCode: number; readonly result: string }>;
  };
  readonly fs: {
    uploadFile(data: Buffer, path: string, timeoutSec: number): Promise<void>;
    downloadFileStream(
      path: string,
      options: { readonly timeout: number; readonly signal?: AbortSignal | undefined },
    ): Promise<NodeJS.ReadableStream>;
  };
  refreshActivity(): Promise<void>;
}

export interface DaytonaClient {
  readonly sandboxApi: {
    createSandbox(body: NewSandbox, organization: undefined, options: CallOptions): Promise<Reply<SandboxDto>>;
    getSandbox(
      idOrName: string,
      organization: undefined,
      verbose: undefined,
      options: CallOptions,
    ): Promise<Reply<SandboxDto>>;
    deleteSandbox(id: string, organization: undefined, options: CallOptions): Promise<Reply<SandboxDto>>;
    stopSandbox(id: string, organization: undefined, force: boolean, options: CallOptions): Promise<Reply<SandboxDto>>;
    updateNetworkSettings(
      id: string,
      settings: NetworkSettings,
      organization: undefined,
      options: CallOptions,
    ): Promise<Reply<SandboxDto>>;
  };
  readonly snapshotsApi: {
    createSnapshot(body: NewSnapshot, organization: undefined, options: CallOptions): Promise<Reply<SnapshotDto>>;
    getSnapshot(idOrName: string, organization: undefined, options: CallOptions): Promise<Reply<SnapshotDto>>;
    activateSnapshot(id: string, organization: undefined, options: CallOptions): Promise<Reply<SnapshotDto>>;
    removeSnapshot(id: string, organization: undefined, options: CallOptions): Promise<unknown>;
    getSnapshotBuildLogsUrl(id: string, organization: undefined, options: CallOptions): Promise<Reply<{ url: string }>>;
  };
  /** Sends what the object storage does not have yet; answers the hashes for `buildInfo`. */
  uploadContext(items: readonly ContextItem[]): Promise<string[]>;
  toolbox(sandbox: SandboxDto): Promise<Toolbox>;
  list(query: { readonly labels?: Readonly<Record<string, string>> }): AsyncIterable<SandboxDto>;
  /** Headers of every request, for the build log, which no client fetches. */
  readonly headers: Readonly<Record<string, string>>;
  /** For the same. */
  readonly fetch: typeof fetch;
}

/** Private members of the SDK's client and snapshot service that are used here (0.216.0, the exact pin). */
interface Internals {
  readonly sandboxApi: DaytonaClient['sandboxApi'];
  readonly objectStorageApi: { getPushAccess(): Promise<Reply<PushAccess>> };
  readonly clientConfig: { readonly baseOptions: { readonly headers: Readonly<Record<string, string>> } };
  readonly snapshot: {
    readonly snapshotsApi: DaytonaClient['snapshotsApi'];
    readonly constructor: {
      processImageContext(storage: unknown, image: { contextList: readonly ContextItem[] }): Promise<string[]>;
    };
  };
  get(id: string): Promise<Toolbox>;
  list(query: { labels?: Readonly<Record<string, string>> }): AsyncIterable<SandboxDto>;
}

/**
 * Everything is given explicitly: what is not, the SDK also reads from .env files of the working directory. Without polling mode it
 * holds a socket open for events that a look per second replaces.
 * @throws ERR_MODULE_NOT_FOUND when the package is not installed, NetworkError when a proxy is in the way
 */
export async function loadDaytona(connection: DaytonaConnection): Promise<DaytonaClient> {
  const { env, ...config } = connection;
  await assertProxyWorks(config.apiUrl, env);
  settleEnvironment(env);
  const web = webAccess(env);
  const { Daytona } = await import('@daytona/sdk');
  const client = new Daytona({ ...config, useDeprecatedPolling: true }) as unknown as Internals;
  return {
    sandboxApi: client.sandboxApi,
    snapshotsApi: client.snapshot.snapshotsApi,
    async uploadContext(contextList) {
      const storage = client.objectStorageApi;
      if (!hasProxy(env)) return client.snapshot.constructor.processImageContext(storage, { contextList });
      return uploadThroughProxy((await storage.getPushAccess()).data, contextList, web);
    },
    toolbox: ({ id }) => client.get(id),
    list: (query) => client.list(query),
    headers: client.clientConfig.baseOptions.headers,
    fetch: web.fetch,
  };
}
