/**
 * The provider contract through the SDK and the emulator, whose sandboxes are the Docker engine's: every fourth check
 * and the one that is known to fail, all of them with PLUMBLINE_FULL.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type RunningEmulator, startEmulator } from '../../emulator/index.js';
import { describeContract } from '../../testing/contract.js';
import { KNOWN_FAILURES } from '../../testing/known-failures.js';
import { sample } from '../../testing/sample.js';
import { CONTRACT_CHECKS } from '../checks/index.js';
import { createDockerProvider } from '../docker/index.js';
import { guardProvider } from '../guard.js';
import { openJournal } from '../journal.js';
import { currentOwner } from '../owner.js';
import { createModalProvider } from './index.js';

const stateDir = mkdtempSync(join(tmpdir(), 'plumbline-modal-'));
const known = KNOWN_FAILURES.modal ?? [];
const chosen = new Set(sample(CONTRACT_CHECKS, 6, 1));
const problems: string[] = [];
let emulator: RunningEmulator | null = null;

describeContract(
  'modal',
  async () => {
    const docker = createDockerProvider({ env: process.env, stateDir });
    const preflight = await docker.preflight(AbortSignal.timeout(30_000));
    if (preflight.status === 'missing') return { skip: `${preflight.what}: ${preflight.fix}` };
    const backend = guardProvider(docker, { journal: openJournal(join(stateDir, 'journal'), currentOwner()) });
    emulator = await startEmulator('modal', { backend, onProblem: (message) => problems.push(message) });
    return createModalProvider({ env: emulator.env, stateDir });
  },
  {
    checks: CONTRACT_CHECKS.filter((check) => chosen.has(check) || known.some(({ check: id }) => id === check.id)),
    knownFailures: known,
  },
);

test('the emulator has seen no call that it does not know, and no fault of its own', () => {
  expect(problems).toEqual([]);
});

afterAll(async () => {
  await emulator?.close();
  await rm(stateDir, { recursive: true, force: true });
}, 120_000);
