/** Every Dockerfile of src/testing/builder-*-cases.ts, built by a real engine's BuildKit and by us, must give the same image. */
import { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BuilderCase } from '../../testing/builder-case.js';
import { dockerfileText, makeContext, runScript } from '../../testing/builder-context.js';
import { COPY_CASES } from '../../testing/builder-copy-cases.js';
import { STEP_CASES } from '../../testing/builder-step-cases.js';
import { embeddedMachine } from '../../testing/embedded-machine.js';
import { makeMiniBase, tarOfDirectory } from '../../testing/mini-base.js';
import { sample } from '../../testing/sample.js';
import { ROOT_HOST } from '../layer/host.js';
import { compareManifests, type ManifestEntry, rootfsManifest } from '../manifest.js';
import { hostPlatform } from '../platform.js';
import { type LocalImageStore, openImageStore } from '../store/store.js';
import type { OciImageConfig, OciRuntimeConfig, StoredImage } from '../types.js';
import { buildImage } from './build.js';
import type { BuildMachine } from './machine.js';
import { mountOverlay } from './overlay-mount.js';

const TAG = `plumbline-builder-test-${process.pid}`;
const SLOW = 60_000;
/** What is only days old was made by a build: the engine keeps parts of earlier ones. */
const RECENT = 7 * 24 * 3600;
const NOW = 'now';

let work: string;
let store: LocalImageStore;
let machine: BuildMachine;

const docker = (...args: string[]) => execa('docker', args);

beforeAll(async () => {
  work = mkdtempSync('/tmp/builder-test-');
  store = await openImageStore(join(work, 'store'));
  machine = embeddedMachine(process.env);
  const tar = tarOfDirectory(makeMiniBase(join(work, 'mini')), join(work, 'mini.tar'));
  const changes = ['--change', 'CMD ["/bin/sh"]', '--change', 'ENV FROM_BASE=1', '--change', 'LABEL base=yes'];
  await docker('import', ...changes, tar, `${TAG}:base`);
  await imageOfEngine(`${TAG}:base`);
}, SLOW);

afterAll(async () => {
  const { stdout } = await docker('images', '-q', TAG);
  const ids = [...new Set(stdout.split('\n').filter(Boolean))];
  if (ids.length > 0) await docker('rmi', '-f', ...ids);
  await store.close();
  rmSync(work, { recursive: true, force: true });
}, SLOW);

/** An image of the engine, by way of `docker save`. */
async function imageOfEngine(tag: string): Promise<StoredImage> {
  const dir = mkdtempSync(join(work, 'save-'));
  await execa({ shell: '/bin/bash' })`set -o pipefail; docker save ${tag} | tar -x -C ${dir}`;
  const cat = async (name: string) => (await execa('cat', [join(dir, name)])).stdout;
  const [entry] = JSON.parse(await cat('manifest.json')) as { Config: string; Layers: string[] }[];
  const config = JSON.parse(await cat(entry?.Config ?? '')) as OciImageConfig;
  for (const layer of entry?.Layers ?? []) await store.putLayer(createReadStream(join(dir, layer)));
  rmSync(dir, { recursive: true });
  return store.putImage({ config, refs: [tag], provenance: 'archive' });
}

async function prepare(one: BuilderCase, index: number): Promise<{ ours: string; theirs: string }> {
  const ours = join(work, `ours-${index}`);
  const theirs = join(work, `theirs-${index}`);
  makeContext(one, ours);
  await execa('cp', ['-a', ours, theirs]);
  if (one.twinSetup) runScript(one.twinSetup, theirs);
  return { ours, theirs };
}

/** What two engines may word differently for the same thing: null, "" and absent are one. */
function comparableConfig(config: OciRuntimeConfig | undefined): Record<string, unknown> {
  const known = ['User', 'Env', 'Entrypoint', 'Cmd', 'WorkingDir', 'Shell', 'Volumes', 'ExposedPorts', 'Labels'];
  known.push('StopSignal', 'Healthcheck', 'OnBuild', 'ArgsEscaped');
  const record = (config ?? {}) as Record<string, unknown>;
  return Object.fromEntries(known.map((key) => [key, record[key] || null]).filter(([, value]) => value !== null));
}

