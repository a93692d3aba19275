/** The fault matrix of Daytona: its calls, and what is different about them (src/testing/fault-matrix.ts is the matrix). */
import { describeFaults, type MatrixCall } from '../../testing/fault-matrix.js';

const REQUEST_MS = 5_000;

const LOG = 'a build needs no log';
const UNREAD = 'nothing of the reply is needed';

/** The SDK sends these again by itself when the connection was reset. */
const GET: MatrixCall['unseen'] = {
  'reset-before': 'the SDK has sent the call again',
  'reset-after': 'the SDK has sent the call again',
};
/** The context goes through an S3 client that tries again by itself, and longer than a single fault lasts. */
const S3: MatrixCall['unseen'] = Object.fromEntries(
  [
    'reset-before',
    'reset-after',
    'truncate',
    '429',
    '429 with Retry-After',
    '500',
    '502',
    '503',
    '504',
    '503 after the effect',
  ].map((fault) => [fault, 'the S3 client has tried again']),
);
const build = (call: string, more: Partial<MatrixCall> = {}): MatrixCall => ({ call, does: 'prepare', ...more });

describeFaults('daytona', {
  settings: {
    'daytona.request_timeout_ms': String(REQUEST_MS),
    'daytona.first_pause_ms': '100',
    'daytona.tries': '3',
  },
  requestMs: REQUEST_MS,
  limitMs: 50_000,
  dockerfile: 'FROM debian:bookworm-slim\nCOPY data /srv/data\n',
  buildsAtMost: 1,
  calls: [
    { call: 'process.execute', does: 'exec' },
    { call: 'files.upload', does: 'upload', unseen: { malformed: UNREAD } },
    {
      call: 'files.download',
      does: 'download',
      ends: {
        hang: { as: ['TransferError/provider'], why: 'a file that stops coming is known by its silence alone' },
        truncate: {
          as: ['TransferError/provider', 'NetworkError/network'],
          why: 'a stream that breaks off does not tell who broke it',
        },
      },
    },
    { call: 'sandbox.create', does: 'create' },
    { call: 'sandbox.get', does: 'create', unseen: GET },
    { call: 'sandbox.delete', does: 'delete', unseen: { ...GET, malformed: UNREAD } },
    { call: 'sandbox.list', does: 'list' },
    { call: 'sandbox.network', does: 'network', unseen: { malformed: UNREAD } },
    build('snapshot.get', { unseen: { ...GET, truncate: 'the SDK has sent the call again' } }),
    build('snapshot.create', { unseen: { malformed: UNREAD } }),
    build('storage.access', { unseen: GET }),
    build('storage.list', { unseen: S3 }),
    build('storage.put', { unseen: { ...S3, malformed: UNREAD } }),
    build('snapshot.logs-url', { dispensable: LOG }),
    build('build.logs', { dispensable: LOG }),
  ],
  endings: {
    deaths: [
      { call: 'process.execute', does: 'exec', occurrence: 1 },
      { call: 'files.upload', does: 'upload', occurrence: null },
      { call: 'files.download', does: 'download', occurrence: null },
    ],
    deathReason: /gone: /,
    failedBuild: { call: 'snapshot.create', log: 'scripted failure' },
    stuckSandbox: { script: { call: 'sandbox.create', fault: { kind: 'stuck' } }, states: ['creating'] },
    stuckBuild: { call: 'snapshot.create', fault: { kind: 'stuck' } },
    failedStart: { script: { call: 'sandbox.create', fault: { kind: 'build-failure' } }, state: 'build_failed' },
  },
});
