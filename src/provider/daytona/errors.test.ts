/**
 * What SDK 0.216.0 throws, as ours: the SDK itself runs against a server that answers as each row says, in the envelopes of API and
 * daemon, so class and message are what it makes of them today. Every error class that it exports is in the table or has a reason
 * not to be.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ExceptionType } from '../../exception/catalogue.js';
import type { Origin } from '../../model/words.js';
import {
  type Answer,
  type AnswerServer,
  answerServer,
  breaksOff,
  closedUrl,
  hangs,
  rejection,
  resets,
  routes,
  says,
  unaccounted,
} from '../../testing/error-bench.js';
import type { Cloud } from './calls.js';
import { type DaytonaCall, daytonaError, isRepeatable } from './errors.js';
import { buildError } from './image.js';
import { type DaytonaClient, loadDaytona, type Toolbox } from './sdk.js';
import { daytonaShell } from './shell.js';

const LIMIT_MS = 1_000;
const REFUSED = 'refused';

const api = (status: number, message: string, headers: Record<string, string> = {}) =>
  says(status, { path: '/api/x', timestamp: '2026-11-25T00:00:00Z', statusCode: status, error: 'x', message }, headers);
const daemon = (status: number, code: string, message: string) =>
  says(status, { statusCode: status, message, code, source: 'DAYTONA_DAEMON', method: 'POST', path: '/x' });
const xml = (status: number, code: string, message: string) =>
  says(status, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`, {
    'content-type': 'application/xml',
  });

type Work = Exclude<DaytonaCall, 'files'> | 'write' | 'read';

/** Of the form in which the daemon gives a file. */
const part = (name: string, body: string) =>
  says(
    200,
    `--b\r\nContent-Disposition: form-data; name="${name}"; filename="/x"\r\nContent-Type: application/json\r\n\r\n${body}\r\n--b--\r\n`,
    {
      'content-type': 'multipart/form-data; boundary=b',
    },
  );

/** What it was, the call, what was answered, the class and message of the SDK, our type, who has to act, whether a fresh sandbox may help. */
type Row = readonly [string, Work, Answer | typeof REFUSED, string, string, ExceptionType, Origin, boolean];

const TIMED_OUT = `HTTP request timed out after ${LIMIT_MS}ms waiting for a response. This is a client-side deadline`;
const NO_SUCH = 'Sandbox with ID or name x not found';

