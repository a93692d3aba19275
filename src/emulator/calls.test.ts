/** What is said of an emulator before it is started is what it then answers. */
import { expect, test } from 'vitest';
import { createFakeProvider } from '../testing/fake-provider.js';
import { CONNECTION_FAULTS, HANDLER_FAULTS } from './core/calls.js';
import { emulatedCalls, emulatedNames, startEmulator } from './index.js';

test.each(emulatedNames())('the calls of %s are its routes', async (name) => {
  const emulator = await startEmulator(name, { backend: createFakeProvider() });
  try {
    expect(Object.keys(emulatedCalls(name)).sort()).toEqual([...new Set(emulator.callNames)].sort());
  } finally {
    await emulator.close();
  }
});

test.each(emulatedNames())('%s tells states only of what can be stuck, and no fault twice', (name) => {
  for (const [call, { acts = [], states }] of Object.entries(emulatedCalls(name))) {
    expect(
      acts.filter((kind) => CONNECTION_FAULTS.includes(kind) || !HANDLER_FAULTS.includes(kind)),
      call,
    ).toEqual([]);
    if (states !== undefined) expect(acts, call).toContain('stuck');
  }
});

test('a provider without an emulator has no calls', () => {
  expect(emulatedCalls('docker')).toEqual({});
});
