/** The toolbox's processes: one-shot commands and sessions, with what the daemon does to their output and exit codes. */
import { randomBytes } from 'node:crypto';
import { type EmulatorRequest, HttpError, type Reply, type Route } from '../core/routes.js';
import type { EmulatedSandbox } from '../core/sandboxes.js';
import { apiError, type Box, badRequest, type Cloud, die, runningBox, type SessionCommand } from './state.js';

/** Milliseconds after which a command whose sandbox shall die in the middle is under way. */
const DEATH_AFTER_MS = 300;
/** The daemon reads commands with the first of zsh, bash, $SHELL and sh; zsh is left out. */
const SHELL = ['/bin/sh', '-c', '[ -x /bin/bash ] && exec /bin/bash; exec /bin/sh'];
const LABELS = { stdout: '\u0001\u0001\u0001', stderr: '\u0002\u0002\u0002' } as const;

export function processRoutes(cloud: Cloud): Route[] {
  const at = '/toolbox/:id/process';
  const session = (request: EmulatorRequest) => sessionOf(runningBox(cloud, request), request);
  return [
    { call: 'process.execute', method: 'POST', path: `${at}/execute`, handle: (request) => execute(cloud, request) },
    {
      call: 'session.create',
      method: 'POST',
      path: `${at}/session`,
      async handle(request) {
        const box = runningBox(cloud, request);
        const id = String((await request.json())['sessionId'] ?? '');
        if (id === '') throw badRequest('sessionId is required');
        if (box.sessions.has(id)) throw daemonError(409, 'CONFLICT', 'session already exists');
        box.sessions.set(id, new Map());
        return { status: 201 };
      },
    },
    {
      call: 'session.list',
      method: 'GET',
      path: `${at}/session`,
      handle: (request) => ({ status: 200, body: [...runningBox(cloud, request).sessions].map(sessionDto) }),
    },
    {
      call: 'session.get',
      method: 'GET',
      path: `${at}/session/:session`,
      handle: (request) => ({ status: 200, body: sessionDto([request.params['session'] ?? '', session(request)]) }),
    },
    {
      call: 'session.delete',
      method: 'DELETE',
      path: `${at}/session/:session`,
      handle(request) {
        for (const command of session(request).values()) command.process.kill();
        runningBox(cloud, request).sessions.delete(request.params['session'] ?? '');
        return { status: 204 };
      },
    },
    {
      call: 'session.exec',
      method: 'POST',
      path: `${at}/session/:session/exec`,
      async handle(request) {
        const box = runningBox(cloud, request);
        const commands = sessionOf(box, request);
        const body = await request.json();
        const command = startCommand(box, String(body['command'] ?? ''));
        commands.set(command.id, command);
        dieSoon(cloud, box, request);
        if (body['runAsync'] === true || body['async'] === true) return { status: 202, body: { cmdId: command.id } };
        await command.ended;
        const { id, output, stdout, stderr, exitCode } = command;
        return { status: 200, body: { cmdId: id, output, stdout, stderr, exitCode } };
      },
    },
    {
      call: 'session.command',
      method: 'GET',
      path: `${at}/session/:session/command/:command`,
      handle: (request) => ({ status: 200, body: commandDto(commandOf(session(request), request)) }),
    },
    {
      call: 'session.logs',
      method: 'GET',
      path: `${at}/session/:session/command/:command/logs`,
      handle(request) {
        const { output, stdout, stderr } = commandOf(session(request), request);
        return { status: 200, body: { output, stdout, stderr } };
      },
    },
  ];
}

/** The text goes into a shell's stdin; both streams come back as one. */
async function execute(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const box = runningBox(cloud, request);
  const { row } = box; // the box of a sandbox that dies has none any more
  const body = await request.json();
  const seconds = Number(body['timeout'] ?? 0);
  dieSoon(cloud, box, request);
  const chunks: Uint8Array[] = [];
  const cwd = body['cwd'];
  try {
    const result = await row.sandbox.exec(SHELL, {
      stdin: Buffer.from(`${String(body['command'] ?? '')}\n`),
      env: (body['envs'] ?? {}) as Record<string, string>,
      ...(typeof cwd === 'string' && cwd !== '' ? { cwd } : {}),
      ...(seconds > 0 ? { timeoutMs: seconds * 1000 } : {}),
      signal: row.gone,
      onOutput: (_stream, chunk) => chunks.push(Uint8Array.from(chunk)),
      maxOutputBytes: 0,
    });
    if (result.timedOut) throw daemonError(408, 'PROCESS_EXECUTION_TIMEOUT', 'command execution timeout');
    return { status: 200, body: { exitCode: result.exitCode ?? -1, result: Buffer.concat(chunks).toString('utf8') } };
  } catch (error) {
    if (error instanceof HttpError || !row.gone.aborted) throw error;
    throw goneError(row);
  }
}