const ROWS: readonly Row[] = [
  [
    '401',
    'create',
    api(401, 'Invalid credentials'),
    'DaytonaAuthenticationError',
    'Invalid credentials',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    '403',
    'create',
    api(403, 'Forbidden resource'),
    'DaytonaAuthorizationError',
    'Forbidden resource',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    '403 at exec',
    'exec',
    api(403, 'Forbidden resource'),
    'DaytonaAuthorizationError',
    'Forbidden resource',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    '402',
    'create',
    api(402, 'Payment Required'),
    'DaytonaError',
    'Payment Required',
    'ProviderQuotaError',
    'provider',
    false,
  ],
  [
    'quota',
    'create',
    api(400, 'Total CPU limit exceeded. Maximum allowed: 10'),
    'DaytonaValidationError',
    'Total CPU limit exceeded. Maximum allowed: 10',
    'ProviderQuotaError',
    'provider',
    true,
  ],
  [
    'too large for one',
    'create',
    api(400, 'CPU request 64 exceeds maximum allowed per sandbox (16)'),
    'DaytonaValidationError',
    'CPU request 64 exceeds maximum allowed per sandbox (16)',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    '422',
    'create',
    api(422, 'Unprocessable'),
    'DaytonaUnprocessableEntityError',
    'Unprocessable',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'no such snapshot',
    'create',
    api(404, 'Snapshot x not found'),
    'DaytonaNotFoundError',
    'Snapshot x not found',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'name is taken',
    'create',
    api(409, 'Sandbox with name x already exists'),
    'DaytonaConflictError',
    'Sandbox with name x already exists',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    '429',
    'create',
    api(429, 'Rate limit exceeded'),
    'DaytonaRateLimitError',
    'Rate limit exceeded',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    '429 at exec',
    'exec',
    api(429, 'Rate limit exceeded'),
    'DaytonaRateLimitError',
    'Rate limit exceeded',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    '500',
    'create',
    api(500, 'Internal Server Error'),
    'DaytonaInternalServerError',
    'Internal Server Error',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '502 of a proxy',
    'create',
    says(502, '<html>bad gateway</html>'),
    'DaytonaBadGatewayError',
    '<html>bad gateway</html>',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '503',
    'create',
    api(503, 'Service Unavailable'),
    'DaytonaServiceUnavailableError',
    'Service Unavailable',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '504',
    'create',
    api(504, 'Gateway Timeout'),
    'DaytonaTimeoutError',
    'Gateway Timeout',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '500 of a look',
    'control',
    api(500, 'Internal Server Error'),
    'DaytonaInternalServerError',
    'Internal Server Error',
    'NetworkError',
    'provider',
    true,
  ],
  [
    '500 for a snapshot',
    'image',
    api(500, 'Internal Server Error'),
    'DaytonaInternalServerError',
    'Internal Server Error',
    'NetworkError',
    'provider',
    true,
  ],
  ['reset', 'create', resets, 'DaytonaConnectionError', 'read ECONNRESET', 'NetworkError', 'network', true],
  [
    'refused',
    'create',
    REFUSED,
    'DaytonaConnectionError',
    'connect ECONNREFUSED 127.0.0.1:',
    'NetworkError',
    'network',
    true,
  ],
  ['no reply', 'create', hangs, 'DaytonaConnectionTimeoutError', TIMED_OUT, 'NetworkError', 'provider', true],
  ['half a reply', 'create', breaksOff(), 'DaytonaError', 'stream has been aborted', 'NetworkError', 'network', true],
  ['gone', 'control', api(404, NO_SUCH), 'DaytonaNotFoundError', NO_SUCH, 'SandboxLostError', 'provider', true],
  ['gone for good', 'control', api(410, 'Gone'), 'DaytonaGoneError', 'Gone', 'SandboxLostError', 'provider', true],
  [
    'limit of the daemon',
    'exec',
    daemon(408, 'PROCESS_EXECUTION_TIMEOUT', 'command execution timeout'),
    'DaytonaProcessExecutionTimeoutError',
    'command execution timeout',
    'ExecError',
    'provider',
    true,
  ],
  [
    'limit of an older daemon',
    'exec',
    api(408, 'command execution timeout'),
    'DaytonaTimeoutError',
    'command execution timeout',
    'ExecError',
    'provider',
    true,
  ],
  ['exec 404', 'exec', api(404, NO_SUCH), 'DaytonaNotFoundError', NO_SUCH, 'ExecError', 'provider', true],
  [
    'exec 500',
    'exec',
    api(500, 'Internal Server Error'),
    'DaytonaInternalServerError',
    'Internal Server Error',
    'NetworkError',
    'provider',
    true,
  ],
  ['exec reset', 'exec', resets, 'DaytonaConnectionError', 'read ECONNRESET', 'NetworkError', 'network', true],
  [
    'exec, half a reply',
    'exec',
    breaksOff(),
    'DaytonaError',
    'stream has been aborted',
    'NetworkError',
    'network',
    true,
  ],
  [
    'disk full',
    'write',
    says(400, { errors: ['/x: no space left on device'], files: [] }),
    'DaytonaValidationError',
    '{"errors":["/x: no space left on device"],"files":[]}',
    'DiskFullError',
    'provider',
    false,
  ],
  [
    'write refused',
    'write',
    says(400, { errors: ['/x: permission denied'], files: [] }),
    'DaytonaValidationError',
    '{"errors":["/x: permission denied"],"files":[]}',
    'TransferError',
    'provider',
    false,
  ],
  [
    'no such file',
    'write',
    daemon(404, 'FILE_NOT_FOUND', 'file not found: /x'),
    'DaytonaFileNotFoundError',
    'file not found: /x',
    'TransferError',
    'provider',
    false,
  ],
  [
    'no permission on a file',
    'write',
    daemon(403, 'FILE_ACCESS_DENIED', 'permission denied: /x'),
    'DaytonaFileAccessDeniedError',
    'permission denied: /x',
    'TransferError',
    'provider',
    false,
  ],
  [
    'no such path',
    'write',
    daemon(400, 'INVALID_FILE_PATH', 'path is a directory: /x'),
    'DaytonaInvalidFilePathError',
    'path is a directory: /x',
    'TransferError',
    'provider',
    false,
  ],
  [
    'unreadable file',
    'write',
    daemon(500, 'FILE_READ_FAILED', 'read /x: input/output error'),
    'DaytonaFileReadFailedError',
    'read /x: input/output error',
    'TransferError',
    'provider',
    true,
  ],
  [
    'files 404 of the proxy',
    'write',
    api(404, NO_SUCH),
    'DaytonaNotFoundError',
    NO_SUCH,
    'TransferError',
    'provider',
    true,
  ],
  [
    'files 401',
    'write',
    api(401, 'Invalid credentials'),
    'DaytonaAuthenticationError',
    'Invalid credentials',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'files 500',
    'write',
    api(500, 'Internal Server Error'),
    'DaytonaInternalServerError',
    'Internal Server Error',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'storage 429',
    'storage',
    xml(429, 'TooManyRequests', 'slow'),
    'TooManyRequests',
    'slow',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'storage 503',
    'storage',
    xml(503, 'SlowDown', 'Please reduce your request rate.'),
    'SlowDown',
    'Please reduce your request rate.',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'storage 500',
    'storage',
    xml(500, 'InternalError', 'We encountered an internal error.'),
    'InternalError',
    'We encountered an internal error.',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'storage, token expired',
    'storage',
    xml(403, 'ExpiredToken', 'The provided token has expired.'),
    'ExpiredToken',
    'The provided token has expired.',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'storage, denied',
    'storage',
    xml(403, 'AccessDenied', 'Access Denied'),
    'AccessDenied',
    'Access Denied',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'no such file to read',
    'read',
    part(
      'error',
      '{"statusCode":404,"message":"file not found: /x","code":"FILE_NOT_FOUND","source":"DAYTONA_DAEMON"}',
    ),
    'DaytonaFileNotFoundError',
    'file not found: /x',
    'TransferError',
    'provider',
    false,
  ],
  [
    'read 500',
    'read',
    api(500, 'Internal Server Error'),
    'DaytonaInternalServerError',
    '[object Object]',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'read, no form',
    'read',
    says(200, {}),
    'Error',
    'Unsupported content type: application/json',
    'TransferError',
    'provider',
    true,
  ],
  [
    'read, half a form',
    'read',
    says(200, '--b\r\nContent-Disposition: form-data; name="file"; filename="/x"\r\n\r\ncon', {
      'content-type': 'multipart/form-data; boundary=b',
    }),
    'Error',
    'Unexpected end of form',
    'TransferError',
    'provider',
    true,
  ],
  ['read, reset', 'read', resets, 'DaytonaConnectionError', 'read ECONNRESET', 'NetworkError', 'network', true],
  ['storage reset', 'storage', resets, 'TimeoutError', 'read ECONNRESET', 'NetworkError', 'provider', true],
  ['storage, no XML', 'storage', says(200, '{"a":'), 'Error', 'XML', 'NetworkError', 'provider', true],
];

