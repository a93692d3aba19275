/** What an emulated record says of where an image's bytes come from: what the local provider behind the emulator knows, or nothing. */
import { describe, expect, test } from 'vitest';
import { emulatedProvider } from '../../testing/emulated-provider.js';
import { createFakeProvider } from '../../testing/fake-provider.js';
import { toldByEmulator } from './emulator-facts.js';

const RESOURCES = { cpus: null, memoryMb: null, storageMb: null, gpus: null };
const BOOTSTRAPPED = { code: 'BootstrappedImage', message: 'from a mirror' };
const OTHER = { code: 'DockerfileWarning', message: 'of the local builder, which is not the one that is emulated' };
const ctx = {
  owner: { runId: 'r', owner: 'h:1:1', expiresAt: '2031-01-01T00:00:00Z' },
  forceBuild: false,
  signal: new AbortController().signal,
  onEvent: () => undefined,
  onLog: () => undefined,
};

describe.each(['tensorlake', 'modal', 'daytona', 'e2b'] as const)('%s', (name) => {
  test('an image that the local provider made from a mirror is known as such, also when it is found again', async () => {
    const backend = createFakeProvider({ prepared: { provenance: 'bootstrap', warnings: [BOOTSTRAPPED, OTHER] } });
    const running = await emulatedProvider(name, { env: {}, backend });
    const image = {
      source: { kind: 'prebuilt' as const, ref: 'nowhere.plumbline.test:1/team/app:1' },
      compose: null,
      platform: null,
      resources: RESOURCES,
    };
    const first = await running?.provider.prepare(image, ctx);
    const second = await running?.provider.prepare(image, ctx);
    await running?.close();
    for (const prepared of [first, second]) {
      expect(prepared?.provenance).toBe('bootstrap');
      expect(prepared?.warnings.map(({ code }) => code).sort()).toEqual(['BaseConfigUnknown', 'BootstrappedImage']);
    }
    expect([first?.cacheHit, second?.cacheHit]).toEqual([false, true]);
  });
});

test('an emulator that does not tell leaves it unknown', async () => {
  const image = { source: null, compose: null, platform: null, resources: RESOURCES };
  const provider = createFakeProvider({ name: 'e2b', emulated: true, prepared: { provenance: 'unknown' } });
  const env = { PLUMBLINE_EMULATED_E2B_FACTS: 'http://127.0.0.1:9' };
  expect(await toldByEmulator(provider, { env }).prepare(image, ctx)).toMatchObject({ provenance: 'unknown' });
  expect(toldByEmulator(provider, { env: {} })).toBe(provider);
  const real = createFakeProvider({ name: 'e2b' });
  expect(toldByEmulator(real, { env })).toBe(real);
});
