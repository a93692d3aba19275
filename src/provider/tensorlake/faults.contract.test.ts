/** The fault matrix of Tensorlake: its calls, and what is different about them (src/testing/fault-matrix.ts is the matrix). */
import { describeFaults, type MatrixCall } from '../../testing/fault-matrix.js';

const REQUEST_SEC = 4;

const UNREAD = 'nothing of the reply is needed';

const AGAIN = 'the SDK has sent the call again';
const named = (faults: readonly string[]) => Object.fromEntries(faults.map((fault) => [fault, AGAIN]));

/** The native client sends these calls again by itself, up to five times. */
const GATEWAY: MatrixCall['unseen'] = named(['502', '503', '504', '503 after the effect']);
/** Images are looked for by the SDK's other half, which sends again in more cases. */
const FIND: MatrixCall['unseen'] = {
  ...GATEWAY,
  ...named(['reset-before', 'reset-after', 'truncate', '429', '429 with Retry-After']),
};

const build = (call: string, more: Partial<MatrixCall> = {}): MatrixCall => ({ call, does: 'prepare', ...more });

describeFaults('tensorlake', {
  settings: {
    'tensorlake.request_sec': String(REQUEST_SEC),
    'tensorlake.daemon_sec': String(REQUEST_SEC),
    'tensorlake.build_silence_sec': String(2 * REQUEST_SEC),
    'tensorlake.first_pause_ms': '100',
    'tensorlake.tries': '3',
  },
  requestMs: REQUEST_SEC * 1000,
  limitMs: 60_000,
  // from nothing: this host's base images and network have no part in it
  dockerfile: 'FROM scratch\nCOPY data /data\n',
  buildsAtMost: 3,
  calls: [
    { call: 'process.start', does: 'exec', unseen: named(['502', '503', '504']) },
    { call: 'process.follow', does: 'exec' },
    { call: 'file.write', does: 'upload', unseen: { ...GATEWAY, malformed: UNREAD } },
    { call: 'file.read', does: 'download', unseen: GATEWAY },
    { call: 'sandbox.create', does: 'create' },
    { call: 'sandbox.get', does: 'create', unseen: GATEWAY },
    { call: 'sandbox.delete', does: 'delete', unseen: { ...GATEWAY, malformed: UNREAD, truncate: UNREAD } },
    { call: 'sandbox.list', does: 'list' },
    build('template.find', { unseen: FIND }),
    build('introspect'),
    build('build.prepare'),
    build('build.complete'),
  ],
  endings: {
    deaths: [
      { call: 'process.start', does: 'exec', occurrence: null },
      { call: 'file.write', does: 'upload', occurrence: null },
      { call: 'file.read', does: 'download', occurrence: null },
    ],
    deathReason: /the machine died/,
    failedBuild: { call: 'build.prepare', log: 'the build was told to fail' },
    stuckSandbox: { script: { call: 'sandbox.create', fault: { kind: 'stuck' } }, states: ['creating', 'pending'] },
    // what builds is a program in a sandbox of the SDK's: that its first call is not answered is as stuck as it can be
    stuckBuild: { call: 'build.prepare', fault: { kind: 'hang' } },
    failedStart: null,
  },
});