/**
 * A command of a session, in a shell of its own: what a text leaves behind in the session's shell (cd, export) is not emulated. One
 * that ends its shell (`exit`, `exec`) never gets an exit code, as with the real daemon.
 */
function startCommand(box: Box & { processes: NonNullable<Box['processes']> }, text: string): SessionCommand {
  const word = randomBytes(16).toString('hex');
  const script = `eval "$1"
s=$?
printf %s "$2" >&2
exit $s`;
  const process = box.processes.start(['/bin/sh', '-c', script, 'sh', text, word], { maxOutputBytes: 0 });
  const command: { -readonly [K in keyof SessionCommand]: SessionCommand[K] } = {
    id: crypto.randomUUID(),
    command: text,
    process,
    output: '',
    stdout: '',
    stderr: '',
    exitCode: null,
    ended: Promise.resolve(),
  };
  const pending = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  const label = (stream: 'stdout' | 'stderr', line: string) => {
    command[stream] += `${line}\n`;
    command.output += `${LABELS[stream]}${line}\n`;
  };
  const take = (stream: 'stdout' | 'stderr', chunk: Uint8Array) => {
    const lines = Buffer.concat([pending[stream], chunk]);
    const end = lines.lastIndexOf(10) + 1;
    pending[stream] = lines.subarray(end);
    if (end === 0) return;
    for (const line of textOf(lines.subarray(0, end - 1)).split('\n')) label(stream, line);
  };
  const follow = async () => {
    for await (const event of process.events('start')) {
      if (event.kind === 'data') {
        take(event.stream, event.chunk);
        continue;
      }
      const rest = textOf(pending.stderr);
      const finished = rest.endsWith(word);
      const last = finished ? rest.slice(0, -word.length) : rest;
      if (pending.stdout.length > 0) label('stdout', textOf(pending.stdout));
      if (last !== '') label('stderr', last);
      if (finished && event.end.how === 'exited') command.exitCode = event.end.result.exitCode;
    }
  };
  command.ended = follow();
  return command;
}

/** The labelers drop NUL bytes. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8').replaceAll('\0', '');
}

function dieSoon(cloud: Cloud, box: Box, request: EmulatorRequest): void {
  if (request.fault?.kind !== 'death') return;
  setTimeout(() => {
    die(cloud, box).catch(() => undefined); // its guard keeps what could not be removed in the journal
  }, DEATH_AFTER_MS);
}

function goneError({ id }: EmulatedSandbox): HttpError {
  return new HttpError(502, apiError(502, 'Bad Gateway', `failed to proxy request to sandbox ${id}`));
}

function sessionOf(box: Box, request: EmulatorRequest): Map<string, SessionCommand> {
  const session = box.sessions.get(request.params['session'] ?? '');
  if (session === undefined) throw daemonError(404, 'NOT_FOUND', 'session not found');
  return session;
}

function commandOf(session: Map<string, SessionCommand>, request: EmulatorRequest): SessionCommand {
  const command = session.get(request.params['command'] ?? '');
  if (command === undefined) throw daemonError(404, 'NOT_FOUND', 'command not found');
  return command;
}

function sessionDto([sessionId, commands]: [string, Map<string, SessionCommand>]): object {
  return { sessionId, commands: [...commands.values()].map(commandDto) };
}

function commandDto({ id, command, exitCode }: SessionCommand): object {
  return { id, command, ...(exitCode === null ? {} : { exitCode }) };
}

/** The daemon's error body. */
export function daemonError(status: number, code: string, message: string): HttpError {
  return new HttpError(status, {
    statusCode: status,
    message,
    code,
    source: 'DAYTONA_DAEMON',
    timestamp: new Date().toISOString(),
  });
}
