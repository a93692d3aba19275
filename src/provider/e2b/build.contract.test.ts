/** Builds that fail, are given up or lose a reply, against an emulator that knows a name from the first request for it on. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processEnvironment } from '../../cli/environment.js';
import type { ScriptedFault } from '../../emulator/core/faults.js';
import type { ImageSpec, PreparedImage } from '../../model/image.js';
import type { Owner, PrepareContext, SandboxProvider } from '../../model/provider.js';
import { type EmulatedProvider, emulatedProvider } from '../../testing/emulated-provider.js';
import { failure } from '../../testing/fault-bench.js';
import { currentOwner } from '../owner.js';
import { loadProvider } from '../registry.js';

const LIMIT_MS = 120_000;
const SETTINGS = { 'e2b.tries': '3', 'e2b.first_pause_ms': '100' };
const owner: Owner = { runId: 'e2b-builds', owner: currentOwner(), expiresAt: '2031-01-01T00:00:00Z' };

let running: EmulatedProvider | null = null;
let dir = '';
let serial = 0;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-e2b-builds-'));
  running = await emulatedProvider('e2b', { env: processEnvironment(), settings: SETTINGS });
}, 60_000);
afterAll(async () => {
  await running?.close();
  await rm(dir, { recursive: true, force: true });
}, 60_000);

/** One that nobody has built before. @param lines after the FROM */
async function imageOf(...lines: string[]): Promise<ImageSpec> {
  const contextDir = await mkdtemp(join(dir, 'context-'));
  const dockerfile = join(contextDir, 'Dockerfile');
  const made = `RUN echo "${process.pid} ${serial++} ${Date.now()}" > /srv/made`;
  await writeFile(dockerfile, ['FROM debian:bookworm-slim', made, ...lines, ''].join('\n'));
  return {
    source: { kind: 'dockerfile', contextDir, dockerfile },
    compose: null,
    platform: null,
    resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
  };
}

function prepare(provider: SandboxProvider, image: ImageSpec, ctx: Partial<PrepareContext> = {}) {
  const { signal } = new AbortController();
  return provider.prepare(image, { owner, forceBuild: false, signal, onEvent: () => {}, onLog: () => {}, ...ctx });
}

async function create(provider: SandboxProvider, image: PreparedImage, raw: boolean) {
  return await provider.create(
    {
      name: `e2b-build-${process.pid}-${serial++}`,
      image,
      owner,
      labels: {},
      resources: image.spec.resources,
      env: {},
      workdir: null,
      network: { mode: 'public' },
      networkWillChange: false,
      raw,
    },
    { signal: new AbortController().signal, onEvent: () => {} },
  );
}

async function printed(provider: SandboxProvider, image: PreparedImage, look: string): Promise<string> {
  await using sandbox = await create(provider, image, false);
  return Buffer.from((await sandbox.exec(['/bin/sh', '-c', look])).stdout).toString('utf8');
}

/** What a second host has: an account, and nothing of the first one's files. */
async function anotherHost(at: EmulatedProvider): Promise<SandboxProvider> {
  const env = { ...processEnvironment(), ...at.emulator.env };
  return await loadProvider('e2b', { env, stateDir: join(dir, `host-${serial++}`), settings: SETTINGS });
}

function limited(title: string, faults: readonly ScriptedFault[], work: (at: EmulatedProvider) => Promise<void>): void {
  test(title, { timeout: LIMIT_MS }, async ({ skip }) => {
    if (running === null) return skip('there is no local provider to stand behind the emulator');
    running.emulator.calls.replace(faults);
    await work(running);
    expect(running.emulator.calls.report().filter(({ fired }) => fired === 0)).toEqual([]);
    running.emulator.calls.replace([]);
  });
}

/** Resolves once a build is under way that never ends by itself, with what stops the client's part of it. */
async function buildForEver(at: EmulatedProvider, provider: SandboxProvider, image: ImageSpec) {
  const controller = new AbortController();
  const ended = prepare(provider, image, { signal: controller.signal }).catch((error: unknown) => error);
  await expect
    .poll(() => at.emulator.calls.counts().get('template.status') ?? 0, { timeout: 60_000 })
    .toBeGreaterThan(0);
  return async () => {
    controller.abort(new Error('interrupted'));
    expect(await ended).toBe(controller.signal.reason);
  };
}

const STUCK: ScriptedFault = { call: 'template.start', occurrence: 1, fault: { kind: 'stuck' } };

limited(
  'a build that failed is not found but built again',
  [{ call: 'template.start', occurrence: 1, fault: { kind: 'build-failure' } }],
  async ({ provider }) => {
    const image = await imageOf();
    expect((await failure(() => prepare(provider, image))).type).toBe('ImageBuildError');
    const again = await prepare(provider, image);
    expect(again.cacheHit).toBe(false);
    expect(await printed(provider, again, 'cat /srv/made')).toContain(String(process.pid));
    expect((await prepare(provider, image)).cacheHit).toBe(true);
  },
);

