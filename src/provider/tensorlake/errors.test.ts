/**
 * What tensorlake 0.5.89 throws, as ours: the SDK itself, its native half included, runs against a server that answers as each row
 * says, so class and message are what it makes of them today. Only the end of a builder's own program, which takes a whole build, is
 * built here from the text that it had. Every error class that the SDK exports is in the table or has a reason not to be.
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
import { readConfig } from './config.js';
import { type Doing, isAlreadyRegistered, isConflict, isNotFound, mapError, mapImageError } from './errors.js';
import { loadSdk, type Sdk, type SdkSandbox } from './sdk.js';
import { createShell } from './shell.js';

const REQUEST_SEC = 1;

type Work = 'create' | 'look' | 'list' | 'delete' | 'exec' | 'follow' | 'write' | 'read';
const DOING: Readonly<Record<Work, Doing>> = {
  create: 'create',
  look: 'look',
  list: 'look',
  delete: 'delete',
  exec: 'exec',
  follow: 'exec',
  write: 'transfer',
  read: 'transfer',
};

const api = (status: number, error: string) => says(status, { error });

/** What it was, what was done, what was answered, the class and message of the SDK, our type, who has to act, whether a fresh sandbox may help. */
type Row = readonly [string, Work, Answer | 'refused', string, string, ExceptionType, Origin, boolean];

