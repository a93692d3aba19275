/**
 * What SDK 0.11.1 throws, as ours: the SDK itself runs against a gRPC server that answers as each row says, so class and message are
 * what it makes of them today. Where it would try again for many seconds first, or wait for minutes, its class is built here with the
 * message that it had then. Every error class that it exports is in the table or has a reason not to be.
 */
import { ClientError, Status } from 'nice-grpc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFaultScript, type Fault } from '../../emulator/core/faults.js';
import { createCodec } from '../../emulator/modal/codec.js';
import { GrpcError } from '../../emulator/modal/grpc-errors.js';
import { type Method, type RunningGrpcServer, startGrpcServer } from '../../emulator/modal/grpc-server.js';
import type { ExceptionType } from '../../exception/catalogue.js';
import type { Origin } from '../../model/words.js';
import { closedUrl, rejection, unaccounted } from '../../testing/error-bench.js';
import type { Cloud } from './calls.js';
import { isRepeatable, type ModalCall, modalError } from './errors.js';
import { buildError } from './image.js';
import { loadModal, type ModalClient, type ModalSandbox } from './sdk.js';
import { modalShell } from './shell.js';

const CLIENT = '/modal.client.ModalClient';
const ROUTER = '/modal.task_command_router.TaskCommandRouter';
const LIMIT_MS = 1_500;

type Handle = Method['handle'];
type Work =
  | 'app'
  | 'image'
  | 'create'
  | 'badVariable'
  | 'list'
  | 'exec'
  | 'longExec'
  | 'manyArguments'
  | 'fresh'
  | 'detached'
  | 'write'
  | 'stat';
const CALLS: Readonly<Record<Work, ModalCall>> = {
  app: 'control',
  image: 'create',
  create: 'create',
  badVariable: 'create',
  list: 'control',
  exec: 'exec',
  longExec: 'exec',
  manyArguments: 'exec',
  fresh: 'exec',
  detached: 'exec',
  write: 'files',
  stat: 'files',
};

interface Answers {
  /** Instead of what the server would say. */
  readonly say?: Readonly<Record<string, Handle>>;
  readonly fault?: readonly [call: string, fault: Fault];
  readonly to?: 'nobody' | 'no credentials';
}

const fails =
  (code: number, message: string): Handle =>
  () => {
    throw new GrpcError(code, message);
  };
/** The program that works on files in a sandbox ends with what it says on stderr. */
const fileTool = (kind: string, message: string): Answers => ({
  say: {
    TaskExecWait: () => ({ code: 1 }),
    TaskExecStdioRead: async function* () {
      yield { data: Buffer.from(JSON.stringify({ error_kind: kind, message, detail: '' })) };
    },
  },
});
/** Built with nice-grpc’s class, as the SDK does it. */
const grpc = (path: string, code: number, details: string) => new ClientError(path, code, details);

const FINISHED = 'Sandbox sb-1 has already finished';
const CREATE_LIMIT = 'Sandbox creation rate limit exceeded';

/** What it was, what was done, what was answered, the class and message of the SDK, our type, who has to act, whether a fresh sandbox may help. */
type Row = readonly [
  string,
  Work,
  Answers | Error | ((sdk: typeof import('modal')) => Error),
  string,
  string,
  ExceptionType,
  Origin,
  boolean,
];

