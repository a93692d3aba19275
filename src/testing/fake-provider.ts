/**
 * A provider without a backend: sandboxes are file trees in memory, commands are answered by handlers, every call is logged,
 * and any call can be made to fail, hang or wait. For tests of trials, jobs and reports.
 */
import { TransferError, UnknownUserError } from '../exception/errors.js';
import type { ImageSpec, PreparedImage } from '../model/image.js';
import type {
  Capabilities,
  ExecOptions,
  ExecResult,
  NetworkPolicy,
  Preflight,
  Sandbox,
  SandboxProvider,
  SandboxRef,
  SandboxSpec,
} from '../model/provider.js';
import type { ProviderName } from '../model/words.js';
import { createFakeFiles, type FakeFiles } from './fake-files.js';
import { answer, type FakeImage, type FakeReply, type FakeScripts } from './fake-shell.js';

export type { FakeExec, FakeHandler, FakeImage, FakeReply } from './fake-shell.js';

export const CALL_KINDS = [
  'prepare',
  'create',
  'exec',
  'upload',
  'download',
  'setNetwork',
  'stopService',
  'serviceLogs',
  'dispose',
] as const;
export type CallKind = (typeof CALL_KINDS)[number];

/** One call, in the order of their beginning. */
export interface FakeCall {
  readonly kind: CallKind;
  /** The sandbox's name; null for prepare. */
  readonly sandbox: string | null;
  /** The command, the path, the policy or the service. */
  readonly detail: string;
  readonly argv?: readonly string[];
  readonly options?: ExecOptions;
  /** Of a download. */
  readonly exclude?: readonly string[];
  readonly spec?: SandboxSpec;
  readonly image?: ImageSpec;
}

export interface FakeSandbox {
  readonly spec: SandboxSpec;
  readonly files: FakeFiles;
  disposed: boolean;
  network: NetworkPolicy;
}

export interface FakeProviderOptions extends FakeScripts {
  name?: ProviderName;
  emulated?: boolean;
  capabilities?: Partial<Capabilities>;
  defaultConcurrency?: number;
  preflight?: Preflight;
  image?: FakeImage;
  prepared?: Partial<PreparedImage>;
  effective?: Sandbox['effective'];
  interventions?: readonly string[];
  /** Users that exist besides root and every number; default: all do. */
  users?: readonly string[];
  /** Written to the log of every prepare. */
  buildLog?: string;
  /** Runs before every call: throw to fail it, return a promise to hold it up. */
  before?: (call: FakeCall, signal: AbortSignal) => void | Promise<void>;
  /** What a create waits for before its turn comes, off the caller's clock. */
  turn?: () => Promise<void>;
  /** Handlers of one sandbox role (`main`, `verifier`) instead of the general ones. */
  roles?: Readonly<Record<string, FakeScripts & { image?: FakeImage }>>;
}

export interface FakeProvider extends SandboxProvider {
  readonly calls: readonly FakeCall[];
  readonly sandboxes: readonly FakeSandbox[];
  /** Sandboxes that were created and not disposed of. */
  readonly live: readonly FakeSandbox[];
}

export function createFakeProvider(options: FakeProviderOptions = {}): FakeProvider {
  const calls: FakeCall[] = [];
  const sandboxes: FakeSandbox[] = [];
  const name = options.name ?? 'docker';

  const begin = async (call: FakeCall, signal: AbortSignal) => {
    calls.push(call);
    signal.throwIfAborted();
    await orAbort(Promise.resolve(options.before?.(call, signal)), signal);
  };

  return {
    name,
    emulated: options.emulated ?? false,
    defaultConcurrency: options.defaultConcurrency ?? 4,
    capabilities: { ...FAKE_CAPABILITIES, ...options.capabilities },
    calls,
    sandboxes,
    get live() {
      return sandboxes.filter((sandbox) => !sandbox.disposed);
    },
    preflight: async () => options.preflight ?? { status: 'ready', versions: { fake: '1' } },

    async prepare(image, ctx) {
      await begin({ kind: 'prepare', sandbox: null, detail: imageName(image), image }, ctx.signal);
      if (options.buildLog) ctx.onLog(options.buildLog);
      ctx.onEvent('prepared');
      return {
        source: image.source?.kind === 'prebuilt' ? 'prebuilt' : 'built',
        ref: `fake:${imageName(image)}`,
        digest: `sha256:${'0'.repeat(64)}`,
        cacheHit: false,
        provenance: 'build',
        warnings: [],
        ...options.prepared,
        spec: image,
      };
    },

    async create(spec, ctx) {
      if (options.turn) await (ctx.queued?.(options.turn()) ?? options.turn());
      await begin({ kind: 'create', sandbox: spec.name, detail: spec.image.ref, spec }, ctx.signal);
      ctx.onEvent('created');
      const role = options.roles?.[spec.labels['role'] ?? ''] ?? {};
      const image = role.image ?? options.image ?? {};
      const files = createFakeFiles();
      for (const [path, text] of Object.entries(image.files ?? {})) files.write(path, text);
      files.mkdir(spec.workdir ?? image.workdir ?? '/');
      const state: FakeSandbox = { spec, files, disposed: false, network: spec.network };
      sandboxes.push(state);
      return createFakeSandbox(state, options, { image, scripts: { ...options, ...role } }, begin);
    },

    list: async (scope) =>
      sandboxes
        .filter((sandbox) => !sandbox.disposed && (scope === 'all' || sandbox.spec.owner.runId === scope.runId))
        .map(toRef),

    async destroy(ref) {
      for (const sandbox of sandboxes) if (sandbox.spec.name === ref.ref) sandbox.disposed = true;
    },
  };
}

