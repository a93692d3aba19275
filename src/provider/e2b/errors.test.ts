/**
 * What SDK 2.51.0 throws, as ours: the SDK itself runs against a server that answers as each row says, for the API and for a sandbox's
 * envd, so class and message are what it makes of them today. Every error class that it exports is in the table or has a reason not
 * to be.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
import { buildError } from './build-error.js';
import { type E2bCall, e2bError, hadNoEffect } from './errors.js';
import { type E2bClient, type E2bSandbox, loadE2b } from './sdk.js';
import { e2bShell } from './shell.js';

const LIMIT_MS = 1_000;
const REFUSED = 'refused';

const api = (status: number, message: string) => says(status, { code: status, message });

/** One message of a Connect stream. */
function frame(message: object, flags = 0): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(json.length, 1);
  return Buffer.concat([head, json]);
}
const STARTED = frame({ event: { start: { pid: 7 } } });
const ENDED = frame({}, 2);
const failed = (code: string, message: string) => frame({ error: { code, message } }, 2);
const streams =
  (...frames: Buffer[]): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'application/connect+json' }).end(Buffer.concat(frames));
  };
/** The process runs, and the connection breaks; `/health` is asked next. */
const cutStream = (health: Answer) =>
  routes({ '/health': health }, ({ socket }, response) => {
    response.writeHead(200, { 'content-type': 'application/connect+json' });
    response.write(STARTED, () => socket.destroy());
  });

type Work = Exclude<E2bCall, 'control' | 'files'> | 'list' | 'lifetime' | 'alias' | 'write' | 'read';
const CALLS: Readonly<Record<Work, E2bCall>> = {
  create: 'create',
  list: 'control',
  lifetime: 'control',
  alias: 'control',
  exec: 'exec',
  write: 'files',
  read: 'files',
};

/** What it was, the call, what was answered, the class and message of the SDK, our type, who has to act, whether a fresh sandbox may help. */
type Row = readonly [string, Work, Answer | typeof REFUSED, string, string, ExceptionType, Origin, boolean];

const LIMIT = 'you have reached the maximum number of concurrent E2B sandboxes (20)';
const NOT_RUNNING = 'Sandbox is probably not running anymore';