const ROWS: readonly Row[] = [
  [
    'no credentials',
    'list',
    { to: 'no credentials' },
    'Error',
    'Profile is missing credentials. Please set them in .modal.toml',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'a wrong token',
    'list',
    { say: { SandboxListV2: fails(16, 'Token missing or invalid') } },
    'ClientError',
    `${CLIENT}/SandboxListV2 UNAUTHENTICATED: Token missing or invalid`,
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'no permission',
    'create',
    { say: { SandboxCreateV2: fails(7, 'permission denied') } },
    'ClientError',
    `${CLIENT}/SandboxCreateV2 PERMISSION_DENIED: permission denied`,
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'the creation rate',
    'create',
    { say: { SandboxCreateV2: fails(8, CREATE_LIMIT) } },
    'ClientError',
    `${CLIENT}/SandboxCreateV2 RESOURCE_EXHAUSTED: ${CREATE_LIMIT}`,
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'a quota',
    'create',
    { say: { SandboxCreateV2: fails(8, 'workspace has reached its limit of operating containers') } },
    'ClientError',
    `${CLIENT}/SandboxCreateV2 RESOURCE_EXHAUSTED: workspace has reached its limit of operating containers`,
    'ProviderQuotaError',
    'provider',
    true,
  ],
  [
    'no capacity',
    'create',
    (sdk) => new sdk.ResourceExhaustedError('Insufficient capacity to create sandbox.'),
    'ResourceExhaustedError',
    'Insufficient capacity to create sandbox.',
    'ProviderQuotaError',
    'provider',
    true,
  ],
  [
    'a message above 100 MiB',
    'list',
    grpc(`${CLIENT}/MountPutFile`, Status.RESOURCE_EXHAUSTED, 'Sent message larger than max (105906218 vs 104857600)'),
    'ClientError',
    'Sent message larger than max',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'no app',
    'app',
    { say: { AppGetOrCreate: fails(5, 'no such app') } },
    'NotFoundError',
    "App 'plumbline' not found",
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'no app at create',
    'create',
    { say: { SandboxCreateV2: fails(5, "App 'ap-none' not found") } },
    'ClientError',
    `${CLIENT}/SandboxCreateV2 NOT_FOUND: App 'ap-none' not found`,
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'no image',
    'image',
    { say: { ImageFromId: fails(5, "Image with ID 'im-nothere' not found") } },
    'NotFoundError',
    "Image with ID 'im-nothere' not found",
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'a name that is taken',
    'create',
    { say: { SandboxCreateV2: fails(6, "Sandbox with name 'capture-1' already exists") } },
    'AlreadyExistsError',
    "Sandbox with name 'capture-1' already exists",
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'a refused CIDR',
    'create',
    { say: { SandboxCreateV2: fails(3, 'not a CIDR') } },
    'ClientError',
    `${CLIENT}/SandboxCreateV2 INVALID_ARGUMENT: not a CIDR`,
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'a state that forbids it',
    'create',
    { say: { SandboxCreateV2: fails(9, 'app is stopped') } },
    'ClientError',
    `${CLIENT}/SandboxCreateV2 FAILED_PRECONDITION: app is stopped`,
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'a refused variable',
    'badVariable',
    {},
    'InvalidError',
    '"A-B" is invalid',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'a fault of the server at create',
    'create',
    { say: { SandboxCreateV2: fails(13, 'internal server error') } },
    'ClientError',
    `${CLIENT}/SandboxCreateV2 INTERNAL: internal server error`,
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    'an unavailable server at create',
    'create',
    { say: { SandboxCreateV2: fails(14, 'service unavailable') } },
    'ClientError',
    `${CLIENT}/SandboxCreateV2 UNAVAILABLE: service unavailable`,
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    'a fault of the server at list',
    'list',
    { say: { SandboxListV2: fails(13, 'internal server error') } },
    'ClientError',
    `${CLIENT}/SandboxListV2 INTERNAL: internal server error`,
    'NetworkError',
    'provider',
    true,
  ],
  [
    'an unavailable server',
    'list',
    { say: { SandboxListV2: fails(14, 'service unavailable') } },
    'ClientError',
    `${CLIENT}/SandboxListV2 UNAVAILABLE: service unavailable`,
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a server that knows no such call',
    'list',
    { say: { SandboxListV2: fails(12, 'unknown method') } },
    'ClientError',
    `${CLIENT}/SandboxListV2 UNIMPLEMENTED: unknown method`,
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'a server that is not there',
    'list',
    { to: 'nobody' },
    'ClientError',
    'UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:',
    'NetworkError',
    'network',
    true,
  ],
  [
    'a reset',
    'list',
    { fault: ['SandboxListV2', { kind: 'reset-before' }] },
    'ClientError',
    `${CLIENT}/SandboxListV2 UNAVAILABLE: `,
    'NetworkError',
    'network',
    true,
  ],
  [
    'a slow upstream',
    'list',
    { say: { SandboxListV2: fails(4, 'upstream request timeout') } },
    'ClientError',
    `${CLIENT}/SandboxListV2 DEADLINE_EXCEEDED: upstream request timeout`,
    'NetworkError',
    'provider',
    true,
  ],
  [
    'no answer within our limit',
    'list',
    { fault: ['SandboxListV2', { kind: 'hang' }] },
    'ClientError',
    `${CLIENT}/SandboxListV2 DEADLINE_EXCEEDED: Timed out after ${LIMIT_MS}ms`,
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a cut reply',
    'list',
    { fault: ['SandboxListV2', { kind: 'truncate' }] },
    'ClientError',
    `${CLIENT}/SandboxListV2 INTERNAL: Received RST_STREAM with code 2 (Internal server error)`,
    'NetworkError',
    'network',
    true,
  ],
  [
    'an unreadable reply',
    'list',
    { fault: ['SandboxListV2', { kind: 'malformed' }] },
    'ClientError',
    `${CLIENT}/SandboxListV2 INTERNAL: Response message parsing error: `,
    'NetworkError',
    'network',
    true,
  ],
  [
    'no task within five minutes',
    'fresh',
    (sdk) => new sdk.TimeoutError('Timed out waiting for task ID for Sandbox sb-1'),
    'TimeoutError',
    'Timed out waiting for task ID for Sandbox sb-1',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a dead task at exec',
    'exec',
    { say: { TaskExecStart: fails(5, 'Task ta-1 not found or already finished') } },
    'ClientError',
    `${ROUTER}/TaskExecStart NOT_FOUND: Task ta-1 not found or already finished`,
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    'a dead sandbox seen from a fresh handle',
    'fresh',
    { say: { SandboxGetTaskIdV2: () => ({ taskResult: { status: 3 } }) } },
    'ConflictError',
    FINISHED,
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    'a dead sandbox has no router',
    'fresh',
    { say: { SandboxGetCommandRouterAccess: fails(9, 'the sandbox has finished') } },
    'Error',
    'Command router access is not available for this sandbox',
    'ExecError',
    'provider',
    true,
  ],
  [
    'a handle that was given up',
    'detached',
    {},
    'ClientClosedError',
    'Unable to perform operation on a detached sandbox',
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    'a dead sandbox at a file',
    'write',
    { say: { TaskExecStart: fails(5, 'Task ta-1 not found or already finished') } },
    'NotFoundError',
    'The Sandbox is unavailable. This Sandbox may have already shut down.',
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    'no permission at exec',
    'exec',
    { say: { TaskExecStart: fails(7, 'permission denied') } },
    'ClientError',
    `${ROUTER}/TaskExecStart PERMISSION_DENIED: permission denied`,
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'a rate limit at exec',
    'exec',
    { say: { TaskExecStart: fails(8, 'too many requests') } },
    'ClientError',
    `${ROUTER}/TaskExecStart RESOURCE_EXHAUSTED: too many requests`,
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'a refused command',
    'exec',
    { say: { TaskExecStart: fails(3, 'workdir does not exist') } },
    'ClientError',
    `${ROUTER}/TaskExecStart INVALID_ARGUMENT: workdir does not exist`,
    'ExecError',
    'provider',
    false,
  ],
  [
    'a fault of the router',
    'exec',
    grpc(`${ROUTER}/TaskExecStart`, Status.INTERNAL, 'internal server error'),
    'ClientError',
    `${ROUTER}/TaskExecStart INTERNAL: internal server error`,
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a reset of the router',
    'exec',
    grpc(`${ROUTER}/TaskExecStdioRead`, Status.UNAVAILABLE, 'read ECONNRESET'),
    'ClientError',
    `${ROUTER}/TaskExecStdioRead UNAVAILABLE: read ECONNRESET`,
    'NetworkError',
    'network',
    true,
  ],
  [
    'the server-side limit of a command',
    'longExec',
    { fault: ['TaskExecStdioRead', { kind: 'hang' }] },
    'Error',
    'Deadline exceeded while streaming stdio for exec ',
    'ExecError',
    'provider',
    true,
  ],
  [
    'too many arguments',
    'manyArguments',
    {},
    'InvalidError',
    'Total length of CMD arguments must be less than 65536 bytes (ARG_MAX). Got 70000 bytes.',
    'ExecError',
    'provider',
    false,
  ],
  [
    'a file that is not there',
    'stat',
    fileTool('NotFound', 'no such file or directory'),
    'SandboxFilesystemNotFoundError',
    'no such file or directory: /x',
    'TransferError',
    'provider',
    false,
  ],
  [
    'a directory in the way',
    'write',
    fileTool('IsDirectory', 'is a directory'),
    'SandboxFilesystemIsADirectoryError',
    'is a directory: /x',
    'TransferError',
    'provider',
    false,
  ],
  [
    'a file in the way',
    'write',
    fileTool('NotDirectory', 'not a directory'),
    'SandboxFilesystemNotADirectoryError',
    'not a directory: /x',
    'TransferError',
    'provider',
    false,
  ],
  [
    'no permission on a file',
    'write',
    fileTool('PermissionDenied', 'permission denied'),
    'SandboxFilesystemPermissionError',
    'permission denied: /x',
    'TransferError',
    'provider',
    false,
  ],
  [
    'a full disk',
    'write',
    fileTool('Other', 'No space left on device (os error 28)'),
    'SandboxFilesystemError',
    'No space left on device (os error 28)',
    'DiskFullError',
    'provider',
    false,
  ],
  [
    'an unexpected error at a file',
    'write',
    { say: { TaskExecStart: fails(9, 'not now') } },
    'SandboxFilesystemError',
    'An unexpected error occurred, please contact support@modal.com',
    'TransferError',
    'provider',
    true,
  ],
];

