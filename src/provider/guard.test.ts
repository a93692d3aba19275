import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SandboxCreateError, TransferError } from '../exception/errors.js';
import type { ImageSpec, PreparedImage } from '../model/image.js';
import type { PrepareContext, Sandbox, SandboxProvider, SandboxSpec } from '../model/provider.js';
import { guardProvider } from './guard.js';
import { type Journal, openJournal } from './journal.js';
import { currentOwner } from './owner.js';

const IMAGE: ImageSpec = {
  source: { kind: 'prebuilt', ref: 'debian' },
  compose: null,
  platform: null,
  resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
};
const PREPARED: PreparedImage = {
  source: 'prebuilt',
  ref: 'debian',
  digest: 'sha256:0',
  cacheHit: false,
  provenance: 'pull',
  spec: IMAGE,
  warnings: [],
};
const OWNER = { runId: 'run', owner: currentOwner(), expiresAt: '2030-01-01T00:00:00Z' };
const SPEC: SandboxSpec = {
  name: 'box-1',
  image: PREPARED,
  owner: OWNER,
  labels: {},
  resources: IMAGE.resources,
  env: {},
  workdir: null,
  network: { mode: 'public' },
  networkWillChange: false,
  raw: false,
};

function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

function sandboxOf(overrides: Partial<Sandbox> = {}) {
  return {
    id: 'id-1',
    effective: { cpus: null, memoryMb: null, storageMb: null },
    interventions: [],
    exec: vi.fn<Sandbox['exec']>(),
    upload: vi.fn<Sandbox['upload']>(async () => {}),
    download: vi.fn<Sandbox['download']>(async () => {}),
    [Symbol.asyncDispose]: vi.fn(async () => {}),
    ...overrides,
  };
}

function providerOf(overrides: Partial<SandboxProvider>): SandboxProvider {
  const refuse = async () => {
    throw new Error('not expected');
  };
  return {
    name: 'docker',
    capabilities: {
      networkModes: ['public'],
      allowlistKinds: [],
      dynamicNetwork: false,
      compose: false,
      gpu: false,
      windows: false,
      limits: { cpus: true, memory: true, storage: false },
      deadlineSlackMs: 0,
      platforms: [],
      notes: [],
    },
    defaultConcurrency: 1,
    emulated: false,
    preflight: refuse,
    prepare: refuse,
    create: refuse,
    list: refuse,
    destroy: vi.fn(async () => {}),
    ...overrides,
  };
}

const context = (signal = new AbortController().signal) => ({ signal, onEvent: () => {} });
const prepareContext = (overrides: Partial<PrepareContext> = {}): PrepareContext => ({
  ...context(),
  owner: OWNER,
  forceBuild: false,
  onLog: () => {},
  ...overrides,
});

let dir: string;
let journal: Journal;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'guard-'));
  journal = openJournal(dir, OWNER.owner);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const noted = async () => (await journal.entries()).map((entry) => [entry.name, entry.ref]);

describe('create', () => {
  test('is journaled before the backend hears of it, and forgotten after dispose', async () => {
    let before: unknown;
    const provider = providerOf({
      create: async () => {
        before = await noted();
        return sandboxOf();
      },
    });
    const sandbox = await guardProvider(provider, { journal }).create(SPEC, context());
    expect(before).toEqual([['box-1', null]]);
    expect(await noted()).toEqual([['box-1', 'id-1']]);
    await sandbox[Symbol.asyncDispose]();
    expect(await noted()).toEqual([]);
  });

  test('an abort rejects at once; the late arrival is disposed of before close returns', async () => {
    const arrival = deferred<Sandbox>();
    const controller = new AbortController();
    const late = sandboxOf();
    const guarded = guardProvider(providerOf({ create: () => arrival.promise }), { journal });
    const creating = guarded.create(SPEC, context(controller.signal));
    const verdict = expect(creating).rejects.toBe('stop');
    await vi.waitFor(async () => expect(await noted()).toHaveLength(1));
    controller.abort('stop');
    await verdict;
    arrival.resolve(late);
    await vi.waitFor(() => expect(late[Symbol.asyncDispose]).toHaveBeenCalledOnce());
    await guarded.close?.();
    expect(await noted()).toEqual([]);
  });

  test('what a failed create may have left is destroyed by name', async () => {
    const provider = providerOf({
      create: async () => {
        throw new Error('quota');
      },
    });
    const guarded = guardProvider(provider, { journal });
    const error = await guarded.create(SPEC, context()).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SandboxCreateError);
    expect((error as Error).cause).toMatchObject({ message: 'quota' });
    await guarded.close?.();
    expect(provider.destroy).toHaveBeenCalledWith(expect.objectContaining({ ref: 'box-1', kind: 'sandbox' }));
    expect(await noted()).toEqual([]);
  });

  test('what could not be destroyed stays in the journal', async () => {
    const fail = async () => {
      throw new Error('no');
    };
    const guarded = guardProvider(providerOf({ create: fail, destroy: fail }), { journal });
    await expect(guarded.create(SPEC, context())).rejects.toThrow();
    await guarded.close?.();
    expect(await noted()).toEqual([['box-1', null]]);
  });

  test.each([
    ['a bad name', { name: 'Box_1' }],
    ['a relative workdir', { workdir: 'srv' }],
    ['a NUL in env', { env: { A: '\0' } }],
    ['a long label', { labels: { trial: 'x'.repeat(64) } }],
  ])('refuses %s without asking the backend', async (_what, override) => {
    await expect(
      guardProvider(providerOf({}), { journal }).create({ ...SPEC, ...override }, context()),
    ).rejects.toThrow(SandboxCreateError);
    expect(await noted()).toEqual([]);
  });
});

