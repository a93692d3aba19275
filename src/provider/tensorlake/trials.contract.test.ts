/** Tasks of the reference suite from image to grade, through SDK, emulator and local provider; and the platform's traits. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox, SandboxProvider } from '../../model/provider.js';
import { loadTask } from '../../task/load-task.js';
import { CONTRACT_IMAGE } from '../../testing/contract.js';
import { type EmulatedProvider, emulatedProvider } from '../../testing/emulated-provider.js';
import { TRIAL_SETTINGS } from '../../testing/trial-fixture.js';
import { runAttempt } from '../../trial/run-attempt.js';
import { guardProvider } from '../guard.js';
import { openJournal } from '../journal.js';
import { currentOwner } from '../owner.js';
import { readConfig } from './config.js';
import { loadSdk } from './sdk.js';
import { createShell } from './shell.js';

const SUITE = join(import.meta.dirname, '../../../suites/reference');
/** One plain; one whose solution leaves a service behind; one with links, modes and empty directories in its context. */
const TASKS = ['hello-file', 'background-service', 'copy-modes-links'];

let emulated: EmulatedProvider | null = null;
let provider: SandboxProvider | null = null;
let dir = '';

const owner = () => ({
  runId: 'tensorlake-trials',
  owner: currentOwner(),
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
});

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-tensorlake-trial-'));
  emulated = await emulatedProvider('tensorlake', { env: process.env });
  if (emulated === null) return;
  provider = guardProvider(emulated.provider, { journal: openJournal(join(dir, 'journal'), currentOwner()) });
}, 120_000);

afterAll(async () => {
  await provider?.close?.();
  await emulated?.close();
  await rm(dir, { recursive: true, force: true });
}, 120_000);

test.for(TASKS)('a trial of %s passes and leaves nothing behind', { timeout: 600_000 }, async (name, { skip }) => {
  if (provider === null) return skip('neither docker nor the embedded provider works on this machine');
  const loaded = await loadTask(join(SUITE, name));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.invalid.problems));
  const record = await runAttempt({
    task: loaded.task,
    provider,
    agent: 'oracle',
    settings: TRIAL_SETTINGS,
    owner: owner(),
    trialName: `${name}__aBcDeFg`,
    attempt: 1,
    dir: join(dir, name),
    runDir: dir,
    signal: AbortSignal.timeout(500_000),
    hostEnv: {},
    emit: () => undefined,
  });
  expect(record.exception).toBeNull();
  expect(record.outcome).toBe('pass');
  expect(await provider.list('all')).toEqual([]);
  // other tests may have emulators on the same backend
  const left = (await emulated?.backend.list('all')) ?? [];
  expect(left.filter(({ runId }) => runId === `emulator-tensorlake-${process.pid}`)).toEqual([]);
});

/** A sandbox of the contract's image, through the SDK. */
async function open(remote: SandboxProvider, name: string, raw: boolean): Promise<Sandbox> {
  const ctx = { signal: AbortSignal.timeout(280_000), onEvent: () => undefined };
  const image = await remote.prepare(CONTRACT_IMAGE, {
    ...ctx,
    owner: owner(),
    forceBuild: false,
    onLog: () => undefined,
  });
  return remote.create(
    {
      name,
      image,
      owner: owner(),
      labels: {},
      resources: CONTRACT_IMAGE.resources,
      env: {},
      workdir: null,
      network: { mode: 'public' },
      networkWillChange: false,
      raw,
    },
    ctx,
  );
}

/**
 * Waits in the sandbox for the end of all processes whose pids are in /srv/pid, and says what came of it. A zombie has ended:
 * with --raw nothing need reap it.
 */
async function fate(sandbox: Sandbox, tenths: number): Promise<string> {
  const look = `alive() { while read -r p; do state=$(cut -d' ' -f3 "/proc/$p/stat" 2>/dev/null) && [ "$state" != Z ] && return 0; done < /srv/pid; return 1; }
    i=0; while alive && [ $i -lt ${tenths} ]; do i=$((i+1)); sleep 0.1; done; alive && echo alive || echo killed`;
  return Buffer.from((await sandbox.exec(['sh', '-c', look])).stdout).toString();
}

describe('the daemon kills what a command leaves behind', () => {
  test.for([
    ['as the platform does, with --raw', true, 'killed\n'],
    ['not in a sandbox with the intervention `background`', false, 'alive\n'],
  ] as const)('%s', { timeout: 300_000 }, async ([, raw, expected], { skip }) => {
    if (provider === null) return skip('neither docker nor the embedded provider works on this machine');
    await using sandbox = await open(provider, `trait-${raw}`, raw);
    expect(sandbox.interventions.includes('background')).toBe(!raw);
    await sandbox.exec(['sh', '-c', 'setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $! > /srv/pid']);
    // the daemon acts when the leader has ended, and that is after the command: wait for the end of one or the other
    expect(await fate(sandbox, 50)).toBe(expected);
  });
});

test('a command whose client has vanished is killed in the sandbox after its limit, with all that it started', {
  timeout: 300_000,
}, async ({ skip }) => {
  if (provider === null || emulated === null)
    return skip('neither docker nor the embedded provider works on this machine');
  await using sandbox = await open(provider, 'vanished', false);
  const config = readConfig({ env: { ...process.env, ...emulated.emulator.env }, stateDir: dir });
  const sdk = await loadSdk(config);
  const shell = await createShell({ sdk, sandboxId: sandbox.id, keepBackground: true, requestSec: 60 });
  const client = new AbortController();
  const script = `trap '' TERM; echo $$ > /srv/pid; setsid sleep 600 & echo $! >> /srv/pid; (setsid sleep 600 & echo $! >> /srv/pid)
    echo begun; while :; do sleep 600; done`;
  const running = shell.script(script, {
    limitMs: 3_000,
    signal: client.signal,
    onStdout: (text) => {
      if (text.includes('begun')) client.abort(new Error('the client is gone'));
    },
  });
  await expect(running).rejects.toThrow('the client is gone');
  expect(await fate(sandbox, 5)).toBe('alive\n');
  expect(await fate(sandbox, 200)).toBe('killed\n');
});