const NEVER: Readonly<Record<string, string>> = {
  DaytonaBadRequestError: 'the base of a 400: the SDK throws DaytonaValidationError',
  DaytonaForbiddenError: 'the base of a 403: the SDK throws DaytonaAuthorizationError',
  DaytonaInvalidArgumentError:
    'of the SDK’s own create, start, stop, resize and language settings; we call what is beneath them',
  DaytonaProcessNotFoundError: 'of processes and sessions of the daemon: a script of ours is a file (shell.ts)',
  DaytonaSessionEndedError: 'of sessions',
  DaytonaCommandAlreadyCompletedError: 'of sessions',
  DaytonaLspServerNotInitializedError: 'of language servers',
  DaytonaA11yUnavailableError: 'of computer use',
  DaytonaRecordingStillActiveError: 'of computer use',
  DaytonaRecordingFfmpegNotFoundError: 'of computer use',
  DaytonaGitAuthFailedError: 'of git',
  DaytonaGitRepoNotFoundError: 'of git',
  DaytonaGitBranchNotFoundError: 'of git',
  DaytonaGitBranchExistsError: 'of git',
  DaytonaGitPushRejectedError: 'of git',
  DaytonaGitDirtyWorktreeError: 'of git',
  DaytonaGitMergeConflictError: 'of git',
  DaytonaGitTransportFailedError: 'of git',
  DaytonaGitRemoteRejectedError: 'of git',
};

