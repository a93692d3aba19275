/**
 * The provider contract (docs/design.md section 4). Every provider passes the same contract suite; src/provider/guard.ts
 * adds the rules that do not depend on a backend. Times are milliseconds, sizes bytes, unless the name says otherwise.
 */
import type { ImageSpec, PreparedImage, ResourceRequest } from './image.js';
import type { NetworkMode } from './task.js';
import type { ProviderName } from './words.js';

export type AllowlistKind = 'host' | 'wildcard' | 'ipv4' | 'ipv6' | 'cidr';

/** What a provider can honour. A task that needs more is `unsupported` at plan time; nothing is silently ignored. */
export interface Capabilities {
  readonly networkModes: readonly NetworkMode[];
  /** Kinds of allowed_hosts entries that an allowlist can hold; empty without `allowlist`. */
  readonly allowlistKinds: readonly AllowlistKind[];
  /** Whether `setNetwork` can change the policy of a running sandbox. */
  readonly dynamicNetwork: boolean;
  readonly compose: boolean;
  readonly gpu: boolean;
  readonly windows: boolean;
  readonly limits: { readonly cpus: boolean; readonly memory: boolean; readonly storage: boolean };
  /** How far past its limit an exec deadline may return; at most 15,000. */
  readonly deadlineSlackMs: number;
  /** Platforms that it runs, the native one first. */
  readonly platforms: readonly `linux/${string}`[];
  /** What a user should know that no flag says; shown by `plumbline providers`. */
  readonly notes: readonly string[];
}

export type Preflight =
  | { readonly status: 'ready'; readonly versions: Record<string, string>; readonly warnings?: readonly string[] }
  | { readonly status: 'missing'; readonly what: string; readonly fix: string };

/** Identifies the owner of everything that is created; becomes labels and journal lines. */
export interface Owner {
  readonly runId: string;
  /** `<host name>:<pid>:<start time of the process>`: enough to tell whether the owner is alive. */
  readonly owner: string;
  /** ISO 8601; after this moment `reap` may delete from another host. */
  readonly expiresAt: string;
}

/** A call to the provider that failed and was made again, or whose effect was found to be there. */
export interface Recovery {
  /** The work, in words that do not differ from one call to the next, so that they can be counted: "create", "upload". */
  readonly what: string;
  /** The exception type of the failure. */
  readonly after: string;
}

export interface ProviderContext {
  readonly signal: AbortSignal;
  /**
   * Called with every state that the backend reports ("pulling", "build step 3/7", "creating"), and with every recovery, which
   * is no state: its words say what is done about it. Given to `create` it is called as long as the sandbox lives: for
   * recoveries of exec, transfers, setNetwork and disposal.
   */
  readonly onEvent: (state: string, recovery?: Recovery) => void;
  /** Waits for a turn, ours or the provider's (rate limits), with the caller's clock stopped: queue time is not start time. */
  readonly queued?: <T>(wait: Promise<T>) => Promise<T>;
  /**
   * Writes a helper sandbox of this name into the journal before it is made; `destroy` must find it by that name. The result
   * strikes it out. Absent: there is no journal.
   */
  readonly announce?: ((name: string) => Promise<() => Promise<void>>) | undefined;
}

export interface PrepareContext extends ProviderContext {
  readonly owner: Owner;
  readonly forceBuild: boolean;
  /** Receives the raw build or pull log as it is produced. */
  readonly onLog: (chunk: string) => void;
  /** Bounds the shared work on this image: the clock of whoever asked first counts for everybody. Absent: no limit. */
  readonly timeoutMs?: number;
}

export type NetworkPolicy =
  | { readonly mode: 'public' }
  | { readonly mode: 'no-network' }
  | { readonly mode: 'allowlist'; readonly hosts: readonly string[] };

export interface SandboxSpec {
  /** Unique, at most 63 characters of [a-z0-9-]; part of every name that is created. */
  readonly name: string;
  readonly image: PreparedImage;
  readonly owner: Owner;
  /** Human-readable labels of ours (trial, task); values at most 63 characters. */
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: ResourceRequest;
  /** Environment of the main process and of every exec in it. In a compose task: of service main. */
  readonly env: Readonly<Record<string, string>>;
  /** Default cwd of every exec in main; null is the image's WORKDIR. */
  readonly workdir: string | null;
  readonly network: NetworkPolicy;
  /** True when `setNetwork` will be called: a provider may need to start differently for that. */
  readonly networkWillChange: boolean;
  /** True: no interventions (`--raw`) but those without which the provider could not keep this contract; they stay listed. */
  readonly raw: boolean;
  /** Milliseconds after which nobody can need it any more: a limit for the provider to keep. Absent: until its owner expires. */
  readonly lifetimeMs?: number;
}

