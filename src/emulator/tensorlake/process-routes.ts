/** The daemon's processes: start, run, look, follow, signal, kill, stdin. */
import { UnknownUserError } from '../../exception/errors.js';
import { errorMessage } from '../../util/cause-chain.js';
import type { EmulatedProcess } from '../core/processes.js';
import { type EmulatorRequest, HttpError, type Reply, type Route } from '../core/routes.js';
import { startBuilderProcess } from './builder.js';
import { createLineLog, type OutputLine } from './line-log.js';
import { type Box, type Cloud, type DaemonProcess, daemonOf, finish, nextPid } from './state.js';
import { createUnit, type Unit } from './unit.js';

const SIGKILL = 9;
/** Milliseconds in which the processes of a unit are dead. */
const KILL_LIMIT_MS = 15_000;

export function processRoutes(cloud: Cloud): Route[] {
  const at = '/api/v1/processes';
  const one = async (request: EmulatorRequest) => processOf(await daemonOf(cloud, request), request);
  const output = (stream?: 'stdout' | 'stderr') => async (request: EmulatorRequest) => {
    const process = await one(request);
    const lines = process.log.lines(stream).map(({ line }) => line);
    return { status: 200, body: { pid: process.pid, lines, line_count: lines.length } };
  };
  const follow = (stream?: 'stdout' | 'stderr') => async (request: EmulatorRequest) => {
    const process = await one(request);
    return sse(frames(process, request.signal, stream, [{ event: 'eof', data: {} }]));
  };
  return [
    { call: 'process.run', method: 'POST', path: `${at}/run`, handle: (request) => run(cloud, request) },
    {
      call: 'process.start',
      method: 'POST',
      path: at,
      async handle(request) {
        const box = await daemonOf(cloud, request);
        return { status: 201, body: info(await start(cloud, box, await request.json())) };
      },
    },
    {
      call: 'process.list',
      method: 'GET',
      path: at,
      async handle(request) {
        const box = await daemonOf(cloud, request);
        return { status: 200, body: { processes: [...box.processes.values()].map(info) } };
      },
    },
    {
      call: 'process.get',
      method: 'GET',
      path: `${at}/:pid`,
      handle: async (request) => ({ status: 200, body: info(await one(request)) }),
    },
    {
      call: 'process.kill',
      method: 'DELETE',
      path: `${at}/:pid`,
      async handle(request) {
        const process = await one(request);
        process.kill();
        await process.ended;
        return { status: 204 };
      },
    },
    {
      call: 'process.signal',
      method: 'POST',
      path: `${at}/:pid/signal`,
      async handle(request) {
        const process = await one(request);
        const signal = Number((await request.json())['signal']);
        if (signal !== SIGKILL) throw new HttpError(400, { error: 'only SIGKILL is emulated', code: 'BAD_REQUEST' });
        process.kill();
        return { status: 200, body: { success: true } };
      },
    },
    {
      call: 'process.stdin',
      method: 'POST',
      path: `${at}/:pid/stdin`,
      async handle(request) {
        const process = await one(request);
        if (!process.stdinWritable) throw new HttpError(400, { error: 'stdin is not a pipe', code: 'BAD_REQUEST' });
        process.writeStdin(await request.bytes());
        return { status: 204 };
      },
    },
    {
      call: 'process.stdin-close',
      method: 'POST',
      path: `${at}/:pid/stdin/close`,
      async handle(request) {
        (await one(request)).closeStdin();
        return { status: 204 };
      },
    },
    { call: 'process.output', method: 'GET', path: `${at}/:pid/output`, handle: output() },
    { call: 'process.output', method: 'GET', path: `${at}/:pid/stdout`, handle: output('stdout') },
    { call: 'process.output', method: 'GET', path: `${at}/:pid/stderr`, handle: output('stderr') },
    { call: 'process.follow', method: 'GET', path: `${at}/:pid/output/follow`, handle: follow() },
    { call: 'process.follow', method: 'GET', path: `${at}/:pid/stdout/follow`, handle: follow('stdout') },
    { call: 'process.follow', method: 'GET', path: `${at}/:pid/stderr/follow`, handle: follow('stderr') },
  ];
}

async function run(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const box = await daemonOf(cloud, request);
  const body = await request.json();
  const process = await start(cloud, box, body);
  const seconds = Number(body['timeout']);
  if (seconds > 0) {
    const timer = setTimeout(() => process.kill(), seconds * 1000);
    process.ended.finally(() => clearTimeout(timer));
  }
  async function* events() {
    yield frame({ pid: process.pid, started_at: process.startedAt });
    yield* frames(process, request.signal, undefined, []);
    await process.ended;
    const { code, signal } = process;
    yield frame(signal === null ? { exit_code: code } : { signal, oom_killed: process.status === 'oom_killed' });
  }
  return sse(events());
}

async function start(cloud: Cloud, box: Box, body: Record<string, unknown>): Promise<DaemonProcess> {
  const command = String(body['command'] ?? '');
  const args = (body['args'] ?? []) as string[];
  if (box.builderDir !== null) return startBuilderProcess(cloud, box, command, args);
  const { row, table } = box;
  if (row === null || table === null)
    throw new HttpError(404, { error: 'the sandbox is not running', code: 'NOT_FOUND' });
  const user = userOf(body['user']);
  if (user !== undefined && user !== 'root') await assertUser(row.sandbox, user);
  const cwd = body['working_dir'];
  const options = {
    env: (body['env'] ?? {}) as Record<string, string>,
    ...(typeof cwd === 'string' ? { cwd } : {}),
    ...(user === undefined ? {} : { user }),
    maxOutputBytes: 0,
  };
  const unit = createUnit([command, ...args]);
  const named = { command, args, unit };
  if (body['stdin_mode'] !== 'pipe') return track(box, named, false, table.start(unit.argv, options));
  return startWithPipe(box, named, (stdin) => table.start(unit.argv, { ...options, stdin }));
}

