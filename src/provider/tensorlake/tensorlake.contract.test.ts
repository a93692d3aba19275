/** The provider contract through the official SDK, our emulator of Tensorlake, and a local provider behind it. */
import { afterAll } from 'vitest';
import { describeContract } from '../../testing/contract.js';
import { type EmulatedProvider, emulatedProvider } from '../../testing/emulated-provider.js';
import { KNOWN_FAILURES } from '../../testing/known-failures.js';
import { sample } from '../../testing/sample.js';
import { CONTRACT_CHECKS } from '../checks/index.js';

/** Every fourth check, and the one that is known to fail; all of them with PLUMBLINE_FULL. */
const known = KNOWN_FAILURES.tensorlake ?? [];
const chosen = new Set(sample(CONTRACT_CHECKS, 6, 2));
const checks = CONTRACT_CHECKS.filter((check) => chosen.has(check) || known.some(({ check: id }) => id === check.id));

let emulated: EmulatedProvider | null = null;

describeContract(
  'tensorlake (emulated)',
  async () => {
    emulated = await emulatedProvider('tensorlake', { env: process.env });
    return emulated?.provider ?? { skip: 'neither docker nor the embedded provider works on this machine' };
  },
  {
    checks,
    knownFailures: known,
  },
);

afterAll(() => emulated?.close(), 120_000);
