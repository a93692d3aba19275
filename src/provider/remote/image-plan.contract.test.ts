/** A Dockerfile as a list of scripts must leave the files and the config that a build of it gives. With real mounts, so as root. */
import { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ImageBuildError } from '../../exception/errors.js';
import { buildImage } from '../../image/builder/build.js';
import { mountOverlay } from '../../image/builder/overlay-mount.js';
import { ROOT_HOST } from '../../image/layer/host.js';
import { compareManifests, type ManifestEntry, rootfsManifest } from '../../image/manifest.js';
import { hostPlatform } from '../../image/platform.js';
import { type LocalImageStore, openImageStore } from '../../image/store/store.js';
import type { OciImageConfig, OciRuntimeConfig, StoredImage } from '../../image/types.js';
import type { ImageSpec } from '../../model/image.js';
import type { BuilderCase } from '../../testing/builder-case.js';
import { dockerfileText, makeContext } from '../../testing/builder-context.js';
import { COPY_CASES } from '../../testing/builder-copy-cases.js';
import { STEP_CASES } from '../../testing/builder-step-cases.js';
import { chrootMachine } from '../../testing/chroot-machine.js';
import { chrootShell } from '../../testing/chroot-shell.js';
import { makeMiniBase, tarOfDirectory } from '../../testing/mini-base.js';
import { sample } from '../../testing/sample.js';
import { type ImagePlan, planDockerfile } from './image-plan.js';
import { replayImage } from './replay.js';
import { REMOTE_DIR } from './shell.js';
import { filesFrom } from './stage-files.js';

/** What cannot be as a build makes it, and why. All of it must be seen, and nothing else. */
const KNOWN: Readonly<Record<string, { readonly why: string; readonly differs: readonly string[] }>> = {
  'FROM scratch with one file': {
    why: 'a sandbox boots from an image, and its scripts need a shell',
    differs: ['refused: FROM scratch'],
  },
  'RUN in an image without /proc, /dev, /etc and /tmp': { why: 'as above', differs: ['refused: FROM scratch'] },
  'COPY --from stage, index and image': { why: 'as above', differs: ['refused: FROM scratch'] },
  'COPY --from stage, index and image, on a base': {
    why: 'the files of a stage come as regular files, directories and links',
    differs: ['/out/fifo missing'],
  },
  'RUN --mount=type=bind from context, stage and image': {
    why: 'nothing is mounted: what a bind mount shows is a copy, which can be written to',
    differs: ['/w extra'],
  },
  'RUN --mount=type=cache and tmpfs leave nothing': {
    why: 'a cache may be empty at any time; here it is at every step',
    differs: ['failed: RUN --mount=type=cache'],
  },
  'file capabilities: lost from the context, kept from archives and between stages': {
    why: 'the files of a stage come without extended attributes',
    differs: ['/y xattrs'],
  },
};

interface Entry {
  readonly name: string;
  readonly one: BuilderCase;
  /** The image has BusyBox's setpriv, which knows no other user. */
  readonly small: boolean;
}

const ENTRIES: readonly Entry[] = [...STEP_CASES, ...COPY_CASES].flatMap((one) => {
  const { name, dockerfile } = one;
  const entries: Entry[] = [{ name, one, small: false }];
  // What is copied into an empty image can be copied into another.
  const based = dockerfile.map((line) => (line === 'FROM scratch' ? 'FROM base' : line));
  if (dockerfile.includes('FROM scratch')) {
    entries.push({ name: `${name}, on a base`, one: { ...one, dockerfile: based }, small: false });
  }
  // Where there is no setpriv, another user is become in another way.
  const becomes = dockerfile.some((line) => line.startsWith('USER')) && dockerfile.some((line) => /^RUN id/.test(line));
  if (becomes) entries.push({ name: `${name}, without setpriv`, one, small: true });
  return entries;
});

const SETPRIV = '/bin/setpriv';
const RECENT = 7 * 24 * 3600;
const POLICY = { tries: 1, firstPauseMs: 1, longestPauseMs: 1 };
const ctx = { signal: new AbortController().signal, onEvent: () => undefined };

let work: string;
let mini: string;
let store: LocalImageStore;
let base: StoredImage;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'image-plan-test-'));
  store = await openImageStore(join(work, 'store'));
  mini = makeMiniBase(join(work, 'mini'));
  const layer = await store.putLayer(createReadStream(tarOfDirectory(mini, join(work, 'mini.tar'))));
  const [os = '', architecture = ''] = hostPlatform().split('/');
  const config: OciImageConfig = {
    os,
    architecture,
    config: { Cmd: ['/bin/sh'], Env: ['FROM_BASE=1'], Labels: { base: 'yes' } },
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
  };
  base = await store.putImage({ config, refs: ['base'], provenance: 'archive' });
}, 60_000);

afterAll(async () => {
  await store.close();
  rmSync(work, { recursive: true, force: true });
}, 60_000);

/** A provider is given a Dockerfile and nothing else: build arguments become defaults, the target the last stage. */
function textOf({ dockerfile, args = {}, target }: BuilderCase): string {
  const lines = dockerfile.map((line) => {
    const [, value] = Object.entries(args).find(([name]) => line.startsWith(`ARG ${name}=`)) ?? [];
    return value === undefined ? line : line.replace(/=.*/, () => `=${value}`);
  });
  return dockerfileText(target === undefined ? lines : [...lines, `FROM ${target}`], 'base');
}