export const FAKE_CAPABILITIES: Capabilities = {
  networkModes: ['public', 'no-network', 'allowlist'],
  allowlistKinds: ['host', 'wildcard', 'ipv4', 'ipv6', 'cidr'],
  dynamicNetwork: true,
  compose: true,
  gpu: false,
  windows: false,
  limits: { cpus: true, memory: true, storage: false },
  deadlineSlackMs: 0,
  platforms: ['linux/amd64'],
  notes: [],
};

type Begin = (call: FakeCall, signal: AbortSignal) => Promise<void>;

function createFakeSandbox(
  state: FakeSandbox,
  options: FakeProviderOptions,
  behaviour: { image: FakeImage; scripts: FakeScripts },
  begin: Begin,
): Sandbox {
  const { spec, files } = state;
  const never = new AbortController().signal;
  const call = (kind: CallKind, detail: string, signal = never, more: Partial<FakeCall> = {}) =>
    begin({ kind, sandbox: spec.name, detail, ...more }, signal);
  const { memoryMb, cpus, storageMb } = spec.resources;
  return {
    id: spec.name,
    effective: options.effective ?? { cpus, memoryMb, storageMb },
    interventions: options.interventions ?? [],

    async exec(argv, execOptions = {}) {
      const signal = execOptions.signal ?? never;
      const script = argv[1] === '-c' ? (argv[2] ?? '') : argv.join(' ');
      await call('exec', script, signal, { argv, options: execOptions });
      const { user } = execOptions;
      if (typeof user === 'string' && user !== 'root' && options.users && !options.users.includes(user)) {
        throw new UnknownUserError(`user ${user} does not exist in the image`);
      }
      const exec = { argv, script, options: execOptions, files, signal };
      return toResult(await orAbort(answer(exec, behaviour.image, behaviour.scripts), signal));
    },

    async upload(hostPath, to, transfer = {}) {
      await call('upload', to, transfer.signal);
      await files.importFrom(hostPath, to);
    },

    async download(from, hostPath, transfer = {}) {
      await call('download', from, transfer.signal, transfer.exclude ? { exclude: transfer.exclude } : {});
      if (!(await files.exportTo(from, hostPath))) throw new TransferError(`${from} does not exist in the sandbox`);
    },

    async setNetwork(policy, signal) {
      await call(
        'setNetwork',
        policy.mode === 'allowlist' ? `allowlist ${policy.hosts.join(' ')}` : policy.mode,
        signal,
      );
      state.network = policy;
    },
    stopService: (service) => call('stopService', service),
    async serviceLogs(service) {
      await call('serviceLogs', service);
      return `logs of ${service}\n`;
    },
    async [Symbol.asyncDispose]() {
      await call('dispose', spec.name);
      state.disposed = true;
    },
  };
}

function toResult(reply: FakeReply): ExecResult {
  const bytes = (text: string | undefined) => new TextEncoder().encode(text ?? '');
  const timedOut = reply.timedOut ?? false;
  return {
    truncated: false,
    oomKilled: false,
    durationMs: 1,
    ...reply,
    timedOut,
    exitCode: timedOut ? null : (reply.exitCode ?? 0),
    stdout: bytes(reply.stdout),
    stderr: bytes(reply.stderr),
  };
}

/** Settles with the work, or rejects with the signal's reason as soon as it aborts. */
async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function imageName(image: ImageSpec): string {
  if (image.source?.kind === 'prebuilt') return image.source.ref;
  return image.source?.contextDir ?? image.compose?.projectDir ?? 'nothing';
}

function toRef({ spec }: FakeSandbox): SandboxRef {
  const { runId, owner, expiresAt } = spec.owner;
  return { ref: spec.name, kind: 'sandbox', runId, owner, expiresAt, state: 'running' };
}

/** For `before` and handlers: a call that never ends by itself. */
export function hang(): Promise<never> {
  return new Promise(() => undefined);
}