const ROWS: readonly Row[] = [
  [
    '401',
    'create',
    api(401, 'invalid or missing API key'),
    'RemoteAPIError',
    'API error (status 401): {"error":"invalid or missing API key"}',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    '402',
    'create',
    api(402, 'payment required'),
    'RemoteAPIError',
    'API error (status 402): ',
    'ProviderQuotaError',
    'provider',
    false,
  ],
  [
    '403',
    'create',
    api(403, 'forbidden'),
    'RemoteAPIError',
    'API error (status 403): ',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    '403 at exec',
    'exec',
    api(403, 'forbidden'),
    'RemoteAPIError',
    'API error (status 403): ',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    '429',
    'create',
    api(429, 'too many concurrent requests'),
    'RemoteAPIError',
    'API error (status 429): ',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    '429 at exec',
    'exec',
    api(429, 'too many requests'),
    'RemoteAPIError',
    'API error (status 429): ',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'quota',
    'create',
    api(429, 'quota exceeded: limit of 2 sandboxes'),
    'RemoteAPIError',
    'API error (status 429): ',
    'ProviderQuotaError',
    'provider',
    true,
  ],
  [
    'a refused size',
    'create',
    api(400, 'cannot shrink image'),
    'RemoteAPIError',
    'API error (status 400): ',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'no such image',
    'create',
    api(404, 'image not found'),
    'RemoteAPIError',
    'API error (status 404): ',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    'a name that is taken',
    'create',
    api(409, 'name already exists'),
    'RemoteAPIError',
    'API error (status 409): ',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    '500 at create',
    'create',
    api(500, 'x'),
    'RemoteAPIError',
    'API error (status 500): {"error":"x"}',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '503 at create',
    'create',
    api(503, 'x'),
    'RemoteAPIError',
    'API error (status 503): ',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    '502 of a proxy',
    'create',
    says(502, '<html>bad gateway'),
    'RemoteAPIError',
    'API error (status 502): <html>bad gateway',
    'SandboxCreateError',
    'provider',
    true,
  ],
  [
    'refused',
    'create',
    'refused',
    'SandboxError',
    'error sending request for url (http://127.0.0.1:',
    'NetworkError',
    'network',
    true,
  ],
  [
    'reset',
    'create',
    resets,
    'SandboxError',
    'error sending request for url (http://127.0.0.1:',
    'NetworkError',
    'network',
    true,
  ],
  [
    'no reply',
    'create',
    hangs,
    'SandboxError',
    'error sending request for url (http://127.0.0.1:',
    'NetworkError',
    'network',
    true,
  ],
  [
    'half a reply',
    'create',
    breaksOff(),
    'SandboxError',
    'error decoding response body',
    'NetworkError',
    'network',
    true,
  ],
  [
    'no JSON',
    'create',
    says(200, '<html>oops'),
    'SandboxError',
    'expected value at line 1 column 1',
    'NetworkError',
    'network',
    true,
  ],
  [
    'wrong shape',
    'create',
    says(200, { status: 'pending' }),
    'SandboxError',
    'missing field `sandbox_id` at line 1 column',
    'NetworkError',
    'network',
    true,
  ],
  [
    'sandbox gone',
    'look',
    api(404, 'sandbox not found'),
    'SandboxNotFoundError',
    'Sandbox not found: sbx1',
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    '500 of a look',
    'look',
    api(500, 'x'),
    'RemoteAPIError',
    'API error (status 500): ',
    'NetworkError',
    'provider',
    true,
  ],
  [
    '500 of a list',
    'list',
    api(500, 'x'),
    'RemoteAPIError',
    'API error (status 500): ',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a list refused',
    'list',
    api(400, 'x'),
    'RemoteAPIError',
    'API error (status 400): ',
    'SandboxCreateError',
    'provider',
    false,
  ],
  [
    '500 of a deletion',
    'delete',
    api(500, 'x'),
    'RemoteAPIError',
    'API error (status 500): ',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'daemon gone',
    'exec',
    api(404, 'sandbox not found'),
    'RemoteAPIError',
    'API error (status 404): ',
    'SandboxLostError',
    'provider',
    true,
  ],
  [
    'exec refused',
    'exec',
    api(400, 'bad working_dir'),
    'RemoteAPIError',
    'API error (status 400): ',
    'ExecError',
    'provider',
    false,
  ],
  ['exec 500', 'exec', api(500, 'x'), 'RemoteAPIError', 'API error (status 500): ', 'NetworkError', 'provider', true],
  ['exec reset', 'exec', resets, 'SandboxError', 'error sending request for url', 'NetworkError', 'network', true],
  [
    'exec, no JSON',
    'exec',
    says(200, '<html>oops'),
    'SandboxError',
    'expected value at line 1 column 1',
    'NetworkError',
    'network',
    true,
  ],
  [
    'follow, no stream',
    'follow',
    says(200, {}),
    'SandboxError',
    'Client error: expected text/event-stream',
    'NetworkError',
    'network',
    true,
  ],
  [
    'follow, cut',
    'follow',
    breaksOff('text/event-stream'),
    'SandboxError',
    'error decoding response body',
    'NetworkError',
    'network',
    true,
  ],
  [
    'write refused',
    'write',
    api(403, 'forbidden'),
    'RemoteAPIError',
    'API error (status 403): ',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'write to a directory',
    'write',
    api(400, 'path is a directory'),
    'RemoteAPIError',
    'API error (status 400): ',
    'TransferError',
    'provider',
    false,
  ],
  [
    'write, disk full',
    'write',
    api(500, 'Failed to write: No space left on device (os error 28)'),
    'RemoteAPIError',
    'No space left on device',
    'DiskFullError',
    'provider',
    false,
  ],
  [
    'write 500',
    'write',
    api(500, 'Failed to create file: /srv/.x.ab12.tmp'),
    'RemoteAPIError',
    'API error (status 500): ',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'read 404',
    'read',
    api(404, 'file not found'),
    'RemoteAPIError',
    'API error (status 404): ',
    'SandboxLostError',
    'provider',
    true,
  ],
  ['read reset', 'read', resets, 'SandboxError', 'error sending request for url', 'NetworkError', 'network', true],
];

const NEVER: Readonly<Record<string, string>> = {
  CliNotFoundError: 'of mounted file systems',
  FileNotFoundInFilesystemError: 'of file systems',
  FilesystemAPIError: 'of file systems',
  FilesystemError: 'of file systems',
  FilesystemNotFoundError: 'of file systems',
  MountError: 'of mounted file systems',
  PoolInUseError: 'of pools',
  PoolNotFoundError: 'of pools',
  RequestExecutionError: 'of applications',
  RequestFailedError: 'of applications',
  RequestNotFinishedError: 'of applications',
  SandboxException: 'the base of the others, which is not thrown itself',
};

let server: AnswerServer;
let dir = '';
let sdk: Sdk;
let unreachable: Sdk;
let anonymous: Sdk;
let sandbox: SdkSandbox;
let info: object;

