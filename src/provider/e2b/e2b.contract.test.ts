/** The provider contract through the real SDK and the emulator: every fourth check, all of them with PLUMBLINE_FULL. */
import { afterAll } from 'vitest';
import { describeContract } from '../../testing/contract.js';
import { type EmulatedProvider, emulatedProvider } from '../../testing/emulated-provider.js';
import { sample } from '../../testing/sample.js';
import { CONTRACT_CHECKS } from '../checks/index.js';

let running: EmulatedProvider | null = null;

describeContract(
  'e2b (emulated)',
  async () => {
    running = await emulatedProvider('e2b', { env: process.env });
    return running?.provider ?? { skip: 'there is no local provider to stand behind the emulator' };
  },
  { checks: sample(CONTRACT_CHECKS, 6, 3) },
);

afterAll(async () => {
  await running?.close();
});
