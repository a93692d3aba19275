/**
 * The image tests of a remote provider: what its adapter makes of a Dockerfile and its context, through SDK and emulator, held against
 * the local provider's own build of the same; and that each image is built once.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processEnvironment } from '../cli/environment.js';
import type { ScriptedFault } from '../emulator/core/faults.js';
import type { ImageSource, ImageSpec, PreparedImage } from '../model/image.js';
import type { Owner, PrepareContext, SandboxProvider } from '../model/provider.js';
import { PROVIDER_NAMES, type ProviderName } from '../model/words.js';
import { currentOwner } from '../provider/owner.js';
import { loadProvider } from '../provider/registry.js';
import type { ContextFile } from './builder-case.js';
import { makeContext } from './builder-context.js';
import { type EmulatedProvider, emulatedProvider } from './emulated-provider.js';
import { failure } from './fault-bench.js';
import type { ImageCase } from './image-cases.js';
import { sample } from './sample.js';

export interface RefusedCase {
  readonly dockerfile: string;
  /** Of the context, where it hangs on that. */
  readonly files?: Readonly<Record<string, ContextFile>>;
  /** Where the message puts it: `Dockerfile:3`. */
  readonly place: string;
  /** Whose limit it is: what cannot be built anywhere is the task's. */
  readonly origin: 'task' | 'provider';
}

export interface ImageContract {
  readonly cases: readonly ImageCase[];
  /** Of the provider, without its name in front. */
  readonly settings: Readonly<Record<string, string>>;
  readonly refused: readonly RefusedCase[];
  /** Builds that two hosts, which share no lock, begin of one image. */
  readonly buildsOfTwoHosts: number;
  /** Makes the provider's build fail without a fault of the Dockerfile, once. */
  readonly builderDown: readonly ScriptedFault[];
}

/** By everybody: no builder could know what was meant. */
const BROKEN: readonly RefusedCase[] = [
  { dockerfile: 'FROM debian:bookworm-slim\nRUN <<EOF\ntrue\n', place: 'Dockerfile', origin: 'task' },
  { dockerfile: 'RUN true\n', place: 'Dockerfile', origin: 'task' },
];

const CASE_LIMIT_MS = 300_000;
const NO_REQUEST = { cpus: null, memoryMb: null, storageMb: null, gpus: null };