const NEVER: Readonly<Record<string, string>> = {
  ExecutionError: 'of functions, sidecars and entrypoint logs',
  FunctionTimeoutError: 'of functions',
  InternalFailure: 'of functions, sidecars and mounted images',
  QueueEmptyError: 'of queues',
  QueueFullError: 'of queues',
  RemoteError: 'of functions',
  SandboxFilesystemDirectoryNotEmptyError: 'of removing: a script does that here',
  SandboxFilesystemFileTooLargeError: 'of reading: `cat` does that here',
  SandboxFilesystemPathAlreadyExistsError: 'of making a directory: a script does that here',
  SandboxTimeoutError: 'of tunnels',
  SnapshotCreationError: 'of snapshots',
};

const faults = createFaultScript([]);
let server: RunningGrpcServer;
let say: Readonly<Record<string, Handle>> = {};
let client: ModalClient;
let unreachable: ModalClient;
let anonymous: ModalClient;
let sandbox: ModalSandbox;

const access = () => ({ jwt: 'a.e30.c', url: `https://127.0.0.1:${server.port}` });

/** A cloud in which everything works. */
const WORKS: Readonly<Record<string, readonly [request: string, response: string, handle: Handle]>> = {
  AuthTokenGet: ['AuthTokenGetRequest', 'AuthTokenGetResponse', () => ({ token: 'opaque' })],
  AppGetOrCreate: ['AppGetOrCreateRequest', 'AppGetOrCreateResponse', () => ({ appId: 'ap-1' })],
  ImageFromId: ['ImageFromIdRequest', 'ImageFromIdResponse', () => ({ imageId: 'im-1' })],
  SandboxCreateV2: [
    'SandboxCreateRequest',
    'SandboxCreateResponse',
    () => ({ sandboxId: 'sb-1', taskId: 'ta-1', commandRouterAccess: access() }),
  ],
  SandboxGetTaskIdV2: ['SandboxGetTaskIdRequest', 'SandboxGetTaskIdResponse', () => ({ taskId: 'ta-1' })],
  SandboxGetCommandRouterAccess: [
    'SandboxGetCommandRouterAccessRequest',
    'SandboxGetCommandRouterAccessResponse',
    () => access(),
  ],
  SandboxWaitV2: ['SandboxWaitRequest', 'SandboxWaitResponse', () => ({})],
  SandboxListV2: ['SandboxListRequest', 'SandboxListResponse', () => ({})],
  TaskExecStart: ['TaskExecStartRequest', 'Empty', () => ({})],
  TaskExecStdioRead: ['TaskExecStdioReadRequest', 'TaskExecStdioReadResponse', async function* () {}],
  TaskExecWait: ['TaskExecRequest', 'TaskExecResult', () => ({ code: 0 })],
  TaskExecPoll: ['TaskExecRequest', 'TaskExecResult', () => ({ code: 0 })],
  TaskExecStdinStatus: ['TaskExecStdinStatusRequest', 'TaskExecStdinStatusResponse', () => ({})],
  TaskExecStdinWriteStream: [
    'TaskExecStdinWriteStreamRequest',
    'Empty',
    async ({ rest }) => {
      for await (const _ of rest);
      return {};
    },
  ],
};

