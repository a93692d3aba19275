import { afterAll, beforeAll, expect, test } from 'vitest';
import { emulatedNames, type RunningEmulator, startEmulator } from '../emulator/index.js';
import { configFile } from '../testing/canary.js';
import { createFakeProvider } from '../testing/fake-provider.js';
import { type FakeRegistry, startFakeRegistry } from '../testing/fake-registry.js';
import { temporaryDirectory } from '../testing/task-directory.js';
import { openSession } from './session.js';

let registry: FakeRegistry;
let emulators: RunningEmulator[];

beforeAll(async () => {
  registry = await startFakeRegistry();
  const backend = createFakeProvider();
  emulators = await Promise.all(emulatedNames().map((name) => startEmulator(name, { backend })));
}, 30_000);

afterAll(async () => {
  await Promise.all(emulators.map((emulator) => emulator.close()));
  await registry.close();
});

test('the providers of a command ask a registry once for all of them', { timeout: 30_000 }, async () => {
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...registry.add(configFile([])) };
  const manifest = 'application/vnd.oci.image.manifest.v1+json';
  const digest = registry.manifest('team/app', '1', { schemaVersion: 2, mediaType: manifest, config, layers: [] });
  const env = Object.assign({ XDG_STATE_HOME: temporaryDirectory() }, ...emulators.map((emulator) => emulator.env));
  const session = openSession({ env });
  const providers = await Promise.all(emulatedNames().map((name) => session.open(name)));
  const image = {
    source: { kind: 'prebuilt' as const, ref: `${registry.host}/team/app:1` },
    compose: null,
    platform: null,
    resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
  };
  const ctx = {
    owner: session.ownerOf('r'),
    forceBuild: false,
    signal: new AbortController().signal,
    onEvent: () => undefined,
    onLog: () => undefined,
  };
  const prepared = await Promise.all(providers.map((provider) => provider.prepare(image, ctx)));
  await Promise.all(providers.map((provider) => provider.close?.()));
  await session.journal.close();
  expect(prepared.map((each) => each.digest)).toEqual(emulators.map(() => digest));
  expect(registry.requests.filter(({ url }) => url.includes('/manifests/')).length).toBe(1);
});