/** The backend takes stdin as a whole: the command starts when its stdin is closed. */
function startWithPipe(box: Box, named: Named, begin: (stdin: Uint8Array) => EmulatedProcess): DaemonProcess {
  const chunks: Uint8Array[] = [];
  let close: (process: EmulatedProcess | null) => void = () => {};
  const begun = new Promise<EmulatedProcess | null>((resolve) => {
    close = resolve;
  });
  return track(box, named, true, begun, {
    write: (data) => chunks.push(data),
    close: () => close(begin(Buffer.concat(chunks))),
    kill: () => close(null),
  });
}

interface Pipe {
  write(data: Uint8Array): void;
  close(): void;
  kill(): void;
}

interface Named {
  readonly command: string;
  readonly args: readonly string[];
  readonly unit: Unit;
}

function track(
  box: Box,
  { command, args, unit }: Named,
  stdinWritable: boolean,
  begun: EmulatedProcess | Promise<EmulatedProcess | null>,
  pipe?: Pipe,
): DaemonProcess {
  const log = createLineLog();
  let running: EmulatedProcess | null = null;
  let killed = false;
  /** Everything that the unit started, whatever became of it; not where the whole sandbox goes anyway. */
  const killUnit = async (exec: EmulatedProcess) => {
    const sandbox = box.status === 'running' ? box.row?.sandbox : undefined;
    const options = { user: 0, cwd: '/', timeoutMs: KILL_LIMIT_MS };
    // without an answer the sandbox is gone, or this has to be left to the backend
    const result = await sandbox?.exec(unit.killArgv, options).catch(() => null);
    if (result?.exitCode !== 0) exec.kill();
  };
  const watch = async () => {
    running = await begun;
    if (running === null) {
      finish(process, { signal: SIGKILL });
      return;
    }
    for await (const event of running.events('start')) {
      if (event.kind === 'data') {
        log.push(event.stream, event.stream === 'stderr' ? unit.stderr(event.chunk) : event.chunk);
        if (unit.exitCode !== null && !killed) {
          killed = true;
          await killUnit(running);
        }
      } else if (unit.exitCode !== null) finish(process, { exitCode: unit.exitCode });
      else if (killed) finish(process, { signal: SIGKILL });
      else if (event.end.how === 'exited') {
        log.push('stderr', unit.rest());
        const { exitCode, signal } = event.end.result;
        finish(process, signal === undefined ? { exitCode } : { signal: (exitCode ?? 137) - 128 });
      } else if (event.end.how === 'failed') {
        log.push('stderr', Buffer.from(errorMessage(event.end.error)));
        finish(process, { exitCode: 1 });
      } else finish(process, { signal: SIGKILL });
    }
  };
  const process: DaemonProcess = {
    pid: nextPid(box),
    command,
    args,
    startedAt: Date.now(),
    stdinWritable,
    log,
    status: 'running',
    code: null,
    signal: null,
    endedAt: null,
    ended: Promise.resolve().then(watch),
    writeStdin: (data) => pipe?.write(data),
    closeStdin: () => pipe?.close(),
    kill() {
      pipe?.kill();
      if (running === null || killed || process.status !== 'running') return;
      killed = true;
      void killUnit(running);
    },
  };
  box.processes.set(process.pid, process);
  return process;
}

function processOf(box: Box, request: EmulatorRequest): DaemonProcess {
  const process = box.processes.get(Number(request.params['pid']));
  if (process === undefined) throw new HttpError(404, { error: 'process not found', code: 'NOT_FOUND' });
  return process;
}

function info(process: DaemonProcess): object {
  return {
    pid: process.pid,
    status: process.status,
    exit_code: process.code,
    signal: process.signal,
    stdin_writable: process.stdinWritable && process.status === 'running',
    command: process.command,
    args: process.args,
    started_at: process.startedAt,
    ended_at: process.endedAt,
    oom_killed: process.status === 'oom_killed',
  };
}

/** Undefined: the image's own. */
function userOf(value: unknown): string | number | undefined {
  if (typeof value === 'string') return value;
  const { name, uid } = (value ?? {}) as { name?: string; uid?: number };
  return name ?? uid;
}

/** @throws HttpError 500 in the daemon's words (tensorlake#697) */
async function assertUser(sandbox: { exec: NonNullable<Box['row']>['sandbox']['exec'] }, user: string | number) {
  try {
    await sandbox.exec(['true'], { user });
  } catch (error) {
    if (error instanceof UnknownUserError) throw new HttpError(500, { error: `user not found: ${user}` });
    throw error;
  }
}

interface NamedFrame {
  readonly event: string;
  readonly data: object;
}

async function* frames(
  process: DaemonProcess,
  signal: AbortSignal,
  stream: 'stdout' | 'stderr' | undefined,
  last: readonly NamedFrame[],
): AsyncGenerator<Uint8Array> {
  for await (const line of process.log.follow(signal, stream)) yield frame(stream === undefined ? line : bare(line));
  for (const { event, data } of last) yield Buffer.from(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

function bare({ line, timestamp }: OutputLine): object {
  return { line, timestamp };
}

function frame(data: object): Uint8Array {
  return Buffer.from(`data: ${JSON.stringify(data)}\n\n`);
}

function sse(body: AsyncIterable<Uint8Array>): Reply {
  return { status: 200, headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }, body };
}
