/**
 * The one file that knows the npm package `tensorlake` (0.5.89): what we use of it, structurally, so that nothing is loaded
 * and no type of it is needed until the provider is chosen.
 */
import { installProxies } from '../../util/web.js';
import { assertProxyWorks } from '../remote/reach.js';
import { writeRoots } from '../remote/roots.js';
import { lendToProcess, type TensorlakeConfig } from './config.js';

export interface SdkSandboxInfo {
  readonly sandboxId: string;
  readonly status: string;
  readonly name?: string | null;
  readonly resources: { readonly cpus?: number; readonly memoryMb?: number; readonly ephemeralDiskMb?: number };
  readonly terminationReason?: string;
  readonly errorDetails?: unknown;
  readonly outcome?: string;
}

export interface SdkCreateRequest {
  readonly image: string;
  readonly name: string;
  readonly cpus?: number;
  readonly memoryMb?: number;
  readonly diskMb?: number;
  readonly timeoutSecs: number;
  readonly allowInternetAccess?: boolean;
  readonly allowOut?: readonly string[];
}

/** Lifecycle. `create` answers at once; the public `Sandbox.create` waits inside and can neither be watched nor stopped. */
export interface SdkClient {
  create(request: SdkCreateRequest): Promise<{ readonly sandboxId: string; readonly status: string }>;
  get(idOrName: string): Promise<SdkSandboxInfo>;
  list(): Promise<readonly SdkSandboxInfo[]>;
  delete(id: string): Promise<void>;
}

export interface SdkProcess {
  readonly pid: number;
  readonly status: string;
  readonly exitCode?: number | null;
  readonly signal?: number | null;
}

export interface SdkOutputEvent {
  readonly line: string;
  readonly stream?: string;
}

/** A connected sandbox. */
export interface SdkSandbox {
  startProcess(
    command: string,
    options: { args: string[]; env?: Record<string, string>; user?: string; workingDir?: string; stdinMode?: 'closed' },
  ): Promise<SdkProcess>;
  getProcess(pid: number): Promise<SdkProcess>;
  followOutput(pid: number, options: { signal?: AbortSignal }): AsyncIterable<SdkOutputEvent>;
  readFile(path: string): Promise<Uint8Array>;
  writeFile(path: string, data: Uint8Array): Promise<void>;
}

export interface SdkBuildOptions {
  readonly registeredName: string;
  readonly diskMb?: number;
  readonly builderDiskMb?: number;
  readonly dockerCompat?: boolean;
}

export interface SdkBuildEvent {
  readonly type: string;
  readonly message?: string;
}

/** Read the process's variables at each call. */
export interface SdkImages {
  find(name: string): Promise<{ readonly name: string; readonly id: string; readonly snapshotId: string } | null>;
  import(ref: string, options: SdkBuildOptions, emit: (event: SdkBuildEvent) => void): Promise<unknown>;
  build(dockerfile: string, options: SdkBuildOptions, emit: (event: SdkBuildEvent) => void): Promise<unknown>;
}

export interface Sdk {
  readonly images: SdkImages;
  /** @param requestSec limit of each call, in seconds */
  client(requestSec: number): SdkClient;
  /** @param requestSec null: no limit, for output that is followed to its end */
  connect(sandboxId: string, requestSec: number | null): Promise<SdkSandbox>;
}

type Emit = { emit: (event: SdkBuildEvent) => void };

interface Module {
  readonly Sandbox: { connect(options: object): Promise<SdkSandbox> };
  readonly SandboxClient: new (options: object, internal: boolean) => SdkClient;
  findSandboxImageByName: SdkImages['find'];
  importSandboxImage(ref: string, options: SdkBuildOptions, deps: Emit): Promise<unknown>;
  createSandboxImage(dockerfile: string, options: SdkBuildOptions, deps: Emit): Promise<unknown>;
}

/**
 * @throws ERR_MODULE_NOT_FOUND when the package is not installed, and on Node 20 a TypeError of undici 8 when the override of
 * our package.json is missing (preflight.ts explains it); NetworkError when a proxy is in the way
 */
export async function loadSdk(config: TensorlakeConfig): Promise<Sdk> {
  await assertProxyWorks(config.apiUrl, config.env);
  const roots = config.extraRoots === null ? null : await writeRoots(config.extraRoots);
  lendToProcess(config, roots); // before the import, which freezes some of the variables
  const sdk = (await import('tensorlake')) as unknown as Module;
  await installProxies(config.env); // the import has set a dispatcher that knows no proxy
  const common = {
    apiUrl: config.apiUrl,
    namespace: config.namespace,
    ...(config.apiKey === null ? {} : { apiKey: config.apiKey }),
    ...(config.organizationId === null ? {} : { organizationId: config.organizationId }),
    ...(config.projectId === null ? {} : { projectId: config.projectId }),
  };
  const lent = <T>(call: () => Promise<T>): Promise<T> => {
    lendToProcess(config, roots);
    return call();
  };
  return {
    images: {
      find: (name) => lent(() => sdk.findSandboxImageByName(name)),
      import: (ref, options, emit) => lent(() => sdk.importSandboxImage(ref, options, { emit })),
      build: (dockerfile, options, emit) => lent(() => sdk.createSandboxImage(dockerfile, options, { emit })),
    },
    // The second argument only keeps a warning from the console: this class is deprecated in favour of `Sandbox`, which has no
    // create that returns before the sandbox runs.
    client: (requestSec) => new sdk.SandboxClient({ ...common, requestTimeout: requestSec }, true),
    connect: (sandboxId, requestSec) =>
      sdk.Sandbox.connect({ ...common, sandboxId, ...(requestSec === null ? {} : { requestTimeout: requestSec }) }),
  };
}
