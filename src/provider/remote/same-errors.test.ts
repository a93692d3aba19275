/**
 * One situation, one exception, whichever provider it happened at; where they differ, the reason. That the SDKs throw errors of these
 * shapes is seen in the providers' own errors.test.ts.
 */
import { describe, expect, test } from 'vitest';
import type { PlumblineError } from '../../exception/errors.js';
import { daytonaError } from '../daytona/errors.js';
import { e2bError } from '../e2b/errors.js';
import { modalError } from '../modal/errors.js';
import { mapError } from '../tensorlake/errors.js';

const PROVIDERS = ['tensorlake', 'modal', 'daytona', 'e2b'] as const;
type Provider = (typeof PROVIDERS)[number];
type Call = 'create' | 'look' | 'exec' | 'files';

function thrown(name: string, message: string, fields: object = {}): Error {
  return Object.assign(new Error(message), { name, ...fields });
}

const grpc = (code: number, details: string) => thrown('ClientError', `/s/M CODE: ${details}`, { code });
/** What stands on gRPC for a status of HTTP. */
const CODES: Readonly<Record<number, number>> = { 400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 429: 8, 500: 13, 503: 14 };
const E2B_NAMES: Readonly<Record<number, string>> = {
  401: 'AuthenticationError',
  429: 'RateLimitError',
  503: 'ServiceBusyError',
};

/** An answer that is no success. */
const says = (status: number, words = 'x'): Record<Provider, Error> => ({
  tensorlake: thrown('RemoteAPIError', `API error (status ${status}): ${words}`, { statusCode: status }),
  modal: grpc(CODES[status] ?? 2, words),
  daytona: thrown('DaytonaError', words, { statusCode: status }),
  e2b: thrown(E2B_NAMES[status] ?? 'SandboxError', `${status}: ${words}`, { statusCode: status }),
});

const BROKEN: Record<Provider, Error> = {
  tensorlake: thrown('SandboxError', 'error sending request for url (http://127.0.0.1:1/x)'),
  modal: grpc(14, 'read ECONNRESET'),
  daytona: thrown('DaytonaConnectionError', 'read ECONNRESET'),
  e2b: thrown('TypeError', 'fetch failed'),
};
const UNREADABLE: Record<Provider, Error> = {
  tensorlake: thrown('SandboxError', 'expected value at line 1 column 1'),
  modal: grpc(13, 'Response message parsing error: invalid varint'),
  daytona: thrown('SyntaxError', 'Unexpected token'),
  e2b: thrown('SyntaxError', 'Unexpected token'),
};
const SILENT: Record<Provider, Error> = {
  tensorlake: thrown('SandboxError', 'error sending request for url (http://127.0.0.1:1/x)'),
  modal: grpc(4, 'Timed out after 60000ms'),
  daytona: thrown('DaytonaConnectionTimeoutError', 'HTTP request timed out after 1000ms'),
  e2b: thrown('TimeoutError', 'The operation was aborted due to timeout'),
};
const DISK = 'write /x: No space left on device';
const FULL: Record<Provider, Error> = {
  ...says(500, DISK),
  modal: thrown('SandboxFilesystemError', DISK),
  e2b: thrown('NotEnoughSpaceError', DISK),
};

const AUTH = 'ProviderAuthError provider final';
const BUSY = 'ProviderRateLimitError provider passing';
const QUOTA = 'ProviderQuotaError provider passing';
const REFUSED = 'SandboxCreateError provider final';
const FAULT = 'NetworkError provider passing';
const LINE = 'NetworkError network passing';
const LOST = 'SandboxLostError provider passing';
type Differs = Partial<Record<Provider, readonly [verdict: string, why: string]>>;