let server: AnswerServer;
let dir = '';
let client: DaytonaClient;
let unreachable: DaytonaClient;
let toolbox: Toolbox;

beforeAll(async () => {
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  dir = await mkdtemp(join(tmpdir(), 'plumbline-daytona-errors-'));
  await writeFile(join(dir, 'file'), 'content');
  server = await answerServer(hangs);
  const { url } = server;
  const sandbox = {
    id: 'x',
    state: 'started',
    labels: {},
    cpu: 1,
    memory: 1,
    disk: 1,
    toolboxProxyUrl: `${url}/toolbox`,
  };
  server.answer(says(200, sandbox));
  const connection = { apiKey: 'k', requestTimeoutMs: LIMIT_MS, env: {} };
  client = await loadDaytona({ ...connection, apiUrl: `${url}/api` });
  unreachable = await loadDaytona({ ...connection, apiUrl: `${await closedUrl()}/api` });
  toolbox = await client.toolbox(sandbox);
}, 30_000);

afterAll(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

const options = { timeout: LIMIT_MS };

function callOf(work: Work, to: DaytonaClient): () => Promise<unknown> {
  const sandbox = {
    name: 'n',
    snapshot: 's',
    env: {},
    labels: {},
    autoStopInterval: 1,
    autoDeleteInterval: 0,
    ttlMinutes: 1,
  };
  switch (work) {
    case 'create':
      return () => to.sandboxApi.createSandbox(sandbox, undefined, options);
    case 'image':
      return () => to.snapshotsApi.getSnapshot('s', undefined, options);
    case 'control':
      return () => to.sandboxApi.getSandbox('x', undefined, undefined, options);
    case 'storage':
      return () => to.uploadContext([{ sourcePath: join(dir, 'file'), archivePath: 'file' }]);
    case 'exec':
      return () => toolbox.process.executeCommand('true', '/', undefined, LIMIT_MS / 1000);
    case 'write':
      return () => toolbox.fs.uploadFile(Buffer.from('x'), '/x', 1);
    case 'read':
      return async () => {
        for await (const _ of await toolbox.fs.downloadFileStream('/x', { timeout: LIMIT_MS }));
      };
  }
}

/** What hands out the credentials works; the storage behind it is what answers. */
const storageOf = (answer: Answer) =>
  routes(
    {
      'push-access': (request, response) =>
        says(200, {
          accessKey: 'a',
          secret: 's',
          sessionToken: 't',
          storageUrl: `${server.url}/s3`,
          organizationId: 'o',
          bucket: 'b',
          region: 'us',
        })(request, response),
    },
    answer,
  );

async function thrown([, call, answer]: Row): Promise<Error> {
  if (answer === REFUSED) return rejection(callOf(call, unreachable));
  server.answer(call === 'storage' ? storageOf(answer) : answer);
  return rejection(callOf(call, client));
}

describe('errors of the SDK', () => {
  test.each(ROWS)('%s (%s)', async (...row) => {
    const [, work, , name, message, type, origin, retryable] = row;
    const call = work === 'write' || work === 'read' ? 'files' : work;
    const error = await thrown(row);
    expect([error.name, error.message]).toEqual([name, expect.stringContaining(message)]);
    const mapped = daytonaError(error, call, 'the call');
    expect([mapped.type, mapped.origin, mapped.retryable]).toEqual([type, origin, retryable]);
    expect(mapped.details.cause).toBe(error);
    expect(mapped.message).toMatch(/^the call: /);
    expect(mapped.message).toContain(error.message);
  });

  test('every class that it exports is one of them, or has a reason not to be', async () => {
    expect(unaccounted(await import('@daytona/sdk'), new Set(ROWS.map((row) => row[3])), NEVER)).toEqual({
      unknown: [],
      stale: [],
    });
  });
});

describe('what else the answers say', () => {
  test.each([
    ['7', 7_000],
    ['Retry-After-Sandbox-Create: 7', 7_000],
    ['a date', 30_000],
    ['soon', undefined],
  ])('a rate limit that asks to wait: %s', async (value, expected) => {
    const [name, text] = value.includes(': ') ? value.split(': ') : ['Retry-After', value];
    const said = text === 'a date' ? new Date(Date.now() + 30_000).toUTCString() : text;
    server.answer(
      api(429, 'Rate limit exceeded', { [name ?? '']: said ?? '', 'X-RateLimit-Limit-Sandbox-Create': '300' }),
    );
    const { details } = daytonaError(await rejection(callOf('create', client)), 'create', 'create');
    if (expected === undefined) expect(details.retryAfterMs).toBeUndefined();
    else expect(Math.abs((details.retryAfterMs ?? 0) - expected)).toBeLessThan(2_000);
  });

  test('what can never pass is not repeated, what may pass is', async () => {
    const repeated: string[] = [];
    for (const row of ROWS.filter(([, work]) => work === 'create')) {
      if (isRepeatable(daytonaError(await thrown(row), 'create', ''))) repeated.push(row[0]);
    }
    const transient = [
      'quota',
      '429',
      '500',
      '502 of a proxy',
      '503',
      '504',
      'reset',
      'refused',
      'no reply',
      'half a reply',
    ];
    expect(repeated).toEqual(transient);
  });

  test('ours stay as they are', () => {
    const ours = daytonaError(new Error('x'), 'exec', 'a');
    expect(daytonaError(ours, 'create', 'b')).toBe(ours);
  });
});

describe('a sandbox that died says why', () => {
  const dto = { id: 'x', labels: {}, cpu: 1, memory: 1, disk: 1 };
  test.each([
    ['stopped', null, 'stopped'],
    ['error', 'OOM killed by runner', 'error (OOM killed by runner)'],
    ['archived', null, 'archived'],
  ])('%s', async (state, errorReason, said) => {
    server.answer(routes({ '/toolbox': resets }, says(200, { ...dto, state, errorReason })));
    const shell = daytonaShell({ client, requestTimeoutMs: LIMIT_MS } as Cloud, toolbox, 'x');
    const error = await rejection(() => shell.script('true', { limitMs: null }));
    expect(error).toMatchObject({
      type: 'SandboxLostError',
      origin: 'provider',
      message: `command: the sandbox is gone: ${said}`,
      details: { providerState: said, cause: { name: 'DaytonaConnectionError', message: 'read ECONNRESET' } },
    });
  });

  test('deleted, or alive', async () => {
    const shell = daytonaShell({ client, requestTimeoutMs: LIMIT_MS } as Cloud, toolbox, 'x');
    server.answer(api(404, NO_SUCH));
    const gone = await rejection(() => shell.script('true', { limitMs: null }));
    expect(gone).toMatchObject({ type: 'SandboxLostError', details: { providerState: 'deleted' } });
    server.answer(routes({ '/toolbox': resets }, says(200, { ...dto, state: 'started' })));
    const alive = await rejection(() => shell.script('true', { limitMs: null }));
    expect(alive).toMatchObject({ type: 'NetworkError', origin: 'network' });
  });
});

describe('errors of a snapshot', () => {
  test.each([
    ['process "/bin/sh -c exit 17" did not complete successfully: exit code: 17', 'ImageBuildError', 'task', false],
    ['Timeout while building snapshot on runner', 'ImageBuildError', 'provider', true],
    ['failed to resolve source metadata for docker.io/library/nope:1: not found', 'ImagePullError', 'network', false],
    ['toomanyrequests: You have reached your pull rate limit', 'RegistryRateLimitError', 'network', true],
    ['write /var/lib/docker/tmp/x: no space left on device', 'DiskFullError', 'provider', false],
  ] as const)('%s', (errorReason, type, origin, retryable) => {
    const error = buildError({ id: '1', name: 'n', state: 'build_failed', errorReason }, 'log of the build\n');
    expect([error.type, error.origin, error.retryable]).toEqual([type, origin, retryable]);
    expect([error.details.log, error.details.providerState]).toEqual(['log of the build\n', 'build_failed']);
  });
});