describe('sandbox', () => {
  const open = async (inner: Sandbox, limits = {}) =>
    guardProvider(providerOf({ create: async () => inner }), { journal, ...limits }).create(SPEC, context());

  test('dispose reaches the backend once, however often it is called', async () => {
    const inner = sandboxOf();
    const sandbox = await open(inner);
    await Promise.all([sandbox[Symbol.asyncDispose](), sandbox[Symbol.asyncDispose]()]);
    await sandbox[Symbol.asyncDispose]();
    expect(inner[Symbol.asyncDispose]).toHaveBeenCalledOnce();
  });

  test('a dispose that hangs ends at its limit and leaves the journal entry', async () => {
    const sandbox = await open(sandboxOf({ [Symbol.asyncDispose]: () => new Promise(() => {}) }), {
      disposeLimitMs: 20,
    });
    await expect(sandbox[Symbol.asyncDispose]()).rejects.toMatchObject({ type: 'SandboxLostError' });
    expect(await noted()).toEqual([['box-1', 'id-1']]);
  });

  test('a transfer that hangs ends at its limit and is told so', async () => {
    let signal: AbortSignal | undefined;
    const upload: Sandbox['upload'] = (_from, _to, options) => {
      signal = options?.signal;
      return new Promise(() => {});
    };
    const sandbox = await open(sandboxOf({ upload }), { transferLimitMs: 20 });
    await expect(sandbox.upload('/x', '/y')).rejects.toThrow(TransferError);
    expect(signal?.aborted).toBe(true);
  });

  test('a foreign TimeoutError is wrapped, not relabelled; an error of ours passes', async () => {
    const foreign = Object.assign(new Error('took too long'), { name: 'TimeoutError' });
    const sandbox = await open(
      sandboxOf({
        exec: async () => {
          throw foreign;
        },
        download: async () => {
          throw new TransferError('ours');
        },
      }),
    );
    await expect(sandbox.exec(['true'])).rejects.toMatchObject({ type: 'ExecError', cause: foreign });
    await expect(sandbox.download('/a', '/b')).rejects.toThrow(/^ours$/);
  });

  test('an exec that outlives its deadline and its slack is an unknown exit code', async () => {
    vi.useFakeTimers();
    try {
      const guarded = guardProvider(
        providerOf({ create: async () => sandboxOf({ exec: () => new Promise(() => {}) }) }),
        { journal: { ...journal, record: async () => {}, forget: async () => {} } },
      );
      const sandbox = await guarded.create(SPEC, context());
      const verdict = expect(sandbox.exec(['sleep'], { timeoutMs: 1000 })).rejects.toThrow(/exit code is not known/);
      await vi.advanceTimersByTimeAsync(16_001);
      await verdict;
    } finally {
      vi.useRealTimers();
    }
  });

  test('optional methods are there only where the backend has them', async () => {
    expect((await open(sandboxOf())).setNetwork).toBeUndefined();
    const setNetwork = vi.fn(async () => {});
    await (await open(sandboxOf({ setNetwork }))).setNetwork?.({ mode: 'public' });
    expect(setNetwork).toHaveBeenCalledOnce();
  });
});