beforeAll(async () => {
  const methods = Object.entries(WORKS).map(([name, [request, response, handle]]): Method => {
    const pack = name.startsWith('Task') ? 'modal.task_command_router' : 'modal.client';
    const service = name.startsWith('Task') ? `${pack}.TaskCommandRouter` : `${pack}.ModalClient`;
    const answer: Handle = (call) => (say[name] ?? handle)(call);
    return { name, service, request: `${pack}.${request}`, response: `${pack}.${response}`, handle: answer };
  });
  server = await startGrpcServer({ methods, codec: createCodec(), faults, sandboxOf: () => null });
  const load = (url: string, token: Record<string, string>, requestTimeoutMs = LIMIT_MS) =>
    loadModal({
      variables: { MODAL_SERVER_URL: url, MODAL_SANDBOX_V2: '1', MODAL_CONFIG_PATH: '/nonexistent', ...token },
      env: {},
      extraRoots: null,
      requestTimeoutMs,
    });
  const token = { MODAL_TOKEN_ID: 'ak-1', MODAL_TOKEN_SECRET: 'as-1' };
  client = await load(`http://127.0.0.1:${server.port}`, token);
  unreachable = await load(await closedUrl(), token, 20_000);
  anonymous = await load(`http://127.0.0.1:${server.port}`, {});
  sandbox = await create(client);
}, 30_000);