function onlyBase<T>(ref: string, value: T): T {
  if (ref !== 'base') throw new ImageBuildError(`no image ${ref}`);
  return value;
}

interface Job {
  /** For all that comes of the case. */
  readonly dir: string;
  readonly contextDir: string;
  readonly dockerfile: string;
  readonly small: boolean;
}

async function build({ contextDir, dockerfile }: Job): Promise<StoredImage> {
  const { image } = await buildImage({
    store,
    machine: chrootMachine,
    host: ROOT_HOST,
    hostPlatform: hostPlatform(),
    contextDir,
    dockerfile,
    signal: ctx.signal,
    resolveImage: async (ref) => onlyBase(ref, base),
  });
  return image;
}

/** A sandbox after the steps of a plan: its root directory. */
async function sandboxOf(job: Job, plan: (tmp: string | null) => Promise<ImagePlan>): Promise<string> {
  const root = join(mkdtempSync(join(job.dir, 'sandbox-')), 'root');
  await execa('cp', ['-a', mini, root]);
  if (job.small) writeFileSync(join(root, SETPRIV), '#!/bin/sh\necho unrecognized option >&2; exit 1\n');
  const image: ImageSpec = {
    source: { kind: 'dockerfile', contextDir: job.contextDir, dockerfile: job.dockerfile },
    compose: null,
    platform: null,
    resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
  };
  await replayImage({ image, plan: (_, tmp) => plan(tmp), shell: chrootShell(root), policy: POLICY }, ctx);
  return root;
}

async function replay(job: Job): Promise<{ root: string; config: OciRuntimeConfig }> {
  let config: OciRuntimeConfig = {};
  const root = await sandboxOf(job, async (tmp) => {
    const plan = await planDockerfile({
      contextDir: job.contextDir,
      dockerfile: job.dockerfile,
      platform: hostPlatform(),
      baseConfigs: async (ref) => onlyBase(ref, { config: base.config, digest: null, known: true }),
      signal: ctx.signal,
      tmp,
      async filesOf(stage, sources) {
        const shell = chrootShell(await sandboxOf(job, async () => stage));
        return filesFrom(shell, sources, mkdtempSync(join(job.dir, 'stage-')), { ...ctx, policy: POLICY });
      },
    });
    config = plan.config.config;
    return plan;
  });
  return { root, config };
}

function comparable(entries: readonly ManifestEntry[], { one, small }: Entry): ManifestEntry[] {
  const ignored = ['/', '/var/tmp', REMOTE_DIR, ...(small ? [SETPRIV] : [])]; // archives wait in /var/tmp
  return entries
    .filter(({ path }) => !ignored.includes(path))
    .map((entry) => {
      const seconds = Math.floor(Number(entry.mtime));
      const now = Math.abs(Date.now() / 1000 - seconds) < RECENT || one.skip?.includes(`mtime:${entry.path}`);
      return { ...entry, mtime: now ? 'now' : String(seconds) };
    });
}

/** In the words of KNOWN. */
function refusal(error: unknown): string {
  if (!(error instanceof ImageBuildError)) return `refused: ${/: (\w+ \S+)/.exec(String(error))?.[1]}`;
  return `failed: ${/\] (\w+ \S+?)[, ]/.exec(error.message)?.[1] ?? error.message}`;
}

async function differences(entry: Entry, job: Job): Promise<string[]> {
  const { fails, secrets } = entry.one;
  const [built, replayed] = await Promise.allSettled([build(job), replay(job)]);
  // A provider is given no secrets, and a step that needs one fails.
  expect(built.status, String(built.status === 'rejected' && built.reason)).toBe(
    fails || secrets ? 'rejected' : 'fulfilled',
  );
  if (built.status === 'rejected') return replayed.status === 'rejected' ? [] : ['not refused'];
  if (replayed.status === 'rejected') return [refusal(replayed.reason)];
  expect(replayed.value.config).toEqual(built.value.config.config);
  const scratchDir = join(job.dir, 'mount');
  mkdirSync(scratchDir);
  await using mounted = await mountOverlay({ layers: built.value.layers, scratchDir, writable: false });
  const left = comparable(await rootfsManifest(mounted.dir, { skip: ['/dev'] }), entry);
  const right = comparable(await rootfsManifest(replayed.value.root, { skip: ['/dev'] }), entry);
  return compareManifests(left, right).map(({ path, what }) => `${path} ${what}`);
}

test.each(sample(ENTRIES, 2))('$name', { timeout: 60_000 }, async (entry) => {
  const dir = mkdtempSync(join(work, 'case-'));
  const job = { dir, contextDir: join(dir, 'context'), dockerfile: join(dir, 'Dockerfile'), small: entry.small };
  makeContext(entry.one, job.contextDir);
  writeFileSync(job.dockerfile, textOf(entry.one));
  const known = KNOWN[entry.name];
  expect(await differences(entry, job), known?.why).toEqual(known?.differs ?? []);
  rmSync(dir, { recursive: true });
});

test('every difference that is written down belongs to a case', () => {
  const names = ENTRIES.map(({ name }) => name);
  expect(Object.keys(KNOWN).filter((name) => !names.includes(name))).toEqual([]);
});