describe('prepare', () => {
  test('a helper sandbox is in the journal from its announcement until it is struck out', async () => {
    const seen: unknown[] = [];
    const prepare = async (_image: ImageSpec, { announce }: PrepareContext) => {
      const gone = await announce?.('helper-1');
      await announce?.('helper-2'); // never struck out: it may still be there
      seen.push(await noted());
      await gone?.();
      return PREPARED;
    };
    await guardProvider(providerOf({ prepare }), { journal }).prepare(IMAGE, prepareContext());
    expect(seen).toEqual([
      [
        ['helper-1', null],
        ['helper-2', null],
      ],
    ]);
    expect((await journal.entries()).map(({ name, owner, provider }) => [name, owner, provider])).toEqual([
      ['helper-2', OWNER.owner, 'docker'],
    ]);
  });

  test('callers of one image share one build, its states and its log', async () => {
    const build = deferred<PreparedImage>();
    const prepare = vi.fn<SandboxProvider['prepare']>((_image, ctx) => {
      ctx.onEvent('building');
      ctx.onLog('step 1');
      return build.promise;
    });
    const guarded = guardProvider(providerOf({ prepare }), { journal });
    const states: string[] = [];
    const first = guarded.prepare(IMAGE, prepareContext({ onLog: (chunk) => states.push(chunk) }));
    await vi.waitFor(() => expect(prepare).toHaveBeenCalled());
    const second = guarded.prepare({ ...IMAGE }, prepareContext({ onEvent: (state) => states.push(state) }));
    build.resolve(PREPARED);
    expect(await Promise.all([first, second])).toEqual([PREPARED, PREPARED]);
    expect(prepare).toHaveBeenCalledOnce();
    expect(states).toEqual(['step 1', 'building']);
  });

  test('everybody hears of a recovery, which is no state of the build', async () => {
    const build = deferred<PreparedImage>();
    const recovery = { what: 'build', after: 'NetworkError' };
    const prepare = vi.fn<SandboxProvider['prepare']>((_image, ctx) => {
      ctx.onEvent('building');
      ctx.onEvent('build: NetworkError, again in 0.5 s (try 2)', recovery);
      return build.promise;
    });
    const guarded = guardProvider(providerOf({ prepare }), { journal });
    const told: unknown[][] = [[], []];
    const first = guarded.prepare(IMAGE, prepareContext({ onEvent: (...words) => told[0]?.push(words) }));
    await vi.waitFor(() => expect(prepare).toHaveBeenCalled());
    const second = guarded.prepare({ ...IMAGE }, prepareContext({ onEvent: (...words) => told[1]?.push(words) }));
    build.resolve(PREPARED);
    await Promise.all([first, second]);
    expect(told).toEqual([
      [
        ['building', undefined],
        ['build: NetworkError, again in 0.5 s (try 2)', recovery],
      ],
      [['building']],
    ]);
  });

  test('one caller’s abort leaves the build to the others; the last one’s stops it', async () => {
    let signal: AbortSignal | undefined;
    const prepare: SandboxProvider['prepare'] = (_image, ctx) => {
      signal = ctx.signal;
      return new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)));
    };
    const guarded = guardProvider(providerOf({ prepare }), { journal });
    const [a, b] = [new AbortController(), new AbortController()];
    const first = expect(guarded.prepare(IMAGE, prepareContext({ signal: a.signal }))).rejects.toBe('a');
    const second = expect(guarded.prepare(IMAGE, prepareContext({ signal: b.signal }))).rejects.toBe('b');
    a.abort('a');
    await first;
    expect(signal?.aborted).toBe(false);
    b.abort('b');
    await second;
    expect(signal?.aborted).toBe(true);
  });

  test('a failure is every waiter’s, and the next caller tries again', async () => {
    const error = new TransferError('the one error');
    const prepare = vi.fn<SandboxProvider['prepare']>(async () => {
      throw error;
    });
    const guarded = guardProvider(providerOf({ prepare }), { journal });
    const results = await Promise.allSettled([1, 2, 3].map(() => guarded.prepare(IMAGE, prepareContext())));
    expect(results.map((result) => (result.status === 'rejected' ? result.reason : null))).toEqual([
      error,
      error,
      error,
    ]);
    expect(prepare).toHaveBeenCalledOnce();
    await expect(guarded.prepare(IMAGE, prepareContext())).rejects.toBe(error);
    expect(prepare).toHaveBeenCalledTimes(2);
  });

  test('the first caller’s clock ends the build for everybody, with the last state', async () => {
    let stopped = false;
    const prepare: SandboxProvider['prepare'] = (_image, ctx) => {
      ctx.onEvent('step 2/7');
      ctx.signal.addEventListener('abort', () => {
        stopped = true;
      });
      return new Promise(() => {});
    };
    const guarded = guardProvider(providerOf({ prepare }), { journal });
    const calls = [30, 60_000].map((timeoutMs) => guarded.prepare(IMAGE, prepareContext({ timeoutMs })));
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({
        reason: { type: 'EnvironmentStartTimeoutError', details: { providerState: 'step 2/7' } },
      });
    }
    expect(stopped).toBe(true);
  });

  test('different images and a forced build are different work', async () => {
    const prepare = vi.fn<SandboxProvider['prepare']>(async () => PREPARED);
    const guarded = guardProvider(providerOf({ prepare }), { journal });
    await Promise.all([
      guarded.prepare(IMAGE, prepareContext()),
      guarded.prepare(IMAGE, prepareContext({ forceBuild: true })),
      guarded.prepare({ ...IMAGE, source: { kind: 'prebuilt', ref: 'alpine' } }, prepareContext()),
    ]);
    expect(prepare).toHaveBeenCalledTimes(3);
  });
});

test('the journal file is removed when nothing is left', async () => {
  await journal.record({ provider: 'docker', kind: 'sandbox', name: 'n', ref: null, ...OWNER });
  expect(readFileSync(join(dir, readdirSync(dir)[0] ?? ''), 'utf8')).toContain('"op":"made"');
  await journal.close();
  expect(readdirSync(dir)).toHaveLength(1);
  await journal.forget({ provider: 'docker', name: 'n' });
  await journal.close();
  expect(readdirSync(dir)).toEqual([]);
});
