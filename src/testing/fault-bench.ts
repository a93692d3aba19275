/**
 * What a fault matrix stands on: a remote provider in front of its emulator, one sandbox that the cases share, and the calls of the
 * contract as pieces of work that prove themselves: each counts its effects where they happen, on the emulator's backend.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, type TestContext } from 'vitest';
import { processEnvironment } from '../cli/environment.js';
import type { Fault, ScriptedFault } from '../emulator/core/faults.js';
import { PlumblineError } from '../exception/errors.js';
import type { ImageSpec, PreparedImage } from '../model/image.js';
import type { Owner, ProviderContext, Recovery, Sandbox, SandboxProvider, SandboxSpec } from '../model/provider.js';
import type { ProviderName } from '../model/words.js';
import { currentOwner } from '../provider/owner.js';
import { loadProvider } from '../provider/registry.js';
import { type EmulatedProvider, emulatedProvider } from './emulated-provider.js';

export type WorkName = 'exec' | 'upload' | 'download' | 'create' | 'delete' | 'list' | 'network' | 'prepare';

export interface BenchOptions {
  readonly settings: Readonly<Record<string, string>>;
  /** For the work `prepare`, with a file `data` beside it; its content differs each time. */
  readonly dockerfile: string;
  /** Builds that a `prepare` may begin at most, whatever is lost on the way. */
  readonly buildsAtMost: number;
}

export interface FaultBench {
  readonly provider: SandboxProvider;
  /** In which nothing is changed but files, and the network for a moment. */
  readonly shared: Sandbox;
  readonly running: EmulatedProvider;
  /** An empty directory of this bench. */
  readonly dir: string;
  /** States that a person was told since `script`. */
  readonly events: string[];
  /** What a person was told of as recovered from since then. */
  readonly recoveries: Recovery[];
  /** Does the work and proves that it took effect once; the faults end where the proof begins. */
  readonly work: Readonly<Record<WorkName, () => Promise<void>>>;
  /** These faults from now on. */
  script(faults: readonly ScriptedFault[]): void;
  /** No more faults. */
  calm(): void;
  /** Faults since `script`. */
  fired(): number;
  imageOf(dockerfile: string, files?: Readonly<Record<string, string>>): Promise<ImageSpec>;
  prepare(image: ImageSpec, ctx?: Partial<ProviderContext>): Promise<PreparedImage>;
  create(ctx?: Partial<ProviderContext>, by?: SandboxProvider): Promise<Sandbox>;
  /** Another provider object at the same emulator; the caller closes it. */
  another(settings?: Readonly<Record<string, string>>): Promise<SandboxProvider>;
  /** Sandboxes that the emulated cloud runs, as its backend lists them. */
  alive(): Promise<number>;
  /** What dies while it boots does so when it has booted. */
  untilAlive(count: number): Promise<void>;
  /** What the guard does after a failed create: everything of the run but the shared sandbox goes. */
  sweep(): Promise<void>;
  /** Ids of what the provider lists of this run. */
  listed(): Promise<string[]>;
  close(): Promise<void>;
}

/** The bench of a test, which is skipped where there is none. */
export type GetBench = (skip: TestContext['skip']) => FaultBench;

