/**
 * The one file that loads the SDK, and the part of it that we use. `cpClient` is the SDK's own gRPC client: the classes above it
 * hide build logs, labels in lists, and why a sandbox ended, and have no build context at all.
 */

import { assertProxyWorks } from '../remote/reach.js';
import { writeRoots } from '../remote/roots.js';
import { grpcVariables, type ModalConnection, withModalEnvironment } from './config.js';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/** `GenericResult` of the wire. */
export interface ModalResult {
  readonly status: number;
  readonly exception: string;
  readonly exitcode: number;
}

export interface Tag {
  readonly tagName: string;
  readonly tagValue: string;
}

export interface SandboxRow {
  readonly id: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly name: string;
  readonly tags: readonly Tag[];
}

export interface ImageDefinition {
  readonly dockerfileCommands: readonly string[];
  readonly contextMountId?: string;
  readonly imageRegistryConfig?: { readonly registryAuthType: number; readonly secretId: string };
}

export interface MountFile {
  readonly filename: string;
  readonly sha256Hex: string;
  readonly size: number;
  readonly mode: number;
}

export interface ControlPlane {
  mountBatchedCheckExistence(
    request: { readonly sha256HexHashes: readonly string[] },
    options?: CallOptions,
  ): Promise<{ readonly missingSha256HexHashes: readonly string[] }>;
  mountPutFile(
    request: { readonly sha256Hex: string; readonly data: Uint8Array },
    options?: CallOptions,
  ): Promise<{ readonly exists: boolean }>;
  mountGetOrCreate(
    request: { readonly objectCreationType: number; readonly appId: string; readonly files: readonly MountFile[] },
    options?: CallOptions,
  ): Promise<{ readonly mountId: string }>;
  secretGetOrCreate(
    request: {
      readonly objectCreationType: number;
      readonly appId: string;
      readonly environmentName: string;
      readonly envDict: Readonly<Record<string, string>>;
    },
    options?: CallOptions,
  ): Promise<{ readonly secretId: string }>;
  imageGetOrCreate(
    request: {
      readonly appId: string;
      readonly builderVersion: string;
      readonly forceBuild: boolean;
      readonly image: ImageDefinition;
    },
    options?: CallOptions,
  ): Promise<{ readonly imageId: string; readonly result?: ModalResult | undefined }>;
  imageJoinStreaming(
    request: {
      readonly imageId: string;
      readonly timeout: number;
      readonly lastEntryId: string;
      readonly includeLogsForFinished: boolean;
    },
    options?: CallOptions,
  ): AsyncIterable<{
    readonly result?: ModalResult | undefined;
    readonly taskLogs: readonly { readonly data: string }[];
    readonly entryId: string;
  }>;
  sandboxListV2(
    request: { readonly appId: string; readonly beforeTimestamp: number; readonly tags: readonly Tag[] },
    options?: CallOptions,
  ): Promise<{ readonly sandboxes: readonly SandboxRow[] }>;
  sandboxWaitV2(
    request: { readonly sandboxId: string; readonly timeout: number },
    options?: CallOptions,
  ): Promise<{ readonly result?: ModalResult | undefined }>;
  sandboxTerminateV2(request: { readonly sandboxId: string }, options?: CallOptions): Promise<unknown>;
}

export interface ModalProcess {
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Hidden in the SDK's types, and the only look at a process that does not wait for it: null while it runs. */
  _poll(): Promise<number | null>;
}

export interface ModalSandbox {
  readonly sandboxId: string;
  exec(
    command: readonly string[],
    params: { readonly mode: 'binary'; readonly workdir: string; readonly timeoutMs?: number },
  ): Promise<ModalProcess>;
  readonly filesystem: {
    writeBytes(data: Uint8Array, path: string): Promise<void>;
    stat(path: string): Promise<unknown>;
  };
  updateNetworkPolicy(policy: {
    readonly outboundCidrAllowlist: readonly string[];
    readonly outboundDomainAllowlist: readonly string[];
  }): Promise<void>;
  detach(): void;
}

export interface ModalApp {
  readonly appId: string;
}

export interface ModalImage {
  readonly imageId: string;
}

export interface CreateParams {
  readonly command: readonly string[];
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly cpu?: number;
  readonly cpuLimit?: number;
  readonly memoryMiB?: number;
  readonly memoryLimitMiB?: number;
  readonly blockNetwork?: boolean;
  readonly outboundCidrAllowlist?: readonly string[];
  readonly outboundDomainAllowlist?: readonly string[];
}

export interface ModalClient {
  readonly profile: {
    readonly serverUrl: string;
    readonly tokenId?: string;
    readonly oauthRefreshToken?: string;
    readonly environment?: string;
  };
  readonly cpClient: ControlPlane;
  readonly apps: { fromName(name: string, params: { readonly createIfMissing: boolean }): Promise<ModalApp> };
  readonly images: { fromId(id: string): Promise<ModalImage> };
  readonly sandboxes: {
    create(app: ModalApp, image: ModalImage, params: CreateParams): Promise<ModalSandbox>;
    fromId(id: string): Promise<ModalSandbox>;
  };
  getImageBuilderVersion(): Promise<string>;
  close(): void;
}

/** The stages of a call that the SDK lets others stand between. */
interface MiddlewareCall {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: unknown;
  next(request: unknown, options: CallOptions): AsyncGenerator<unknown, unknown, undefined>;
}

/**
 * @throws ERR_MODULE_NOT_FOUND when the package is not installed, NetworkError when a proxy is in the way
 */
export async function loadModal(connection: ModalConnection): Promise<ModalClient> {
  const roots =
    connection.extraRoots === null ? {} : { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: await writeRoots(connection.extraRoots) };
  const grpc = { ...grpcVariables(connection.env), ...roots };
  const client = await withModalEnvironment(connection, grpc, async () => {
    const { ModalClient } = await import('modal');
    const options = {
      logger: SILENT,
      grpcMiddleware: [limited(connection.requestTimeoutMs)],
    };
    return new ModalClient(options as never) as unknown as ModalClient;
  });
  const { serverUrl, tokenId, oauthRefreshToken } = client.profile;
  // without a login there is nothing to ask Modal for
  if (tokenId || oauthRefreshToken) await assertProxyWorks(serverUrl, connection.env);
  return client;
}

/** The SDK has no limit for calls of the control plane: a server that does not answer would be waited for for ever. */
function limited(timeoutMs: number) {
  return async function* limit(call: MiddlewareCall, options: CallOptions) {
    const unary = !call.requestStream && !call.responseStream;
    const own = unary && options.timeoutMs === undefined ? { ...options, timeoutMs } : options;
    return yield* call.next(call.request, own);
  };
}

/** What it would log is in the errors or of no use; it must not write to our terminal. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