const load = (url: string, key = 'k') =>
  loadSdk(
    readConfig({
      env: {
        TENSORLAKE_API_URL: url,
        TENSORLAKE_API_KEY: key,
        TENSORLAKE_ORGANIZATION_ID: 'o',
        TENSORLAKE_PROJECT_ID: 'p',
      },
      stateDir: dir,
    }),
  );

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-tensorlake-errors-'));
  await writeFile(join(dir, 'Dockerfile'), 'FROM debian\n');
  await writeFile(join(dir, 'Badfile'), 'FROM os import path\n');
  vi.stubEnv('TENSORLAKE_API_URL', ''); // what is lent to the process goes with the test
  server = await answerServer(hangs);
  unreachable = await load(await closedUrl());
  anonymous = await load(server.url, '');
  sdk = await load(server.url);
  const process = { pid: 7, status: 'running', command: 'x', args: [], stdin_writable: false, started_at: 1 };
  const resources = { cpus: 1, memory_mb: 1024 };
  info = { id: 'sbx1', namespace: 'default', status: 'running', resources, sandbox_url: server.url };
  server.answer(routes({ '/api/v1/processes/7': says(200, process) }, says(200, info)));
  sandbox = await sdk.connect('sbx1', REQUEST_SEC);
  await sandbox.getProcess(7); // the first call asks for the daemon's address
}, 30_000);