const ROWS: readonly Row[] = [
  [
    '401',
    'create',
    api(401, 'Invalid API key'),
    'AuthenticationError',
    'Unauthorized, please check your credentials. - Invalid API key',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    '402',
    'create',
    api(402, 'payment required'),
    'SandboxError',
    '402: payment required',
    'ProviderQuotaError',
    'provider',
    false,
  ],
  ['403', 'create', api(403, 'forbidden'), 'SandboxError', '403: forbidden', 'ProviderAuthError', 'provider', false],
  [
    'unknown template',
    'create',
    api(404, "template 'x' not found"),
    'SandboxError',
    "404: template 'x' not found",
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'refused lifetime',
    'create',
    api(400, 'Timeout cannot be greater than 24 hours'),
    'SandboxError',
    '400: Timeout cannot be greater than 24 hours',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'an old template',
    'create',
    routes(
      { '/v2/sandboxes': says(201, { sandboxID: 'i', templateID: 't', clientID: 'c', envdVersion: '0.0.9' }) },
      says(204, ''),
    ),
    'TemplateError',
    'You need to update the template to use the new SDK.',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'limit on sandboxes',
    'create',
    api(429, LIMIT),
    'RateLimitError',
    `Rate limit exceeded, please try again later - ${LIMIT}`,
    'ProviderQuotaError',
    'provider',
    true,
  ],
  [
    '429',
    'create',
    api(429, 'too many requests'),
    'RateLimitError',
    'Rate limit exceeded, please try again later - too many requests',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    '429 of a list',
    'list',
    api(429, 'too many requests'),
    'RateLimitError',
    'Rate limit exceeded, please try again later - too many requests',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    '500',
    'create',
    api(500, 'internal server error'),
    'SandboxError',
    '500: internal server error',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '503',
    'create',
    api(503, 'no capacity'),
    'ServiceBusyError',
    'Service temporarily unavailable, please retry - no capacity',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '504',
    'create',
    api(504, 'timed out while placing the sandbox'),
    'SandboxError',
    '504: timed out while placing the sandbox',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '502 of a proxy',
    'create',
    says(502, '<html>bad gateway</html>'),
    'SandboxError',
    '502: ',
    'SandboxCreateError',
    'provider',
    true,
  ],
  ['reset', 'create', resets, 'TypeError', 'fetch failed', 'NetworkError', 'network', true],
  ['refused', 'create', REFUSED, 'TypeError', 'fetch failed', 'NetworkError', 'network', true],
  ['half a reply', 'create', breaksOff(), 'TypeError', 'terminated', 'NetworkError', 'network', true],
  ['no JSON', 'create', says(201, '<html>oops'), 'SyntaxError', 'is not valid JSON', 'NetworkError', 'network', true],
  [
    'no reply',
    'create',
    hangs,
    'TimeoutError',
    'The operation was aborted due to timeout',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'list 401',
    'list',
    api(401, 'Invalid API key'),
    'AuthenticationError',
    'Unauthorized, please check your credentials. - Invalid API key',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'list 500',
    'list',
    api(500, 'internal server error'),
    'SandboxError',
    '500: internal server error',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'list 503',
    'list',
    api(503, 'busy'),
    'ServiceBusyError',
    'Service temporarily unavailable, please retry - busy',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'alias 500',
    'alias',
    api(500, 'internal server error'),
    'TemplateError',
    '500: internal server error',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'lifetime of a dead one',
    'lifetime',
    api(404, 'not found'),
    'SandboxNotFoundError',
    'Sandbox isbx not found',
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    'exec 401',
    'exec',
    says(401, ''),
    'AuthenticationError',
    '[unauthenticated] HTTP 401',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'exec 403',
    'exec',
    says(403, ''),
    'SandboxError',
    '7: [permission_denied] HTTP 403',
    'ProviderAuthError',
    'provider',
    false,
  ],
  ['exec 429', 'exec', says(429, ''), 'SandboxNotFoundError', NOT_RUNNING, 'SandboxLostError', 'provider', true],
  ['exec 502', 'exec', says(502, ''), 'SandboxNotFoundError', NOT_RUNNING, 'SandboxLostError', 'provider', true],
  ['exec 503', 'exec', says(503, ''), 'SandboxNotFoundError', NOT_RUNNING, 'SandboxLostError', 'provider', true],
  ['exec 500', 'exec', says(500, ''), 'SandboxError', '2: [unknown] HTTP 500', 'NetworkError', 'provider', true],
  ['exec reset', 'exec', resets, 'SandboxError', '2: [unknown] fetch failed', 'NetworkError', 'network', true],
  [
    'exec, no stream',
    'exec',
    says(200, {}),
    'SandboxError',
    '13: [internal] unsupported content type application/json',
    'NetworkError',
    'network',
    true,
  ],
  [
    'exec without an answer',
    'exec',
    hangs,
    'TimeoutError',
    "This error is likely due to exceeding 'requestTimeoutMs'",
    'NetworkError',
    'provider',
    true,
  ],
  [
    'exec stream cut',
    'exec',
    cutStream(says(204, '')),
    'SandboxError',
    '2: [unknown] terminated',
    'NetworkError',
    'network',
    true,
  ],
  [
    'exec stream cut, sandbox dead',
    'exec',
    cutStream(says(502, {})),
    'TimeoutError',
    '[unknown] terminated: The sandbox was killed or reached its end of life while the request was in flight.',
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    'exec without an end',
    'exec',
    streams(STARTED, ENDED),
    'SandboxError',
    'Process exited without a result',
    'NetworkError',
    'network',
    true,
  ],
  [
    'exec without a start',
    'exec',
    streams(frame({ event: { data: {} } }), ENDED),
    'Error',
    'Expected start event',
    'NetworkError',
    'network',
    true,
  ],
  [
    'exec refused',
    'exec',
    streams(failed('invalid_argument', "cwd '/nowhere' does not exist")),
    'InvalidArgumentError',
    "[invalid_argument] cwd '/nowhere' does not exist",
    'ExecError',
    'provider',
    false,
  ],
  [
    'exec, no such process',
    'exec',
    streams(failed('not_found', 'no such process')),
    'NotFoundError',
    '[not_found] no such process',
    'ExecError',
    'provider',
    true,
  ],
  [
    'exec, rate limit',
    'exec',
    streams(failed('resource_exhausted', 'too many processes')),
    'RateLimitError',
    '[resource_exhausted] too many processes: Rate limit exceeded, please try again later.',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'server-side limit',
    'exec',
    streams(STARTED, failed('deadline_exceeded', 'context deadline exceeded')),
    'TimeoutError',
    "[deadline_exceeded] context deadline exceeded: This error is likely due to exceeding 'timeoutMs'",
    'ExecError',
    'provider',
    true,
  ],
  [
    'write 400',
    'write',
    api(400, 'path is a directory'),
    'InvalidArgumentError',
    'path is a directory',
    'TransferError',
    'provider',
    false,
  ],
  [
    'write 401',
    'write',
    api(401, 'no token'),
    'AuthenticationError',
    'no token',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'write 403',
    'write',
    api(403, 'forbidden'),
    'SandboxError',
    '403: forbidden',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'read 404',
    'read',
    api(404, "path '/x' does not exist"),
    'FileNotFoundError',
    "path '/x' does not exist",
    'TransferError',
    'provider',
    false,
  ],
  [
    'write 429',
    'write',
    api(429, 'too many'),
    'RateLimitError',
    'too many: The requests are being rate limited.',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'write 500',
    'write',
    api(500, 'internal server error'),
    'SandboxError',
    '500: internal server error',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'write 502',
    'write',
    api(502, 'The sandbox was not found'),
    'TimeoutError',
    'The sandbox was not found: This error is likely due to sandbox timeout.',
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    'write 507',
    'write',
    api(507, 'not enough disk space'),
    'NotEnoughSpaceError',
    'not enough disk space',
    'DiskFullError',
    'provider',
    false,
  ],
  ['write reset', 'write', resets, 'TypeError', 'fetch failed', 'NetworkError', 'network', true],
  [
    'write, a strange reply',
    'write',
    says(200, []),
    'Error',
    'Expected to receive information about written file',
    'NetworkError',
    'network',
    true,
  ],
  ['read without an answer', 'read', hangs, 'TimeoutError', 'timed out', 'NetworkError', 'provider', true],
  [
    'read, half a reply',
    'read',
    breaksOff('application/octet-stream'),
    'TypeError',
    'terminated',
    'NetworkError',
    'network',
    true,
  ],
];