limited('a step that fails fails every time', [], async ({ provider, effects }) => {
  const image = await imageOf('RUN exit 3');
  const { built } = effects;
  for (let time = 1; time <= 2; time += 1) {
    expect((await failure(() => prepare(provider, image))).type).toBe('ImageBuildError');
    expect(effects.built - built).toBe(time);
  }
});

limited('a build that was interrupted is not found but built again', [STUCK], async (at) => {
  const image = await imageOf();
  const interrupt = await buildForEver(at, at.provider, image);
  await interrupt();
  const again = await prepare(at.provider, image);
  expect(again.cacheHit).toBe(false);
  expect(await printed(at.provider, again, 'cat /srv/made')).toContain(String(process.pid));
});

limited('a host that comes while another one builds builds too, and neither stops the other', [STUCK], async (at) => {
  const image = await imageOf();
  const [one, two] = [await anotherHost(at), await anotherHost(at)];
  const interrupt = await buildForEver(at, one, image);
  const starts = at.emulator.calls.counts().get('template.start');
  const second = await prepare(two, image);
  expect([second.cacheHit, at.emulator.calls.counts().get('template.start')]).toEqual([false, (starts ?? 0) + 1]);
  expect(await printed(two, second, 'cat /srv/made')).toContain(String(process.pid));
  await interrupt();
  // the first host finds it now, though its own build never ended
  expect(await prepare(one, image)).toMatchObject({ cacheHit: true, ref: second.ref });
  await Promise.all([one.close?.(), two.close?.()]);
});

for (const call of ['template.request', 'template.start', 'template.tag', 'template.alias']) {
  limited(
    `a lost reply of ${call} ends in one usable template`,
    [{ call, occurrence: 1, fault: { kind: 'reset-after' } }],
    async ({ provider, effects }) => {
      const image = await imageOf();
      const { built } = effects;
      const prepared = await prepare(provider, image);
      expect(prepared.source).toBe('built');
      expect(effects.built - built).toBeLessThanOrEqual(2);
      expect(await printed(provider, prepared, 'cat /srv/made')).toContain(String(process.pid));
    },
  );
}

limited(
  'the sandbox that gives the files of a stage is announced, made once and gone, also when the reply to its create is lost',
  [{ call: 'sandbox.create', occurrence: 1, fault: { kind: 'reset-after' } }],
  async ({ provider, effects, emulator }) => {
    const image = await imageOf(
      'RUN useradd svc && chown svc /srv/made',
      'FROM debian:bookworm-slim',
      'COPY --from=0 /srv /got',
    );
    const journal: string[] = [];
    const { created } = effects;
    const prepared = await prepare(provider, image, {
      async announce(name) {
        journal.push(`${name} ${emulator.calls.counts().get('sandbox.create') ?? 0}`);
        return async () => void journal.push('gone');
      },
    });
    expect(journal).toEqual([expect.stringMatching(/^stage-\w+ 0$/), 'gone']);
    expect(effects.created - created).toBe(1);
    expect(await provider.list({ runId: owner.runId })).toEqual([]);
    expect(await printed(provider, prepared, 'stat -c %u /got/made')).toBe('1000\n');
  },
);

limited(
  'it is gone too when its files cannot be read',
  [{ call: 'files.read', fault: { kind: 'status', status: 500 } }],
  async ({ provider, effects }) => {
    const image = await imageOf('FROM debian:bookworm-slim', 'COPY --from=0 /srv /got');
    const { created } = effects;
    expect((await failure(() => prepare(provider, image))).type).toBe('NetworkError');
    expect(effects.created - created).toBe(1);
    expect(await provider.list({ runId: owner.runId })).toEqual([]);
  },
);

limited(
  'what a Dockerfile put into /tmp is put there again and listed; --raw leaves E2B’s empty one',
  [],
  async ({ provider }) => {
    const seen = async (image: PreparedImage, raw: boolean) => {
      await using sandbox = await create(provider, image, raw);
      const { stdout } = await sandbox.exec(['/bin/sh', '-c', 'cat /tmp/put; ls -A /tmp | wc -l']);
      return [sandbox.interventions.includes('tmp-restored'), Buffer.from(stdout).toString('utf8')];
    };
    const put = await prepare(provider, await imageOf('RUN echo there > /tmp/put'));
    expect(await seen(put, false)).toEqual([true, 'there\n1\n']);
    expect(await seen(put, true)).toEqual([false, '0\n']);
    const removed = await prepare(
      provider,
      await imageOf('RUN echo there > /tmp/put', 'RUN cat /tmp/put && rm /tmp/put'),
    );
    expect(await seen(removed, false)).toEqual([false, '0\n']);
  },
);