const SITUATIONS: readonly (readonly [string, Call, Partial<Record<Provider, Error>>, string, Differs?])[] = [
  ['wrong credentials', 'create', says(401), AUTH],
  ['wrong credentials', 'look', says(401), AUTH],
  ['wrong credentials', 'exec', says(401), AUTH],
  ['no permission', 'create', says(403), AUTH],
  ['no permission', 'exec', says(403), AUTH],
  ['too many requests', 'create', says(429, 'too many requests'), BUSY],
  ['too many requests', 'look', says(429, 'too many requests'), BUSY],
  ['too many requests', 'files', says(429, 'too many requests'), BUSY],
  [
    'too many sandboxes',
    'create',
    {
      tensorlake: thrown('RemoteAPIError', 'API error (status 429): quota exceeded', { statusCode: 429 }),
      modal: grpc(8, 'workspace has reached its limit of running containers'),
      daytona: thrown('DaytonaValidationError', 'Total CPU limit exceeded. Maximum allowed: 10', { statusCode: 400 }),
      e2b: thrown('RateLimitError', 'you have reached the maximum number of concurrent E2B sandboxes (20)'),
    },
    QUOTA,
  ],
  ['no such image', 'create', says(404), REFUSED],
  ['a refused request', 'create', says(400), REFUSED],
  ['a name that is taken', 'create', says(409), REFUSED],
  ['no such sandbox', 'look', says(404), LOST],
  ['a fault of the server', 'create', says(500), 'SandboxCreateError provider passing'],
  ['a fault of the server', 'look', says(500), FAULT],
  ['a fault of the server', 'exec', says(500), FAULT],
  ['a fault of the server', 'files', says(500), FAULT],
  ['an unavailable server', 'create', says(503), 'SandboxCreateError provider passing'],
  ['an unavailable server', 'look', says(503), FAULT],
  ['an unavailable server', 'files', says(503), FAULT],
  ['a broken connection', 'create', BROKEN, LINE],
  ['a broken connection', 'look', BROKEN, LINE],
  ['a broken connection', 'exec', BROKEN, LINE],
  ['a broken connection', 'files', BROKEN, LINE],
  ['an unreadable reply', 'create', UNREADABLE, LINE],
  ['an unreadable reply', 'exec', UNREADABLE, LINE],
  [
    'no answer',
    'create',
    SILENT,
    FAULT,
    { tensorlake: [LINE, 'its native half has the same words for this and for a broken connection'] },
  ],
  ['a full disk', 'files', FULL, 'DiskFullError provider final'],
  [
    'a command that is refused',
    'exec',
    { ...says(400), e2b: thrown('InvalidArgumentError', '[invalid_argument] x') },
    'ExecError provider final',
    { daytona: ['ExecError provider passing', 'the proxy in front of a sandbox may have said it'] },
  ],
  [
    'the limit of a command on the other side',
    'exec',
    {
      // Tensorlake has none for what we start
      modal: new Error('Deadline exceeded while streaming stdio for exec 1'),
      daytona: thrown('DaytonaTimeoutError', 'command execution timeout', { statusCode: 408 }),
      e2b: thrown('TimeoutError', "[deadline_exceeded] x: This error is likely due to exceeding 'timeoutMs'"),
    },
    'ExecError provider passing',
  ],
];

function verdict(provider: Provider, error: Error, call: Call): string {
  const mapped = {
    tensorlake: () => mapError(error, call === 'files' ? 'transfer' : call, 'x'),
    modal: () => modalError(error, call === 'look' ? 'control' : call, 'x'),
    daytona: () => daytonaError(error, call === 'look' ? 'control' : call, 'x'),
    e2b: () => e2bError(error, call === 'look' ? 'control' : call, 'x'),
  } satisfies Record<Provider, () => PlumblineError>;
  const { type, origin, retryable } = mapped[provider]();
  return `${type} ${origin} ${retryable ? 'passing' : 'final'}`;
}

describe('one situation, one exception', () => {
  test.for(SITUATIONS)('%s (%s)', ([, call, errors, expected, differs = {}]) => {
    const rows = PROVIDERS.flatMap((provider) => {
      const error = errors[provider];
      return error === undefined ? [] : [{ provider, is: verdict(provider, error, call) }];
    });
    expect(rows).toEqual(rows.map(({ provider }) => ({ provider, is: differs[provider]?.[0] ?? expected })));
  });
});