const NEVER: Readonly<Record<string, string>> = {
  CommandExitError: 'an exit code, not an error: shell.ts takes it for the result',
  GitAuthError: 'of git',
  GitUpstreamError: 'of git',
  SecretError: 'of secrets',
  SecretNotFoundError: 'of secrets',
  VolumeError: 'of volumes',
  VolumeNotFoundError: 'of volumes',
  VolumePathNotFoundError: 'of volumes',
};

let server: AnswerServer;
let dir = '';
let client: E2bClient;
let unreachable: E2bClient;
let sandbox: E2bSandbox;
const CREATED = { sandboxID: 'isbx', templateID: 't', clientID: 'c', envdVersion: '0.6.13', envdAccessToken: 'tok' };

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-e2b-errors-'));
  await writeFile(join(dir, 'file'), 'content');
  server = await answerServer(says(201, CREATED));
  const { url } = server;
  const connection = { apiKey: `e2b_${'0'.repeat(40)}`, requestTimeoutMs: LIMIT_MS, env: {} };
  client = await loadE2b({ ...connection, apiUrl: url, sandboxUrl: url });
  unreachable = await loadE2b({ ...connection, apiUrl: await closedUrl() });
  // the first call loads the rest of the SDK
  await client.Sandbox.create('t', { metadata: {}, timeoutMs: 60_000, requestTimeoutMs: 20_000 });
  sandbox = await client.Sandbox.connect('isbx', { timeoutMs: 60_000 });
}, 30_000);