afterAll(async () => {
  sandbox.detach();
  for (const each of [client, unreachable, anonymous]) each.close();
  await server.close();
});

async function create(to: ModalClient, env: Record<string, string> = {}): Promise<ModalSandbox> {
  const image = await to.images.fromId('im-1');
  const params = { command: ['sleep', '1'], name: 'n', tags: {}, env, timeoutMs: 60_000, idleTimeoutMs: 60_000 };
  return to.sandboxes.create({ appId: 'ap-1' }, image, params);
}

async function exec(of: ModalSandbox, argv = ['true'], timeoutMs?: number): Promise<void> {
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  const running = await of.exec(argv, { mode: 'binary', workdir: '/', ...limit });
  for await (const _ of running.stdout);
}

function run(work: Work, to: ModalClient): Promise<unknown> {
  switch (work) {
    case 'app':
      return to.apps.fromName('plumbline', { createIfMissing: true });
    case 'image':
      return to.images.fromId('im-nothere');
    case 'create':
      return create(to);
    case 'badVariable':
      return create(to, { 'A-B': 'x' });
    case 'list':
      return to.cpClient.sandboxListV2({ appId: 'ap-1', beforeTimestamp: 0, tags: [] });
    case 'exec':
      return exec(sandbox);
    case 'longExec':
      return exec(sandbox, ['sleep', '9'], 1_000);
    case 'manyArguments':
      return exec(sandbox, ['x'.repeat(70_000)]);
    case 'fresh':
      return to.sandboxes.fromId('sb-1').then(exec);
    case 'detached':
      return create(to).then((own) => {
        own.detach();
        return exec(own);
      });
    case 'write':
      return sandbox.filesystem.writeBytes(Buffer.from('x'), '/x');
    case 'stat':
      return sandbox.filesystem.stat('/x');
  }
}

async function thrown([, work, answers]: Row): Promise<Error> {
  if (typeof answers === 'function') return answers(await import('modal'));
  if (answers instanceof Error) return answers;
  say = answers.say ?? {};
  faults.replace(answers.fault === undefined ? [] : [{ call: answers.fault[0], fault: answers.fault[1] }]);
  try {
    const to = answers.to === 'nobody' ? unreachable : answers.to === 'no credentials' ? anonymous : client;
    return await rejection(() => run(work, to));
  } finally {
    say = {};
    faults.replace([]);
  }
}