export interface Effective {
  readonly cpus: number | null;
  readonly memoryMb: number | null;
  readonly storageMb: number | null;
}

export interface ExecOptions {
  /** Absolute; default is the sandbox's workdir. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A name or a numeric uid; default is the image's USER. */
  readonly user?: string | number;
  /** Absent: no deadline. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Absent: stdin is closed. */
  readonly stdin?: Uint8Array;
  readonly onOutput?: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void;
  /** Per stream; default 10 MiB. More is cut and `truncated` is set; the command is not disturbed. */
  readonly maxOutputBytes?: number;
  /** A compose service; default main. */
  readonly service?: string;
}

export interface ExecResult {
  /** Null only with `timedOut`. Death by signal N is 128 + N. */
  readonly exitCode: number | null;
  readonly signal?: string;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly timedOut: boolean;
  readonly truncated: boolean;
  /** Null: the provider cannot tell. */
  readonly oomKilled: boolean | null;
  readonly durationMs: number;
}

export interface Sandbox extends AsyncDisposable {
  readonly id: string;
  readonly effective: Effective;
  /** Names of what differs from the image alone: what the adapter changed, and what is the provider's own and shows. */
  readonly interventions: readonly string[];
  /**
   * Runs argv without a shell. A command that ran and failed is a result, as is a program that the caller named and that
   * is missing (127) or not executable (126).
   * @throws UnknownUserError, ExecError (missing cwd, unknown exit code), SandboxLostError
   */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** A file or a directory's contents; owner 0:0, parents created, modes and links kept. @throws TransferError */
  upload(hostPath: string, to: string, options?: TransferOptions): Promise<void>;
  /** A file to a file, or a directory's contents into a directory. @throws TransferError */
  download(from: string, hostPath: string, options?: DownloadOptions): Promise<void>;
  /** Only with `capabilities.dynamicNetwork`. */
  setNetwork?(policy: NetworkPolicy, signal?: AbortSignal): Promise<void>;
  /** Stops one compose service (separate verifiers stop main before sidecars are read). */
  stopService?(name: string): Promise<void>;
  /** Logs of a compose service, for evidence. */
  serviceLogs?(name: string): Promise<string>;
  /**
   * Lets the sandbox outlive this process (`--keep-failed`, `--no-delete`), where it would otherwise end with it. Answers the
   * command with which a person enters it. Absent where sandboxes stay by themselves until they are disposed of.
   */
  keep?(): Promise<string>;
}

export interface TransferOptions {
  readonly service?: string;
  readonly signal?: AbortSignal;
}
export interface DownloadOptions extends TransferOptions {
  /** GNU tar patterns. */
  readonly exclude?: readonly string[];
}

export interface SandboxRef {
  readonly ref: string;
  /** container, network, volume, sandbox, directory …: how a person would call it. */
  readonly kind: string;
  readonly runId: string;
  readonly owner: string;
  readonly expiresAt: string;
  readonly state: string;
}

/** All of ours, or those of one run. */
export type ListScope = { readonly runId: string } | 'all';

export interface SandboxProvider {
  readonly name: ProviderName;
  readonly capabilities: Capabilities;
  readonly defaultConcurrency: number;
  /** True when the backend is one of our emulators. */
  readonly emulated: boolean;
  /** Cheap, creates nothing, never throws for a missing backend. */
  preflight(signal: AbortSignal): Promise<Preflight>;
  /**
   * Why this provider can never make this image (its builder does not know an instruction), in words for the report; null
   * when it can. Builds nothing; a definition that is broken is `prepare`'s to report. Absent: nothing is known beforehand.
   */
  unsupportedImage?(image: ImageSpec, signal: AbortSignal): Promise<string | null>;
  /** Find → import → build → replay. @throws ImageBuildError, ImagePullError, RegistryRateLimitError, EnvironmentDefinitionError */
  prepare(image: ImageSpec, ctx: PrepareContext): Promise<PreparedImage>;
  /** @throws SandboxCreateError and the provider errors; an abort destroys a late arrival. */
  create(spec: SandboxSpec, ctx: ProviderContext): Promise<Sandbox>;
  list(scope: ListScope): Promise<SandboxRef[]>;
  /** Idempotent: a ref that is gone is not an error. For kind `sandbox` the ref is a sandbox's id or its `spec.name`. */
  destroy(ref: SandboxRef): Promise<void>;
  /** Removes the images that we built (cache, not leaks) and that no sandbox uses; answers their names. */
  reapImages?(dryRun: boolean): Promise<string[]>;
  /** Closes clients and helpers of this process; creates nothing, deletes nothing. */
  close?(): Promise<void>;
}