afterAll(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

function callOf(work: Work, to: E2bClient): () => Promise<unknown> {
  const root = { user: 'root' } as const;
  switch (work) {
    case 'create':
      return () => to.Sandbox.create('t', { metadata: {}, timeoutMs: 60_000 });
    case 'list':
      return () => to.Sandbox.list({ query: { metadata: {} } }).nextItems();
    case 'lifetime':
      return () => sandbox.setTimeout(60_000);
    case 'alias':
      return () => to.Template.exists('t');
    case 'exec':
      return async () => {
        const start = { ...root, background: true, cwd: '/', envs: {}, timeoutMs: 0, onStdout: () => {} } as const;
        return (await sandbox.commands.run('true', start)).wait();
      };
    case 'write':
      return () => sandbox.files.write('/x', new Blob(['x']), { ...root, useOctetStream: true });
    case 'read':
      return async () => {
        const stream = await sandbox.files.read('/x', { ...root, format: 'stream', streamIdleTimeoutMs: LIMIT_MS });
        for await (const _ of stream as AsyncIterable<Uint8Array>);
      };
  }
}

async function thrown([, work, answer]: Row): Promise<Error> {
  if (answer === REFUSED) return rejection(callOf(work, unreachable));
  server.answer(answer);
  return rejection(callOf(work, client));
}

describe('errors of the SDK', () => {
  test.each(ROWS)('%s (%s)', async (...row) => {
    const [, work, , name, message, type, origin, retryable] = row;
    const error = await thrown(row);
    expect([error.name, error.message]).toEqual([name, expect.stringContaining(message)]);
    const mapped = e2bError(error, CALLS[work], 'the call');
    expect([mapped.type, mapped.origin, mapped.retryable]).toEqual([type, origin, retryable]);
    expect(mapped.details.cause).toBe(error);
    expect(mapped.message).toMatch(/^the call: /);
    expect(mapped.message).toContain(error.message);
  });

  test('only a call that was provably refused may be repeated blindly', async () => {
    const safe: string[] = [];
    for (const row of ROWS.filter(([, work]) => work === 'create')) {
      if (hadNoEffect(e2bError(await thrown(row), 'create', 'create'))) safe.push(row[0]);
    }
    expect(safe).toEqual(['limit on sandboxes', '429', 'refused']);
  });

  test.each(['30', new Date(Date.now() + 30_000).toUTCString()])(
    'how long a rate limit asks to wait (%s) is kept by the SDK, and no field of its error says it',
    async (value) => {
      server.answer(says(429, { code: 429, message: 'slow down' }, { 'retry-after': value }));
      const mapped = e2bError(await rejection(callOf('create', client)), 'create', 'create');
      expect([mapped.type, mapped.details.retryAfterMs]).toEqual(['ProviderRateLimitError', undefined]);
    },
  );

  test('ours stay as they are', () => {
    const ours = e2bError(new Error('x'), 'exec', 'a');
    expect(e2bError(ours, 'create', 'b')).toBe(ours);
  });
});

describe('a sandbox that died', () => {
  const script = () => rejection(() => e2bShell(sandbox).script('true', { limitMs: null }));

  test.each([
    ['before the command', routes({ '/health': says(502, {}) }, says(502, '')), NOT_RUNNING],
    ['under the command', cutStream(says(502, {})), 'the sandbox was killed or reached its end of life'],
  ])('%s: E2B says that it does not run, and not why', async (_, answer, words) => {
    server.answer(answer);
    const error = await script();
    expect(error).toMatchObject({
      type: 'SandboxLostError',
      origin: 'provider',
      message: 'command: the sandbox is gone',
    });
    expect(error).toMatchObject({ details: { providerState: 'not running' } });
    expect(String(error.cause).toLowerCase()).toContain(words.toLowerCase());
  });

  test('is none that only did not answer', async () => {
    server.answer(routes({ '/health': says(204, '') }, says(429, '')));
    expect(await script()).toMatchObject({ type: 'NetworkError', origin: 'provider', retryable: true });
  });
});

const REQUESTED = { templateID: 'tpl', buildID: 'b1', public: false, names: ['n'], aliases: ['n'], tags: [] };
const ends = (reason: string, ...log: string[]) =>
  says(200, {
    templateID: 'tpl',
    buildID: 'b1',
    status: 'error',
    logs: [],
    logEntries: log.map((message) => ({ timestamp: '2026-11-25T00:00:00Z', level: 'info', message })),
    reason: { message: reason, logEntries: [] },
  });
/** A build that comes as far as the answer which is given instead of its own. */
const building = (instead: Readonly<Record<string, Answer>>) =>
  routes(
    {
      '/status': ends('none'),
      '/files/': (request, response) => says(201, { present: false, url: `${server.url}/upload/x` })(request, response),
      '/upload/': says(200, ''),
      '/v3/templates': says(202, REQUESTED),
      ...instead,
    },
    says(202, ''),
  );
/** The second page of a log is empty. */
const statusOnce = (answer: Answer): Answer => {
  return (request, response) => {
    if (request.url?.includes('logsOffset=0')) answer(request, response);
    else ends('x')(request, response);
  };
};

const LIMITED = 'error pulling image: toomanyrequests: You have reached your pull rate limit';
const MISSING = 'failed to pull base image: MANIFEST_UNKNOWN: manifest unknown';

/** What it was, what was answered, the class and message of the SDK, our type, who has to act, whether another try may help. */
const BUILDS: readonly (readonly [string, Record<string, Answer>, string, string, ExceptionType, Origin, boolean])[] = [
  [
    'a step',
    { '/status': statusOnce(ends("failed to run command 'exit 17': exit status 17", 'reason-of-failure')) },
    'BuildError',
    "failed to run command 'exit 17': exit status 17",
    'ImageBuildError',
    'task',
    false,
  ],
  [
    'a step that fills the disk',
    { '/status': statusOnce(ends("failed to run command 'dd': exit status 1", 'dd: No space left on device')) },
    'BuildError',
    "failed to run command 'dd': exit status 1",
    'DiskFullError',
    'provider',
    false,
  ],
  [
    'a step that is refused by a website',
    { '/status': statusOnce(ends("failed to run command 'curl': exit status 22", '401 Unauthorized')) },
    'BuildError',
    "failed to run command 'curl': exit status 22",
    'ImageBuildError',
    'task',
    false,
  ],
  [
    'a rate limit of the registry',
    { '/status': ends(LIMITED) },
    'BuildError',
    LIMITED,
    'RegistryRateLimitError',
    'network',
    true,
  ],
  [
    'an image that is not there',
    { '/status': ends(MISSING) },
    'BuildError',
    MISSING,
    'ImagePullError',
    'network',
    false,
  ],
  [
    'the API',
    { '/v3/templates': api(500, 'internal server error') },
    'BuildError',
    '500: internal server error',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a refusal',
    { '/v3/templates': api(400, 'Invalid template name') },
    'BuildError',
    '400: Invalid template name',
    'ImageBuildError',
    'provider',
    false,
  ],
  [
    'a wrong key',
    { '/v3/templates': api(401, 'Invalid API key') },
    'AuthenticationError',
    'Invalid API key',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'a forbidden build',
    { '/v3/templates': api(403, 'forbidden') },
    'BuildError',
    '403: forbidden',
    'ProviderAuthError',
    'provider',
    false,
  ],
  ['a busy API', { '/v3/templates': api(503, 'busy') }, 'ServiceBusyError', 'busy', 'NetworkError', 'provider', true],
  [
    'a rate limit of the API',
    { '/v3/templates': api(429, 'too many requests') },
    'RateLimitError',
    'too many requests',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'a refused upload',
    { '/upload/': says(500, '') },
    'FileUploadError',
    'Failed to upload file: Internal Server Error',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a broken upload',
    { '/upload/': resets },
    'FileUploadError',
    'Failed to upload file: TypeError: fetch failed',
    'NetworkError',
    'network',
    true,
  ],
  [
    'no link to upload to',
    { '/files/': api(500, 'internal server error') },
    'FileUploadError',
    '500: internal server error',
    'NetworkError',
    'provider',
    true,
  ],
];

describe('errors of a template build', () => {
  test.each(BUILDS)('%s', async (_, instead, name, message, type, origin, retryable) => {
    server.answer(building(instead));
    let log = '';
    const template = client.Template({ fileContextPath: dir }).fromImage('debian').copy('file', '/file');
    const options = { cpuCount: 1, memoryMB: 512, skipCache: false };
    const error = await rejection(() =>
      client.Template.build(template, 'n', {
        ...options,
        onBuildLogs: (entry) => {
          log += `${entry.message}\n`;
        },
      }),
    );
    expect([error.name, error.message]).toEqual([name, expect.stringContaining(message)]);
    const mapped = buildError(error, 'n', log);
    expect([mapped.type, mapped.origin, mapped.retryable], log).toEqual([type, origin, retryable]);
    if (name === 'BuildError' && origin !== 'provider') expect(mapped.details.log).toBe(log);
  });
});

test('every error class that the SDK exports is one of these, or has a reason not to be', async () => {
  const seen = new Set([...ROWS.map((row) => row[3]), ...BUILDS.map((row) => row[2])]);
  expect(unaccounted(await import('e2b'), seen, NEVER)).toEqual({ unknown: [], stale: [] });
});
