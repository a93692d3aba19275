/** The fault matrix of E2B: its calls, and what is different about them (src/testing/fault-matrix.ts is the matrix). */
import { describeFaults, type MatrixCall } from '../../testing/fault-matrix.js';

const REQUEST_MS = 5_000;

/** Connect has codes of its own; the SDK hands on these and not the status. */
const CONNECT: MatrixCall['ends'] = {
  '429': {
    as: ['NetworkError/provider'],
    why: 'E2B’s proxy says `unavailable` of a limit and of a sandbox that is gone',
  },
};

const SDK_WAITS: MatrixCall['unseen'] = {
  '429 with Retry-After': 'the SDK waits as long as it is asked to, and tells nobody',
};

/** Builds may be begun again: the newer one of a name replaces the older (facts of the API, e2b.md 1.7). */
const build = (call: string, more: Partial<MatrixCall> = {}): MatrixCall => ({
  call,
  does: 'prepare',
  unseen: SDK_WAITS,
  ...more,
});

describeFaults('e2b', {
  settings: {
    'e2b.request_timeout_ms': String(REQUEST_MS),
    'e2b.first_pause_ms': '100',
    'e2b.tries': '3',
  },
  requestMs: REQUEST_MS,
  limitMs: 40_000,
  dockerfile: 'FROM debian:bookworm-slim\nCOPY data /srv/data\n',
  buildsAtMost: 2,
  calls: [
    { call: 'process.start', does: 'exec', ends: CONNECT },
    { call: 'files.write', does: 'upload' },
    {
      call: 'files.read',
      does: 'download',
      unseen: { any: 'a small file may have come whole when its reply breaks off' },
    },
    { call: 'sandbox.create', does: 'create', unseen: SDK_WAITS },
    { call: 'sandbox.get', does: 'create', unseen: SDK_WAITS },
    { call: 'sandbox.kill', does: 'delete', unseen: SDK_WAITS },
    { call: 'sandbox.list', does: 'list' },
    { call: 'sandbox.network', does: 'network', unseen: SDK_WAITS },
    build('template.alias'),
    build('template.request'),
    build('template.file'),
    build('template.upload', {
      credential: 'none: the upload goes to a signed URL',
      unseen: { truncate: 'the reply has no body', malformed: 'the reply has no body' },
    }),
    build('template.start'),
    build('template.status', {
      outlived: { hang: 'the build is ready before the last look at it is given up, and is then found by its tag' },
    }),
    build('template.tag'),
  ],
  endings: {
    deaths: [
      { call: 'process.start', does: 'exec', occurrence: 1 },
      { call: 'files.write', does: 'upload', occurrence: null },
      { call: 'files.read', does: 'download', occurrence: null },
    ],
    deathReason: /gone|not found|end of life/,
    failedBuild: { call: 'template.start', log: 'scripted failure' },
    // the API has no first state to stay in: a create answers when the sandbox runs
    stuckSandbox: { script: { call: 'sandbox.create', fault: { kind: 'hang' } }, states: ['creating'] },
    stuckBuild: { call: 'template.start', fault: { kind: 'stuck' } },
    failedStart: null,
  },
});
