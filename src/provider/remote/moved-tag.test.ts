/** A tag that moves, seen through each SDK: what it means now is prepared, recorded, and asked of the service by its digest. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ImageSource, PreparedImage } from '../../model/image.js';
import { CANARY_CONFIG, configFile } from '../../testing/canary.js';
import { type EmulatedProvider, emulatedProvider } from '../../testing/emulated-provider.js';
import { createFakeProvider } from '../../testing/fake-provider.js';
import { type FakeRegistry, startFakeRegistry } from '../../testing/fake-registry.js';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
let registry: FakeRegistry;
let dir = '';

beforeAll(async () => {
  registry = await startFakeRegistry();
  dir = await mkdtemp(join(tmpdir(), 'plumbline-moved-'));
});

afterAll(async () => {
  await registry.close();
  await rm(dir, { recursive: true });
});

/** @returns the digest of the image that the tag means now */
function push(author: string): string {
  const config = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    ...registry.add(configFile([], { ...CANARY_CONFIG, Labels: { author } })),
  };
  return registry.manifest('team/app', '1', { schemaVersion: 2, mediaType: MANIFEST, config, layers: [] });
}

describe.each(['tensorlake', 'modal', 'daytona', 'e2b'] as const)('on %s', (name) => {
  let running: EmulatedProvider;
  /** What the service was told to take: names of images, texts of Dockerfiles. */
  const asked: string[] = [];

  beforeEach(async () => {
    asked.length = 0;
    const backend = createFakeProvider({
      async before({ image }) {
        if (image?.source?.kind === 'prebuilt') asked.push(image.source.ref);
        if (image?.source?.kind === 'dockerfile') asked.push(await readFile(image.source.dockerfile, 'utf8'));
      },
    });
    const started = await emulatedProvider(name, { env: {}, backend });
    if (started === null) throw new Error('unreachable: there is a backend');
    running = started;
    return () => started.close();
  });

  /** As a new process would: what a name means is looked up once in each. */
  async function prepare(source: ImageSource): Promise<PreparedImage> {
    const fresh = await running.another();
    const prepared = await fresh.prepare(
      { source, compose: null, platform: null, resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null } },
      {
        owner: { runId: 'r', owner: 'h:1:1', expiresAt: '2031-01-01T00:00:00Z' },
        forceBuild: false,
        signal: new AbortController().signal,
        onEvent: () => undefined,
        onLog: () => undefined,
      },
    );
    await fresh.close?.();
    return prepared;
  }

  test('a prebuilt image', async () => {
    const source: ImageSource = { kind: 'prebuilt', ref: `${registry.host}/team/app:1` };
    const before = push('a');
    const first = await prepare(source);
    expect(first).toMatchObject({ digest: before, cacheHit: false, provenance: 'build', warnings: [] });
    expect(await prepare(source)).toMatchObject({ digest: before, cacheHit: true, ref: first.ref });
    const after = push('b');
    const moved = await prepare(source);
    expect(moved).toMatchObject({ digest: after, cacheHit: false });
    expect(moved.ref).not.toBe(first.ref);
    expect(asked.at(-1)).toContain(`${registry.host}/team/app:1@${after}`);
  });

  test('the base of a Dockerfile', async () => {
    await writeFile(join(dir, 'Dockerfile'), `FROM ${registry.host}/team/app:1\nRUN true\n`);
    const source: ImageSource = { kind: 'dockerfile', contextDir: dir, dockerfile: join(dir, 'Dockerfile') };
    push('c');
    const first = await prepare(source);
    expect(await prepare(source)).toMatchObject({ cacheHit: true, ref: first.ref });
    const after = push('d');
    const moved = await prepare(source);
    expect(moved).toMatchObject({ cacheHit: false, digest: first.digest });
    expect(moved.ref).not.toBe(first.ref);
    expect(asked.at(-1)).toContain(`FROM ${registry.host}/team/app:1@${after}`);
  });
});