describe('modalError', () => {
  test.for(ROWS)('%s', async (row) => {
    const [, work, , name, message, type, origin, retryable] = row;
    const error = await thrown(row);
    expect([error.name, error.message]).toEqual([name, expect.stringContaining(message)]);
    const mapped = modalError(error, CALLS[work], 'what was done');
    expect([mapped.type, mapped.origin, mapped.retryable]).toEqual([type, origin, retryable]);
    expect(mapped.message).toBe(`what was done: ${error.message}`);
    expect(mapped.cause).toBe(error);
  });

  test('the SDK itself waits for as long as a rate limit asks', async () => {
    let tries = 0;
    say = {
      SandboxListV2: () => {
        tries += 1;
        if (tries === 1) throw new GrpcError(8, 'slow down', 0.2);
        return {};
      },
    };
    const started = Date.now();
    await run('list', client);
    expect([tries, Date.now() - started >= 190]).toEqual([2, true]);
  });

  test('ours stay as they are', () => {
    const ours = modalError(new Error('x'), 'exec', 'a');
    expect(modalError(ours, 'create', 'b')).toBe(ours);
  });

  test('what may pass is tried again by itself, a limit on what runs is not', () => {
    const of = (code: number, call: ModalCall, words: string) =>
      isRepeatable(modalError(grpc('/s/M', code, words), call, ''));
    expect(of(Status.UNAVAILABLE, 'create', 'service unavailable')).toBe(true);
    expect(of(Status.UNAVAILABLE, 'control', 'read ECONNRESET')).toBe(true);
    expect(of(Status.INTERNAL, 'control', 'x')).toBe(true);
    expect(of(Status.DEADLINE_EXCEEDED, 'control', 'x')).toBe(true);
    expect(of(Status.RESOURCE_EXHAUSTED, 'create', CREATE_LIMIT)).toBe(true);
    expect(of(Status.RESOURCE_EXHAUSTED, 'create', 'limit of containers')).toBe(false);
    expect(of(Status.NOT_FOUND, 'create', 'x')).toBe(false);
    expect(of(Status.INVALID_ARGUMENT, 'control', 'x')).toBe(false);
    expect(of(Status.UNAUTHENTICATED, 'control', 'x')).toBe(false);
  });

  test('every class that the SDK exports is one of them, or has a reason not to be', async () => {
    expect(unaccounted(await import('modal'), new Set(ROWS.map((row) => row[3])), NEVER)).toEqual({
      unknown: [],
      stale: [],
    });
  });
});

describe('a sandbox that died says why', () => {
  const dead = fails(5, 'Task ta-1 not found or already finished');
  const script = () =>
    rejection(() =>
      modalShell({ client, requestTimeoutMs: LIMIT_MS } as Cloud, sandbox).script('true', { limitMs: null }),
    );

  test.each([
    [{ status: 3 }, 'terminated'],
    [{ status: 4 }, 'end of its lifetime'],
    [{ status: 7 }, 'idle for too long'],
    [{ status: 8 }, 'evicted for memory'],
    [{ status: 6, exception: 'host lost' }, 'internal failure at the provider: host lost'],
    [{ status: 2, exitcode: 137 }, 'its main process failed, exit code 137'],
  ])('%o', async (result, said) => {
    say = { TaskExecStart: dead, SandboxWaitV2: () => ({ result }) };
    const error = await script();
    expect(error).toMatchObject({
      type: 'SandboxLostError',
      origin: 'provider',
      message: `command: the sandbox is gone: ${said}`,
      details: { providerState: said, cause: { name: 'ClientError', code: Status.NOT_FOUND } },
    });
  });

  test('is none that only did not answer', async () => {
    say = { TaskExecStart: dead };
    expect(await script()).toMatchObject({ type: 'NetworkError', origin: 'provider', retryable: true });
  });
});

describe('buildError', () => {
  const end = (status: number, exception = '') => ({ status, exception, exitcode: 0 });

  test('a step that failed is the task’s, with the log', () => {
    const error = buildError(end(2, 'exit status 17'), 'im-1', 'reason\n', false);
    expect([error.type, error.origin, error.details.log]).toEqual(['ImageBuildError', 'task', 'reason\n']);
    expect(error.message).toBe('the build of im-1 failed: exit status 17');
  });

  test.for([
    [3, 'terminated'],
    [4, 'end of its lifetime'],
    [6, 'internal failure at the provider'],
    [8, 'evicted for memory'],
  ] as const)('status %i is the provider’s', ([status, words]) => {
    const error = buildError(end(status), 'im-1', '', false);
    expect([error.type, error.origin, error.retryable]).toEqual(['ImageBuildError', 'provider', true]);
    expect(error.message).toContain(words);
  });

  test('a registry that refuses is ImagePullError, its rate limit an error of its own', () => {
    expect(buildError(end(2, 'manifest unknown'), 'im-1', '', false).type).toBe('ImagePullError');
    expect(buildError(end(2, 'anything'), 'im-1', '', true).type).toBe('ImagePullError');
    expect(buildError(end(2), 'im-1', 'toomanyrequests: You have reached your pull rate limit', false).type).toBe(
      'RegistryRateLimitError',
    );
    const step = 'curl: (22) The requested URL returned error: 401 Unauthorized\n';
    expect(buildError(end(2, 'exit status 22'), 'im-1', step, false).type).toBe('ImageBuildError');
  });

  test('a builder without space is DiskFullError', () => {
    const error = buildError(end(2, 'exit status 1'), 'im-1', 'dd: error writing: No space left on device\n', false);
    expect([error.type, error.origin]).toEqual(['DiskFullError', 'provider']);
  });
});
