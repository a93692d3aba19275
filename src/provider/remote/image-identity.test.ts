/** What a name of the registry means now, and what follows from it: the record's digest, the provider's name, the pinned base. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { contextDigest } from '../../image/context-digest.js';
import { hostPlatform } from '../../image/platform.js';
import type { ImageSource, ImageSpec } from '../../model/image.js';
import { CANARY_CONFIG, configFile, sha256 } from '../../testing/canary.js';
import { type FakeRegistry, startFakeRegistry } from '../../testing/fake-registry.js';
import { createBaseConfigs } from './base-config.js';
import { imageDefaults } from './image-defaults.js';
import { identify, imageName, preparedImage } from './image-identity.js';
import { pinBases, pinnedName } from './pin-bases.js';

const PLATFORM = hostPlatform();
const [os = '', architecture = ''] = PLATFORM.split('/');
const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const NO_REQUEST = { cpus: null, memoryMb: null, storageMb: null, gpus: null };
const signal = new AbortController().signal;
let registry: FakeRegistry;
let dir = '';

beforeAll(async () => {
  registry = await startFakeRegistry();
  dir = await mkdtemp(join(tmpdir(), 'plumbline-identity-'));
});

afterAll(async () => {
  await registry.close();
  await rm(dir, { recursive: true });
});

/** Puts an image under a tag, as an index of one platform. @returns the digest that `docker pull` would print */
function push(tag: string, author: string): string {
  const config = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    ...registry.add(configFile([], { ...CANARY_CONFIG, OnBuild: [], Labels: { author } })),
  };
  const image = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [] };
  const digest = registry.manifest('team/app', `only-${tag}`, image);
  const entry = { mediaType: MANIFEST, digest, size: JSON.stringify(image).length, platform: { os, architecture } };
  return registry.manifest('team/app', tag, { schemaVersion: 2, mediaType: INDEX, manifests: [entry] });
}

const specOf = (source: ImageSource): ImageSpec => ({ source, compose: null, platform: null, resources: NO_REQUEST });
const prebuilt = (tag: string) => specOf({ kind: 'prebuilt', ref: `${registry.host}/team/app:${tag}` });
const UNREACHABLE = 'nowhere.plumbline.test:1/team/app';

async function dockerfile(name: string, text: string): Promise<ImageSpec> {
  await writeFile(join(dir, name), text);
  return specOf({ kind: 'dockerfile', contextDir: dir, dockerfile: join(dir, name) });
}

/** As a process that has asked nothing yet. */
async function identityOf(spec: ImageSpec, extra: Readonly<Record<string, string>> = { recipe: '1' }) {
  if (spec.source === null) throw new Error('unreachable: every case has a source');
  const { bases, warnings } = await imageDefaults(spec.source, PLATFORM, createBaseConfigs({}), signal);
  return { ...(await identify(spec, PLATFORM, bases, extra)), bases, warnings };
}

describe('the digest of a name', () => {
  beforeEach(() => {
    registry.requests.length = 0;
  });

  test('is that of the index, as docker shows it, and is asked for once by all', async () => {
    const digest = push('asked', 'a');
    const baseConfigs = createBaseConfigs({});
    const ask = () => baseConfigs(`${registry.host}/team/app:asked`, PLATFORM, signal);
    const [first, second] = await Promise.all([ask(), ask()]);
    expect([first.known, first.digest, second.digest, (await ask()).digest]).toEqual([true, digest, digest, digest]);
    expect(registry.requests.filter(({ url }) => url.includes('/manifests/')).length).toBe(2); // the index, the image
  });

  test('is not lost to the others when the one who asked first gives up; when all have, the asking ends', async () => {
    const digest = push('shared', 'a');
    const held: (() => void)[] = [];
    const closed: Promise<void>[] = [];
    registry.intercept = ({ socket }, response) => {
      if (held.length > 0) return false;
      held.push(() => void response.writeHead(500).end()); // the client asks again
      closed.push(new Promise((resolve) => socket.once('close', () => resolve())));
      return true;
    };
    const baseConfigs = createBaseConfigs({});
    const [first, second] = [new AbortController(), new AbortController()];
    const ask = (by: AbortController) => baseConfigs(`${registry.host}/team/app:shared`, PLATFORM, by.signal);
    const [one, two] = [ask(first), ask(second)];
    await vi.waitFor(() => expect(held.length).toBe(1));
    first.abort(new Error('gave up'));
    await expect(one).rejects.toThrow('gave up');
    held[0]?.();
    expect((await two).digest).toBe(digest);
    held.length = 0;
    const alone = new AbortController();
    const three = createBaseConfigs({})(`${registry.host}/team/app:shared`, PLATFORM, alone.signal);
    await vi.waitFor(() => expect(held.length).toBe(1));
    alone.abort(new Error('gave up'));
    await expect(three).rejects.toThrow('gave up');
    await closed[1];
    registry.intercept = () => false;
  });

  test('is null where the registry cannot be reached, unless it stands in the name', async () => {
    const baseConfigs = createBaseConfigs({});
    const pinned = `sha256:${sha256(Buffer.from('x'))}`;
    expect(await baseConfigs(`${UNREACHABLE}:1`, PLATFORM, signal)).toMatchObject({ known: false, digest: null });
    expect(await baseConfigs(`${UNREACHABLE}@${pinned}`, PLATFORM, signal)).toMatchObject({ digest: pinned });
  });
});