async function manifestOf(image: StoredImage, name: string, skip: readonly string[]): Promise<ManifestEntry[]> {
  const scratchDir = join(work, `mount-${name}`);
  mkdirSync(scratchDir);
  await using mounted = await mountOverlay({ layers: image.layers, scratchDir, writable: false });
  const entries = await rootfsManifest(mounted.dir, { skip: skip.filter((path) => path.startsWith('/')) });
  return entries.map((entry) => {
    const seconds = Math.floor(Number(entry.mtime));
    const builtNow = Math.abs(Date.now() / 1000 - seconds) < RECENT;
    const ignored = skip.includes(`mtime:${entry.path}`) || entry.path === '/';
    // `docker save` cuts times to whole seconds, though the engine's own file system keeps them.
    return { ...entry, mtime: builtNow || ignored ? NOW : String(seconds) };
  });
}

/** Differences, but for one of old engines: BuildKit before 0.9 gave directories of the context the time of their transfer. */
function differences(engine: ManifestEntry[], ours: ManifestEntry[]) {
  const types = new Map(engine.map((entry) => [entry.path, entry.type]));
  return compareManifests(engine, ours).filter(
    ({ path, what, left }) => !(what === 'mtime' && left === NOW && types.get(path) === 'directory'),
  );
}

const build = (one: BuilderCase, contextDir: string, extra = {}) =>
  buildImage({
    store,
    machine,
    host: ROOT_HOST,
    hostPlatform: hostPlatform(),
    contextDir,
    dockerfile: join(contextDir, '..', 'dockerfiles', one.name.replaceAll(/\W/g, '-'), 'Dockerfile'),
    buildArgs: argsOf(one),
    secrets: Object.fromEntries(Object.entries(one.secrets ?? {}).map(([id, value]) => [id, Buffer.from(value)])),
    ...(one.target === undefined ? {} : { target: one.target }),
    signal: new AbortController().signal,
    resolveImage: async (ref) => {
      const image = await store.get(ref);
      if (image === null) throw new Error(`no image ${ref}`);
      return image;
    },
    ...extra,
  });

const argsOf = (one: BuilderCase) =>
  Object.fromEntries(
    Object.entries(one.args ?? {}).map(([key, value]) => [key, value === 'base' ? `${TAG}:base` : value]),
  );

async function engineBuild(one: BuilderCase, contextDir: string, dockerfile: string, tag: string) {
  const secrets = Object.entries(one.secrets ?? {}).flatMap(([id, value]) => {
    writeFileSync(join(work, `secret-${id}`), value);
    return ['--secret', `id=${id},src=${join(work, `secret-${id}`)}`];
  });
  const args = Object.entries(argsOf(one)).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
  const target = one.target === undefined ? [] : ['--target', one.target];
  await docker(
    'buildx',
    'build',
    '--no-cache',
    '-q',
    '-t',
    tag,
    '-f',
    dockerfile,
    ...args,
    ...secrets,
    ...target,
    contextDir,
  );
}

const numbered = [...STEP_CASES, ...COPY_CASES].map((one, index) => ({ one, index, name: one.name }));

describe.each(sample(numbered, 2, 1))('$name', ({ one, index }) => {
  test('gives what the engine gives', { timeout: SLOW }, async () => {
    const { ours, theirs } = await prepare(one, index);
    const file = join(work, 'dockerfiles', one.name.replaceAll(/\W/g, '-'), 'Dockerfile');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, dockerfileText(one.dockerfile, `${TAG}:base`));
    const twin = join(theirs, '..', `twin-${index}`);
    writeFileSync(twin, dockerfileText(one.twin ?? one.dockerfile, `${TAG}:base`));
    const tag = `${TAG}:case-${index}`;
    if (one.fails) {
      await expect(build(one, ours)).rejects.toThrow(one.fails);
      await expect(engineBuild(one, theirs, twin, tag)).rejects.toThrow();
      return;
    }
    const [result] = await Promise.all([build(one, ours), engineBuild(one, theirs, twin, tag)]);
    const engine = await imageOfEngine(tag);
    expect(comparableConfig(result.image.config.config)).toEqual(comparableConfig(engine.config.config));
    expect(result.image.config).toMatchObject({ os: engine.config.os, architecture: engine.config.architecture });
    const skip = one.skip ?? [];
    const left = await manifestOf(engine, `engine-${index}`, skip);
    const right = await manifestOf(result.image, `ours-${index}`, skip);
    expect(differences(left, right)).toEqual([]);
    expect(right.length).toBeGreaterThan(0);
  });
});