/** Declares the tests; call it at the top level of an `image.contract.test.ts`. */
export function describeImages(name: ProviderName, contract: ImageContract): void {
  let running: EmulatedProvider | null = null;
  let dir = '';
  let serial = 0;
  const settings = Object.fromEntries(
    Object.entries(contract.settings).map(([key, value]) => [`${name}.${key}`, value]),
  );
  const owner: Owner = { runId: `${name}-images`, owner: currentOwner(), expiresAt: '2031-01-01T00:00:00Z' };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), `plumbline-${name}-images-`));
    running = await emulatedProvider(name, { env: processEnvironment(), settings });
  }, 60_000);

  afterAll(async () => {
    await running?.close();
    await rm(dir, { recursive: true, force: true });
  }, 60_000);

  function imageOf(dockerfile: string, files: Readonly<Record<string, ContextFile>> = {}, setup = ''): ImageSpec {
    const context = { name, dockerfile: [], files: { ...files, Dockerfile: dockerfile }, setup };
    const contextDir = makeContext(context, join(dir, `context-${serial++}`));
    return specOf({ kind: 'dockerfile', contextDir, dockerfile: join(contextDir, 'Dockerfile') });
  }

  /** One that nobody has built before, though tests of other providers may have run on the same backend. */
  const freshImage = () =>
    imageOf('FROM debian:bookworm-slim\nCOPY data /srv/data\nRUN cat /srv/data > /srv/made\n', {
      data: `${name} ${process.pid} ${serial} ${Date.now()}`,
    });

  /** A provider of another process (the same state directory) or of another host (one of its own). */
  async function another({ emulator }: EmulatedProvider, stateDir: string): Promise<SandboxProvider> {
    const env = { ...processEnvironment(), ...emulator.env };
    return loadProvider(name, { env, stateDir, settings });
  }

  const prepare = (provider: SandboxProvider, image: ImageSpec, ctx: Partial<PrepareContext> = {}) =>
    provider.prepare(image, {
      owner,
      forceBuild: false,
      signal: new AbortController().signal,
      onEvent: () => {},
      onLog: () => {},
      ...ctx,
    });

  /** What a sandbox of the image prints; afterwards nothing of it is left. */
  async function seenIn(provider: SandboxProvider, image: PreparedImage, look: string): Promise<string> {
    await using sandbox = await provider.create(
      {
        name: `${name}-image-${process.pid}-${serial++}`,
        image,
        owner,
        labels: {},
        resources: image.spec.resources,
        env: {},
        workdir: null,
        network: { mode: 'public' },
        networkWillChange: false,
        raw: false,
      },
      { signal: new AbortController().signal, onEvent: () => {} },
    );
    const result = await sandbox.exec(['/bin/sh', '-c', look]);
    return Buffer.concat([result.stdout, result.stderr]).toString('utf8');
  }

  function limited(title: string, work: (at: EmulatedProvider) => Promise<void>): void {
    test(title, { timeout: CASE_LIMIT_MS }, async ({ skip }) => {
      if (running === null) return skip('there is no local provider to stand behind the emulator');
      await work(running);
    });
  }

  describe('images as a local build makes them', () => {
    // in a sample each case is run by two of the four: one that rewrites the Dockerfile, one that takes it apart or mounts its context
    const offset = Math.floor(PROVIDER_NAMES.indexOf(name) / 2);
    for (const { name: title, dockerfile, files, setup, look } of sample(contract.cases, 2, offset)) {
      limited(title, async ({ provider, backend }) => {
        const image = imageOf(dockerfile, files, setup);
        const local = await prepare(backend, image);
        const expected = await seenIn(backend, local, look);
        expect(expected).not.toBe('');
        const prepared = await prepare(provider, image);
        expect(prepared).toMatchObject({ source: 'built', provenance: local.provenance });
        expect(await seenIn(provider, prepared, look)).toBe(expected);
      });
    }

    limited('a prebuilt image is found or imported once', async ({ provider, backend, effects }) => {
      const image = specOf({ kind: 'prebuilt', ref: 'debian:bookworm-slim' });
      const { provenance } = await prepare(backend, image);
      const first = await prepare(provider, image);
      expect(first).toMatchObject({ source: 'prebuilt', provenance });
      const { built } = effects;
      const second = await prepare(provider, image);
      expect([second.cacheHit, second.ref, effects.built]).toEqual([true, first.ref, built]);
      expect(await seenIn(provider, second, 'cat /etc/debian_version')).toMatch(/^12\./);
    });
  });

  describe('each image is built once', () => {
    limited('by two processes at once, and found by a third on another host', async (at) => {
      const { provider, effects } = at;
      const stateDir = join(dir, `processes-${serial++}`);
      const [one, two, later] = [
        await another(at, stateDir),
        await another(at, stateDir),
        await another(at, join(dir, `host-${serial++}`)),
      ];
      const image = freshImage();
      const { built } = effects;
      const [first, second] = await Promise.all([prepare(one, image), prepare(two, image)]);
      expect([second.ref, second.digest, effects.built - built]).toEqual([first.ref, first.digest, 1]);
      const found = await prepare(later, image);
      expect([found.cacheHit, found.ref, effects.built - built]).toEqual([true, first.ref, 1]);
      expect(await seenIn(provider, found, 'cat /srv/made')).toContain(name);
      await Promise.all([one, two, later].map((each) => each.close?.()));
    });

    limited('by two hosts at once, which agree on the result', async (at) => {
      const { effects } = at;
      const hosts = await Promise.all([1, 2].map(() => another(at, join(dir, `host-${serial++}`))));
      const image = freshImage();
      const { built } = effects;
      const [first, second] = await Promise.all(hosts.map((host) => prepare(host, image)));
      expect(second?.ref).toBe(first?.ref);
      expect(effects.built - built).toBeGreaterThanOrEqual(1);
      expect(effects.built - built).toBeLessThanOrEqual(contract.buildsOfTwoHosts);
      await Promise.all(hosts.map((host) => host.close?.()));
    });

    limited('unless it is forced, and then anew', async ({ provider, effects }) => {
      const image = freshImage();
      await prepare(provider, image);
      const { built } = effects;
      const forced = await prepare(provider, image, { forceBuild: true });
      expect([forced.cacheHit, forced.source, effects.built - built]).toEqual([false, 'built', 1]);
      expect(await seenIn(provider, forced, 'cat /srv/made')).toContain(name);
    });
  });

  describe('builds that fail', () => {
    limited('a RUN that fails is ImageBuildError of the task, with its output', async ({ provider }) => {
      const heard: string[] = [];
      const image = imageOf(`FROM debian:bookworm-slim\nRUN echo "the compiler said ${serial}" && exit 3\n`);
      const error = await failure(() => prepare(provider, image, { onLog: (chunk) => heard.push(chunk) }));
      expect([error.type, error.origin], error.message).toEqual(['ImageBuildError', 'task']);
      expect(error.details.log).toContain('the compiler said');
      expect(heard.join('')).toContain('the compiler said');
    });

    limited('a builder that is down is replaced by a replay in the sandbox, shown as such', async (at) => {
      const { provider, emulator } = at;
      const dockerfile =
        'FROM debian:bookworm-slim\nENV A=b\nCOPY data /srv/data\nRUN echo "$A" > /srv/made\nWORKDIR /srv\n';
      const image = imageOf(dockerfile, { data: `copied ${serial}\n` });
      emulator.calls.replace(contract.builderDown);
      const prepared = await prepare(provider, image);
      expect(emulator.calls.fired).toBe(contract.builderDown.length);
      emulator.calls.replace([]);
      expect([prepared.source, prepared.warnings.map(({ code }) => code)]).toEqual([
        'replayed',
        expect.arrayContaining(['ReplayedImage']),
      ]);
      expect(await seenIn(provider, prepared, 'pwd; cat data made; echo "$A"')).toMatch(/^\/srv\ncopied \d+\nb\nb\n$/);
    });

    test.for([...BROKEN, ...contract.refused])(
      'what cannot be built is refused with its line: $dockerfile',
      { timeout: 60_000 },
      async ({ dockerfile, files, place, origin }, { skip }) => {
        if (running === null) return skip('there is no local provider to stand behind the emulator');
        const { provider, effects } = running;
        const { built } = effects;
        const image = imageOf(dockerfile, files);
        const error = await failure(() => prepare(provider, image));
        expect([error.type, error.origin], error.message).toEqual(['EnvironmentDefinitionError', origin]);
        expect(error.message).toContain(place);
        expect(effects.built).toBe(built);
        // the plan of a run says so too, before anything is paid for
        const said = (await provider.unsupportedImage?.(image, new AbortController().signal)) ?? null;
        expect(said === null, said ?? 'nothing was said').toBe(origin === 'task');
      },
    );
  });
}

function specOf(source: ImageSource): ImageSpec {
  return { source, compose: null, platform: null, resources: NO_REQUEST };
}