afterAll(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

function run(work: Work, to: Sdk): Promise<unknown> {
  const client = to.client(REQUEST_SEC);
  switch (work) {
    case 'create':
      return client.create({ image: 'i', name: 'n', timeoutSecs: 300 });
    case 'look':
      return client.get('sbx1');
    case 'list':
      return client.list();
    case 'delete':
      return client.delete('sbx1');
    case 'exec':
      return sandbox.startProcess('/bin/sh', { args: ['-c', 'true'] });
    case 'follow':
      return (async () => {
        for await (const _ of sandbox.followOutput(7, {}));
      })();
    case 'write':
      return sandbox.writeFile('/x', Buffer.from('x'));
    case 'read':
      return sandbox.readFile('/x');
  }
}

async function thrown([, work, answer]: Row): Promise<Error> {
  if (answer === 'refused') return rejection(() => run(work, unreachable));
  server.answer(answer);
  return rejection(() => run(work, sdk));
}

describe('errors of calls', () => {
  test.each(ROWS)('%s (%s)', async (...row) => {
    const [, work, , name, message, type, origin, retryable] = row;
    const error = await thrown(row);
    expect([error.name, error.message]).toEqual([name, expect.stringContaining(message)]);
    const mapped = mapError(error, DOING[work], 'call');
    expect([mapped.type, mapped.origin, mapped.retryable]).toEqual([type, origin, retryable]);
    expect(mapped.message).toMatch(/^call: /);
    expect(mapped.message).toContain(error.message);
    expect(mapped.cause).toBe(error);
  });

  test('a wait that the body asks for is kept; headers do not come through the native client', async () => {
    server.answer(says(429, { error: 'slow down', retry_after: 7 }));
    expect(mapError(await rejection(() => run('create', sdk)), 'create', 'c').details.retryAfterMs).toBe(7_000);
    server.answer(says(429, 'slow down', { 'retry-after': '7' }));
    expect(mapError(await rejection(() => run('create', sdk)), 'create', 'c').details.retryAfterMs).toBeUndefined();
  });

  test('both ways to say "no such sandbox" are known, and a name that is taken', async () => {
    server.answer(api(404, 'x'));
    const errors = [await rejection(() => run('look', sdk)), await rejection(() => run('exec', sdk))];
    server.answer(api(409, 'x'));
    errors.push(await rejection(() => run('create', sdk)));
    expect(errors.map(isNotFound)).toEqual([true, true, false]);
    expect(errors.map(isConflict)).toEqual([false, false, true]);
  });

  test('ours stay as they are', () => {
    const ours = mapError(new Error('x'), 'exec', 'a');
    expect(mapError(ours, 'create', 'b')).toBe(ours);
  });
});

describe('a sandbox that died says why', () => {
  const script = async (then: Answer) => {
    server.answer(routes({ '/api/v1/processes': resets }, says(200, info)));
    const shell = await createShell({ sdk, sandboxId: 'sbx1', keepBackground: false, requestSec: REQUEST_SEC });
    await rejection(() => shell.script('true', { limitMs: null })); // it knows the daemon's address now
    server.answer(routes({ '/api/v1/processes': api(404, 'sandbox not found') }, then));
    return rejection(() => shell.script('true', { limitMs: null }));
  };

  test.each([
    [
      { status: 'terminated', termination_reason: 'OutOfMemory' },
      'terminated',
      'sandbox sbx1 is terminated (OutOfMemory)',
    ],
    [{ status: 'timeout' }, 'timeout', 'sandbox sbx1 is timeout (no reason given)'],
  ])('%o', async (now, state, said) => {
    const error = await script(says(200, { ...info, ...now }));
    expect(error).toMatchObject({ type: 'SandboxLostError', origin: 'provider', details: { providerState: state } });
    expect(error.message).toContain(said);
  });

  test('alive: it is the file that is not there', async () => {
    server.answer(routes({ '/api/v1/files': api(404, 'no such file') }, says(200, info)));
    const shell = await createShell({ sdk, sandboxId: 'sbx1', keepBackground: false, requestSec: REQUEST_SEC });
    const error = await rejection(async () => {
      for await (const _ of shell.read('/nowhere')) break;
    });
    expect(error).toMatchObject({ type: 'TransferError', retryable: false });
  });

  test('deleted, or alive', async () => {
    expect(await script(api(404, 'x'))).toMatchObject({ type: 'SandboxLostError' });
    expect(await script(says(200, info))).toMatchObject({ type: 'ExecError', retryable: true });
  });
});

const PREPARED = {
  buildId: 'b1',
  snapshotId: 's1',
  rootfsNodeKind: 'base',
  builder: { image: 'tensorlake/rootfs-builder', command: 'tl-rootfs-build', cpus: 2, memoryMb: 2048, diskMb: 20480 },
  parent: null,
  snapshotUri: 's3://bucket/snap',
  upload: { kind: 'legacy' },
};
/** A build that comes as far as the answer which is given instead of its own. */
const building = (instead: Readonly<Record<string, Answer>>) =>
  routes(
    {
      '/keys/introspect': says(200, { organizationId: 'o', projectId: 'p' }),
      '/by-name/': api(404, 'template not found'),
      '/sandbox-template-builds': says(200, PREPARED),
      ...instead,
    },
    says(200, {}),
  );

type ImageWork = 'find' | 'import' | 'build' | 'planless' | 'unreachable' | 'anonymous';

/** As above, for images. */
const IMAGES: readonly (readonly [
  string,
  ImageWork,
  Record<string, Answer>,
  string,
  string,
  ExceptionType,
  Origin,
  boolean,
])[] = [
  [
    'no credentials',
    'anonymous',
    {},
    'Error',
    'Missing TENSORLAKE_API_KEY or TENSORLAKE_PAT credentials.',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'a wrong key',
    'build',
    { '/keys/introspect': api(401, 'x') },
    'Error',
    'API key introspection failed (HTTP 401 Unauthorized)',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'a forbidden build',
    'build',
    { '/sandbox-template-builds': api(403, 'x') },
    'Error',
    'failed to prepare sandbox image build (HTTP 403 Forbidden)',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'a server that fails',
    'build',
    { '/sandbox-template-builds': api(500, 'x') },
    'Error',
    'failed to prepare sandbox image build (HTTP 500 Internal Server Error)',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a rate limit',
    'import',
    { '/sandbox-template-builds': api(429, 'slow down') },
    'Error',
    'failed to prepare sandbox image build (HTTP 429 Too Many Requests)',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'a rate limit of the builder',
    'import',
    { '/v1/namespaces/': api(429, 'slow down') },
    'Error',
    'Server error: 429 Too Many Requests',
    'ProviderRateLimitError',
    'provider',
    true,
  ],
  [
    'a quota of the builder',
    'import',
    { '/v1/namespaces/': api(429, 'quota exceeded') },
    'Error',
    'Server error: 429 Too Many Requests',
    'ProviderQuotaError',
    'provider',
    true,
  ],
  [
    'a refused import',
    'import',
    { '/sandbox-template-builds': api(400, 'no such base image') },
    'Error',
    'failed to prepare sandbox image build (HTTP 400 Bad Request)',
    'ImagePullError',
    'provider',
    true,
  ],
  [
    'a broken connection',
    'build',
    { '/keys/introspect': resets },
    'Error',
    'error sending request for url',
    'NetworkError',
    'network',
    true,
  ],
  [
    'a Dockerfile that it cannot read',
    'planless',
    {},
    'Error',
    "unsupported FROM syntax 'os import path'",
    'EnvironmentDefinitionError',
    'provider',
    false,
  ],
  [
    'a look with a wrong key',
    'find',
    { '/by-name/': api(401, 'x') },
    'RemoteAPIError',
    'API error (status 401): x',
    'ProviderAuthError',
    'provider',
    false,
  ],
  [
    'a look at a server that fails',
    'find',
    { '/by-name/': api(500, 'x') },
    'RemoteAPIError',
    'API error (status 500): x',
    'NetworkError',
    'provider',
    true,
  ],
  [
    'a look at a server that is not there',
    'unreachable',
    {},
    'SandboxConnectionError',
    'fetch failed',
    'NetworkError',
    'network',
    true,
  ],
];

function runImage(work: ImageWork): Promise<unknown> {
  const options = { registeredName: 'n' };
  const dockerfile = join(dir, 'Dockerfile');
  switch (work) {
    case 'find':
      return sdk.images.find('n');
    case 'unreachable':
      return unreachable.images.find('n');
    case 'import':
      return sdk.images.import('debian', options, () => {});
    case 'build':
      return sdk.images.build(dockerfile, options, () => {});
    case 'planless':
      return sdk.images.build(join(dir, 'Badfile'), options, () => {});
    case 'anonymous':
      return anonymous.images.build(dockerfile, options, () => {});
  }
}

/** What the builder's own program ended with, and with what last words. */
const ENDED = "Command '/usr/local/bin/tl-rootfs-build' failed with exit code 1 (builder sandbox: abc, build: b1)";
const generic = (message: string) => Object.assign(new Error(message), { code: 'GenericFailure' });

describe('errors of images', () => {
  test.each(IMAGES)('%s', async (_, work, instead, name, message, type, origin, retryable) => {
    server.answer(building(instead));
    const error = await rejection(() => runImage(work));
    expect([error.name, error.message]).toEqual([name, expect.stringContaining(message)]);
    const mapped = mapImageError(error, work === 'import' ? 'import' : 'build', 'image', '');
    expect([mapped.type, mapped.origin, mapped.retryable], mapped.message).toEqual([type, origin, retryable]);
    expect(mapped.message).toContain(error.message);
    expect(mapped.cause).toBe(error);
  });

  test.each([
    ['a step', 'build', 'RUN exit 17\nERROR: exit code: 17', 'ImageBuildError', 'task', false],
    ['a step that a website refuses', 'build', 'curl: (22) 429 Too Many Requests', 'ImageBuildError', 'task', false],
    ['a base that is not there', 'build', 'manifest unknown', 'ImagePullError', 'network', false],
    ['an image that is not there', 'import', 'manifest unknown', 'ImagePullError', 'network', false],
    ['an image that does not come', 'import', 'unexpected EOF', 'ImagePullError', 'network', true],
    [
      'a limit of the registry',
      'import',
      'toomanyrequests: You have reached your pull rate limit',
      'RegistryRateLimitError',
      'network',
      true,
    ],
    ['the disk', 'build', 'write /x: No space left on device', 'DiskFullError', 'provider', false],
  ] as const)('%s', (_, kind, log, type, origin, retryable) => {
    const mapped = mapImageError(generic(ENDED), kind, 'image', log);
    expect([mapped.type, mapped.origin, mapped.retryable]).toEqual([type, origin, retryable]);
    expect(mapped.details.log).toBe(log);
    expect(mapped.message).toContain(log.split('\n').at(-1));
  });

  test('a name that was registered meanwhile is known by its text alone', async () => {
    server.answer(building({ '/sandbox-template-builds': api(409, 'already exists') }));
    const error = await rejection(() => runImage('build'));
    expect(error.message).toContain('failed to prepare sandbox image build (HTTP 409 Conflict)');
    expect([isAlreadyRegistered(error), isAlreadyRegistered(generic(ENDED))]).toEqual([true, false]);
  });
});

test('every error class that the SDK exports is one of these, or has a reason not to be', async () => {
  const seen = new Set([...ROWS, ...IMAGES].map((row) => row[3]));
  expect(unaccounted(await import('tensorlake'), seen, NEVER)).toEqual({ unknown: [], stale: [] });
});
