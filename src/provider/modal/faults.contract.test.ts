/** The fault matrix of Modal: its calls, and what is different about them (src/testing/fault-matrix.ts is the matrix). */
import { expect, test } from 'vitest';
import type { FaultBench } from '../../testing/fault-bench.js';
import { describeFaults, type MatrixCall } from '../../testing/fault-matrix.js';

/** Milliseconds. */
const REQUEST_MS = 5_000;
const IDLE_MS = 3_000;

const QUIET = 'the SDK has tried again by itself, and tells nobody';
const named = <T>(faults: readonly string[], value: T) => Object.fromEntries(faults.map((fault) => [fault, value]));

/** The SDK tries a call of the control plane four times within a second. */
const SDK_TRIES: MatrixCall['unseen'] = named(
  [
    'reset-before',
    'reset-after',
    'truncate',
    'malformed',
    '429 with Retry-After',
    '500',
    '502',
    '503',
    '504',
    '503 after the effect',
  ],
  QUIET,
);
/** Calls to the sandbox are tried again for as long as we wait; how often that helps is a matter of moments. */
const ROUTER: MatrixCall['unseen'] = { any: QUIET };

const ENDS: MatrixCall['ends'] = {
  ...named(['reset-before', 'reset-after', 'truncate'], {
    as: ['NetworkError/network', 'NetworkError/provider'],
    why: 'what the SDK had seen when our limit ended its tries is not handed on',
  }),
};
const OUTPUT: MatrixCall['ends'] = {
  ...ENDS,
  ...named(['500', '503', '503 after the effect'], {
    as: ['NetworkError/network'],
    why: 'the SDK ends the stream: all that is known is that nothing comes',
  }),
};
/** A write is several calls of the SDK's. */
const WRITE: MatrixCall['ends'] = {
  any: {
    as: ['TransferError/provider', 'NetworkError/network', 'NetworkError/provider'],
    why: 'the SDK says no more than that the file could not be written',
  },
};

const build = (call: string, more: Partial<MatrixCall> = {}): MatrixCall => ({
  call,
  does: 'prepare',
  unseen: SDK_TRIES,
  ends: ENDS,
  ...more,
});

/** The app is asked for once per provider. */
async function listAnew(bench: FaultBench): Promise<void> {
  const fresh = await bench.another();
  try {
    const refs = await fresh.list({ runId: 'modal-faults' });
    expect(refs.map(({ ref }) => ref)).toEqual([bench.shared.id]);
  } finally {
    await fresh.close?.();
  }
}

const getBench = describeFaults('modal', {
  settings: {
    'modal.request_timeout_ms': String(REQUEST_MS),
    'modal.first_pause_ms': '100',
    'modal.tries': '3',
  },
  requestMs: REQUEST_MS,
  limitMs: 60_000,
  dockerfile: 'FROM debian:bookworm-slim\nCOPY data /srv/data\n',
  buildsAtMost: 1,
  calls: [
    { call: 'TaskExecStart', does: 'exec', unseen: ROUTER, ends: ENDS },
    { call: 'TaskExecStdioRead', does: 'exec', unseen: ROUTER, ends: OUTPUT },
    { call: 'TaskExecStdinWriteStream', does: 'upload', unseen: ROUTER, ends: WRITE },
    { call: 'TaskExecWait', does: 'upload', unseen: ROUTER, ends: WRITE },
    { call: 'TaskSetNetworkAccess', does: 'network', unseen: ROUTER, ends: ENDS },
    {
      call: 'SandboxCreateV2',
      does: 'create',
      unseen: named(['reset-before', '429 with Retry-After', '500', '502', '503', '504'], QUIET),
      ends: ENDS,
    },
    { call: 'ImageFromId', does: 'create', unseen: SDK_TRIES, ends: ENDS },
    { call: 'SandboxTerminateV2', does: 'delete', unseen: SDK_TRIES, ends: ENDS },
    { call: 'SandboxListV2', does: 'list', ends: ENDS },
    { call: 'AppGetOrCreate', does: 'list', by: listAnew, ends: ENDS },
    build('MountBatchedCheckExistence'),
    build('MountPutFile'),
    build('MountGetOrCreate'),
    build('ImageGetOrCreate'),
    build('ImageJoinStreaming', { unseen: {} }),
  ],
  endings: {
    deaths: [{ call: 'TaskExecStart', does: 'exec', occurrence: 1 }],
    deathReason: /internal failure at the provider: host lost/,
    failedBuild: { call: 'ImageGetOrCreate', log: 'scripted failure' },
    stuckSandbox: {
      script: { call: 'SandboxCreateV2', occurrence: 1, fault: { kind: 'stuck' } },
      states: ['creating', 'starting', 'starting: no command is answered'],
    },
    stuckBuild: { call: 'ImageGetOrCreate', fault: { kind: 'stuck' } },
    failedStart: null,
  },
});

test('a sandbox that nobody uses lives as long as we do, and is kept alive', { timeout: 90_000 }, async ({ skip }) => {
  const bench = getBench(skip);
  const brief = await bench.another({ 'modal.idle_ms': String(IDLE_MS) });
  const sandbox = await bench.create({}, brief);
  bench.script([]);
  const startedAt = Date.now();
  const renewed = () => bench.running.emulator.calls.counts().get('TaskExecStart');
  await expect.poll(renewed, { timeout: 30_000, interval: 200 }).toBeGreaterThanOrEqual(5);
  expect(Date.now() - startedAt).toBeGreaterThan(IDLE_MS);
  const { stdout } = await sandbox.exec(['echo', 'alive']);
  expect(Buffer.from(stdout).toString()).toBe('alive\n');
  await sandbox[Symbol.asyncDispose]();
  await brief.close?.();
});
