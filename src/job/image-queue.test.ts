import { expect, test } from 'vitest';
import { ImageBuildError } from '../exception/errors.js';
import type { EventBody } from '../model/event.js';
import type { ImageSpec, PreparedImage } from '../model/image.js';
import type { PrepareContext } from '../model/provider.js';
import { makeIdleProvider } from '../testing/job-fixture.js';
import { createImageQueue } from './image-queue.js';

const OWNER = { runId: 'r', owner: 'h:1:1', expiresAt: '' };
const spec = (ref: string): ImageSpec => ({
  source: { kind: 'prebuilt', ref },
  compose: null,
  platform: null,
  resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
});

interface Call {
  readonly ref: string;
  readonly ctx: PrepareContext;
  resolve(): void;
  reject(error: unknown): void;
}

/** A provider whose preparations end when the test says so. */
function setUp(refs: readonly string[]) {
  const calls: Call[] = [];
  const events: EventBody[] = [];
  const controller = new AbortController();
  const provider = makeIdleProvider('docker', {
    prepare: (image, ctx) =>
      new Promise<PreparedImage>((resolve, reject) => {
        const ref = image.source?.kind === 'prebuilt' ? image.source.ref : '';
        const prepared = {
          source: 'prebuilt',
          ref,
          digest: '',
          cacheHit: false,
          provenance: 'pull',
          spec: image,
          warnings: [],
        } as const;
        calls.push({ ref, ctx, resolve: () => resolve({ ...prepared, warnings: [] }), reject });
      }),
  });
  const queue = createImageQueue({
    provider,
    upcoming: refs.map((ref) => async () => [{ image: spec(ref), timeoutMs: 1000 }]),
    owner: OWNER,
    forceBuild: false,
    emit: (body) => events.push(body),
    now: () => new Date(0),
    signal: controller.signal,
  });
  return { queue, calls, events, controller };
}

/** What a trial hands to prepare. */
function asker() {
  const states: string[] = [];
  const log: string[] = [];
  const controller = new AbortController();
  const ctx: PrepareContext = {
    owner: OWNER,
    forceBuild: false,
    signal: controller.signal,
    onEvent: (state) => states.push(state),
    onLog: (chunk) => log.push(chunk),
  };
  return { ctx, states, log, controller };
}

const turn = () => new Promise(setImmediate);

test('prepares each upcoming image once, two at a time, and no further ahead than eight trials', async () => {
  const { queue, calls } = setUp(['a', 'a', 'b', 'c', 'a', 'b', 'c', 'c', 'far']);
  queue.advance(0);
  await turn();
  expect(calls.map(({ ref }) => ref)).toEqual(['a', 'b']);
  calls[0]?.resolve();
  await turn();
  expect(calls.map(({ ref }) => ref)).toEqual(['a', 'b', 'c']);
  calls[1]?.resolve();
  calls[2]?.resolve();
  await turn();
  expect(calls).toHaveLength(3);
  queue.advance(1);
  await turn();
  expect(calls.map(({ ref }) => ref)).toEqual(['a', 'b', 'c', 'far']);
});

test('a trial joins the work, with the state and the log so far, and gets its own spec back', async () => {
  const { queue, calls, events } = setUp(['a']);
  queue.advance(0);
  await turn();
  calls[0]?.ctx.onEvent('pulling');
  calls[0]?.ctx.onLog('layer 1\n');
  const { ctx, states, log } = asker();
  const image = spec('a');
  const prepared = queue.provider.prepare(image, ctx);
  calls[0]?.ctx.onLog('layer 2\n');
  calls[0]?.resolve();
  expect((await prepared).spec).toBe(image);
  expect([states, log]).toEqual([['pulling'], ['layer 1\n', 'layer 2\n']]);
  expect(calls).toHaveLength(1);
  expect(events.map(({ type }) => type)).toEqual(['image_started', 'image_finished']);
});

test('a trial that joins late hears of every recovery, and of the last state alone', async () => {
  const { queue, calls } = setUp(['a']);
  queue.advance(0);
  await turn();
  const recovery = { what: 'build', after: 'NetworkError' };
  calls[0]?.ctx.onEvent('looking');
  calls[0]?.ctx.onEvent('again', recovery);
  calls[0]?.ctx.onEvent('building');
  calls[0]?.ctx.onEvent('once more', recovery);
  const heard: unknown[] = [];
  const { ctx } = asker();
  const prepared = queue.provider.prepare(spec('a'), { ...ctx, onEvent: (...told) => heard.push(told) });
  calls[0]?.ctx.onEvent('and again', recovery);
  calls[0]?.resolve();
  await prepared;
  expect(heard).toEqual([['again', recovery], ['once more', recovery], ['building'], ['and again', recovery]]);
});

test('a failure is for those who waited for it; who comes later tries again', async () => {
  const { queue, calls, events } = setUp(['a']);
  queue.advance(0);
  await turn();
  const first = queue.provider.prepare(spec('a'), asker().ctx);
  const second = queue.provider.prepare(spec('a'), asker().ctx);
  calls[0]?.reject(new ImageBuildError('step 3 failed'));
  await expect(first).rejects.toThrow('step 3 failed');
  await expect(second).rejects.toThrow('step 3 failed');
  expect(events.at(-1)).toMatchObject({ type: 'image_finished', error: 'step 3 failed' });
  const third = queue.provider.prepare(spec('a'), asker().ctx);
  await turn();
  expect(calls).toHaveLength(2);
  calls[1]?.resolve();
  expect((await third).ref).toBe('a');
});

test('a failure that came before anyone asked is not lost, and not an unhandled rejection', async () => {
  const { queue, calls } = setUp(['a']);
  queue.advance(0);
  await turn();
  calls[0]?.reject(new ImageBuildError('step 3 failed'));
  await turn();
  await expect(queue.provider.prepare(spec('a'), asker().ctx)).rejects.toThrow('step 3 failed');
});

test('a trial that gives up leaves the work to others', async () => {
  const { queue, calls } = setUp(['a']);
  queue.advance(0);
  await turn();
  const { ctx, controller } = asker();
  const leaving = queue.provider.prepare(spec('a'), ctx);
  const staying = queue.provider.prepare(spec('a'), asker().ctx);
  controller.abort(new Error('deadline'));
  await expect(leaving).rejects.toThrow('deadline');
  calls[0]?.resolve();
  expect((await staying).ref).toBe('a');
});

test('a stopped run starts nothing more; settled waits for what runs', async () => {
  const { queue, calls, controller } = setUp(['a', 'b', 'c', 'd']);
  queue.advance(0);
  await turn();
  controller.abort();
  let settled = false;
  const waiting = queue.settled().then(() => {
    settled = true;
  });
  await turn();
  expect(settled).toBe(false);
  for (const call of calls) call.reject(new Error('stopped'));
  await waiting;
  expect(calls).toHaveLength(2);
});