describe('a prebuilt image', () => {
  test('is recorded by its digest, whatever a provider bakes in', async () => {
    const digest = push('same', 'a');
    const [one, two] = [await identityOf(prebuilt('same'), { recipe: '1' }), await identityOf(prebuilt('same'), {})];
    expect([one.digest, two.digest]).toEqual([digest, digest]);
    expect(one.key).not.toBe(two.key);
    expect(imageName(one.key)).toMatch(/^plumbline-[0-9a-f]{24}$/);
  });

  test('whose tag moves is another image with another name', async () => {
    push('moves', 'a');
    const before = await identityOf(prebuilt('moves'));
    const digest = push('moves', 'b');
    const after = await identityOf(prebuilt('moves'));
    expect(after.digest).toBe(digest);
    expect(after.key).not.toBe(before.key);
  });

  test('of a registry that cannot be asked goes by its name, with a warning that says so', async () => {
    const spec = specOf({ kind: 'prebuilt', ref: `${UNREACHABLE}:1` });
    const { digest, warnings } = await identityOf(spec);
    expect(digest).toBe((await identityOf(spec, {})).digest);
    expect(warnings).toMatchObject([
      { code: 'BaseConfigUnknown', message: expect.stringContaining('whether its tag has moved') },
    ]);
  });
});

describe('an image that is built', () => {
  test('is recorded by the digest of its context, as docker records it, and named by its bases too', async () => {
    push('base', 'a');
    push('other', 'a');
    const spec = await dockerfile(
      'Dockerfile',
      `ARG TAG=base\nFROM ${registry.host}/team/app:$TAG\nCOPY --from=${registry.host}/team/app:other /a /b\n`,
    );
    const before = await identityOf(spec);
    const plain = { contextDir: dir, dockerfile: join(dir, 'Dockerfile'), platform: PLATFORM };
    expect(before.digest).toBe((await contextDigest(plain)).digest);
    expect([...before.bases.keys()].sort()).toEqual(['base', 'other'].map((tag) => `${registry.host}/team/app:${tag}`));
    push('other', 'b');
    const after = await identityOf(spec);
    expect(after.digest).toBe(before.digest);
    expect(after.key).not.toBe(before.key);
    expect((await identityOf(spec)).key).toBe(after.key);
  });

  test('takes its bases by digest; what is not known stays as it is written', async () => {
    const digest = `sha256:${sha256(Buffer.from('y'))}`;
    const bases = new Map([
      ['debian:bookworm-slim', digest],
      ['alpine', null],
    ]);
    const text =
      'ARG TAG=bookworm-slim\nFROM debian:$TAG AS build\nFROM alpine\nCOPY --from=debian:bookworm-slim /a /a\n';
    expect(pinBases(text, 'Dockerfile', PLATFORM, bases)).toBe(
      `ARG TAG=bookworm-slim\nFROM debian:bookworm-slim@${digest} AS build\nFROM alpine\nCOPY --from=debian:bookworm-slim@${digest} /a /a\n`,
    );
    expect(pinnedName('alpine', null)).toBe('alpine');
    expect(pinnedName(`alpine@${digest}`, digest)).toBe(`alpine@${digest}`);
  });
});

describe('where its bytes come from', () => {
  const fields = { ref: 'x', digest: 'sha256:0', cacheHit: false, warnings: [] };
  const built = specOf({ kind: 'dockerfile', contextDir: '/c', dockerfile: '/c/Dockerfile' });

  test.each([
    [prebuilt, false, 'prebuilt', 'pull'],
    [() => built, false, 'built', 'build'],
    // the local provider behind an emulator may have made them from a Debian mirror, and does not tell
    [prebuilt, true, 'prebuilt', 'unknown'],
    [() => built, true, 'built', 'unknown'],
  ] as const)('%#', (spec, emulated, source, provenance) => {
    expect(preparedImage(spec('x'), fields, emulated)).toMatchObject({ source, provenance });
  });
});