/** Null when this machine has no local provider to stand behind the emulator. */
export async function openFaultBench(name: ProviderName, options: BenchOptions): Promise<FaultBench | null> {
  const running = await emulatedProvider(name, { env: processEnvironment(), settings: options.settings });
  if (running === null) return null;
  const dir = await mkdtemp(join(tmpdir(), `plumbline-${name}-faults-`));
  const { provider, emulator, effects } = running;
  const owner: Owner = {
    runId: `${name}-faults`,
    owner: currentOwner(),
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  };
  const events: string[] = [];
  const recoveries: Recovery[] = [];
  let serial = 0;
  let firedBefore = 0;
  const context = (ctx: Partial<ProviderContext> = {}): ProviderContext => ({
    signal: ctx.signal ?? new AbortController().signal,
    onEvent(state, recovery) {
      events.push(state);
      if (recovery !== undefined) recoveries.push(recovery);
      ctx.onEvent?.(state, recovery);
    },
  });
  const prepare = (image: ImageSpec, ctx?: Partial<ProviderContext>) =>
    provider.prepare(image, { ...context(ctx), owner, forceBuild: false, onLog: () => {} });
  const spec = (image: PreparedImage): SandboxSpec => ({
    name: `${name}-faults-${process.pid}-${++serial}`,
    image,
    owner,
    labels: {},
    resources: image.spec.resources,
    env: {},
    workdir: null,
    network: { mode: 'public' },
    networkWillChange: provider.capabilities.dynamicNetwork,
    raw: false,
  });
  const imageOf = async (dockerfile: string, files: Readonly<Record<string, string>> = {}): Promise<ImageSpec> => {
    const contextDir = await mkdtemp(join(dir, 'context-'));
    for (const [file, content] of Object.entries(files)) await writeFile(join(contextDir, file), content);
    await writeFile(join(contextDir, 'Dockerfile'), dockerfile);
    return {
      source: { kind: 'dockerfile', contextDir, dockerfile: join(contextDir, 'Dockerfile') },
      compose: null,
      platform: null,
      resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
    };
  };
  const alive = async () => {
    const refs = await running.backend.list('all');
    return refs.filter((ref) => ref.runId === `emulator-${name}-${process.pid}`).length; // others may share the engine
  };
  const untilAlive = async (count: number) => {
    await expect.poll(alive, { timeout: 20_000, interval: 100 }).toBe(count);
  };
  const calm = () => {
    firedBefore += emulator.calls.fired;
    emulator.calls.replace([]);
  };
  const listed = async () => (await provider.list({ runId: owner.runId })).map(({ ref }) => ref);

  const plain = await prepare(await imageOf('FROM debian:bookworm-slim\n'));
  const create = (ctx?: Partial<ProviderContext>, by = provider) => by.create(spec(plain), context(ctx));
  const shared = await create();
  const text = async (...argv: string[]) => latin1((await shared.exec(argv)).stdout);

  const work: FaultBench['work'] = {
    async exec() {
      const file = `/srv/ran-${++serial}`;
      const result = await shared.exec(['sh', '-c', `echo ran >> ${file}; printf 'out\\377'; echo err >&2; exit 7`]);
      expect([result.exitCode, latin1(result.stdout), latin1(result.stderr)]).toEqual([7, 'out\xff', 'err\n']);
      calm();
      expect(await text('cat', file)).toBe('ran\n');
    },
    async upload() {
      const from = join(dir, `up-${++serial}`);
      await mkdir(from);
      await writeFile(join(from, 'file'), `content ${serial}`);
      await shared.upload(from, `/srv/up-${serial}`);
      calm();
      expect(await text('cat', `/srv/up-${serial}/file`)).toBe(`content ${serial}`);
    },
    async download() {
      const to = join(dir, `down-${++serial}`);
      await shared.download('/etc/debian_version', to);
      calm();
      expect(await readFile(to, 'utf8')).toMatch(/^12\./);
    },
    async create() {
      const [before, { created }] = [await alive(), effects];
      const sandbox = await create();
      calm();
      expect(effects.created - created).toBe(1);
      expect(await alive()).toBe(before + 1);
      await sandbox[Symbol.asyncDispose]();
      await untilAlive(before);
    },
    async delete() {
      const before = await alive();
      const sandbox = await create();
      await sandbox[Symbol.asyncDispose]();
      calm();
      await untilAlive(before);
    },
    async list() {
      expect(await listed()).toEqual([shared.id]);
    },
    async network() {
      const hasRoutes = async () => (await text('cat', '/proc/net/route')).trim().split('\n').length > 1; // after the head
      const reopen = async () => {
        await shared.setNetwork?.({ mode: 'public' });
        return hasRoutes();
      };
      // a change that was given up may have come late
      if (!(await hasRoutes())) await expect.poll(reopen, { timeout: 20_000 }).toBe(true);
      try {
        await shared.setNetwork?.({ mode: 'no-network' });
        calm();
        expect(await hasRoutes()).toBe(false);
      } finally {
        calm();
        await shared.setNetwork?.({ mode: 'public' });
      }
    },
    async prepare() {
      const wanted = await imageOf(options.dockerfile, { data: `${process.pid} ${dir} ${++serial}` });
      const { built } = effects;
      const prepared = await prepare(wanted);
      calm();
      if (prepared.source === 'replayed') {
        expect(prepared.warnings.map(({ code }) => code)).toContain('ReplayedImage');
        return;
      }
      const begun = effects.built - built;
      expect(begun).toBeGreaterThanOrEqual(1);
      expect(begun).toBeLessThanOrEqual(options.buildsAtMost);
      const again = await prepare(wanted);
      expect([again.cacheHit, again.ref, effects.built - built]).toEqual([true, prepared.ref, begun]);
    },
  };

  return {
    provider,
    shared,
    running,
    dir,
    events,
    recoveries,
    work,
    script(faults) {
      firedBefore = 0;
      events.length = 0;
      recoveries.length = 0;
      emulator.calls.replace(faults);
    },
    calm,
    fired: () => firedBefore + emulator.calls.fired,
    imageOf,
    prepare,
    create,
    another: (settings = {}) =>
      loadProvider(name, {
        env: { ...processEnvironment(), ...emulator.env },
        stateDir: dir,
        settings: { ...options.settings, ...settings },
      }),
    alive,
    untilAlive,
    async sweep() {
      for (const ref of await provider.list({ runId: owner.runId })) {
        if (ref.ref !== shared.id) await provider.destroy(ref);
      }
    },
    listed,
    async close() {
      calm();
      await shared[Symbol.asyncDispose]();
      await running.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** How the work ended, which must not have passed. @throws what is no exception of ours */
export async function failure(work: () => Promise<unknown>): Promise<PlumblineError> {
  const error: unknown = await work().then(
    () => new Error('it passed'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof PlumblineError) return error;
  throw error;
}

/** Of one occurrence, the first by default; null: of all. */
export function at(call: string, fault: Fault, occurrence: number | null = 1): ScriptedFault {
  return { call, fault, ...(occurrence === null ? {} : { occurrence }) };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
