/** What a person sees of images that are made ahead of a run. */
import { describe, expect, test } from 'vitest';
import { EnvironmentDefinitionError, ImageBuildError } from '../exception/errors.js';
import { planTrials } from '../job/plan.js';
import { Interrupt } from '../job/stop.js';
import type { ImageSpec } from '../model/image.js';
import type { SandboxProvider } from '../model/provider.js';
import type { LoadedTask, Task } from '../model/task.js';
import { createFakeProvider } from '../testing/fake-provider.js';
import { makeInvalidTask, makeTask, PLAIN_NEEDS, seededRandom } from '../testing/job-fixture.js';
import { lastSection, type Preparation, prepareImages } from './prepare-images.js';

const RESOURCES = { cpus: null, memoryMb: null, storageMb: null, gpus: null };
const imageOf = (task: Task): ImageSpec => ({
  source: { kind: 'prebuilt', ref: task.id },
  compose: null,
  platform: null,
  resources: RESOURCES,
});

interface Seen {
  readonly progress: string[];
  readonly results: string[];
  readonly summary: string;
}

async function prepare(
  tasks: readonly LoadedTask[],
  provider: SandboxProvider,
  more: Partial<Preparation> = {},
  unsupported: Readonly<Record<string, string>> = {},
): Promise<Seen> {
  const progress: string[] = [];
  const results: string[] = [];
  const plan = planTrials({
    tasks,
    providers: [provider],
    agent: 'oracle',
    repeats: 1,
    withNop: false,
    limit: null,
    shard: null,
    only: null,
    needsOf: () => PLAIN_NEEDS,
    unsupportedImage: (task) => unsupported[task.id] ?? null,
    random: seededRandom(1),
    earlier: [],
  });
  const outcomes = await prepareImages({
    providers: [provider],
    plan,
    imagesOf: async (task) => [imageOf(task)],
    owner: { runId: 'r', owner: 'h:1:1', expiresAt: '' },
    forceBuild: false,
    atOnce: 1,
    signal: new AbortController().signal,
    onProgress: (line) => progress.push(line),
    onResult: (line) => results.push(line.replace(/\d+\.\d s/, 'N s')),
    ...more,
  });
  return { progress, results, summary: lastSection(outcomes).join('\n') };
}

const tasks = (...ids: string[]) => ids.map((id) => makeTask(id));

describe('progress', () => {
  test('shows states once, log lines whole, recoveries and warnings, each with its task', async () => {
    const provider: SandboxProvider = {
      ...createFakeProvider({ name: 'e2b', prepared: { warnings: [{ code: 'ReplayedImage', message: 'why' }] } }),
    };
    const inner = provider.prepare;
    const talking: SandboxProvider = {
      ...provider,
      async prepare(image, ctx) {
        ctx.onEvent('building');
        ctx.onEvent('building');
        ctx.onLog('Step 1/2\r\nSte');
        ctx.onEvent('build: NetworkError, again in 0.5 s (try 2)', { what: 'build', after: 'NetworkError' });
        ctx.onEvent('building');
        ctx.onLog('p 2/2\nend');
        return inner(image, ctx);
      },
    };
    const { progress, results } = await prepare(tasks('a'), talking);
    expect(progress).toEqual([
      'e2b  a: building',
      'e2b  a | Step 1/2',
      'e2b  a: build: NetworkError, again in 0.5 s (try 2)',
      'e2b  a: building',
      'e2b  a | Step 2/2',
      'e2b  a: prepared',
      'e2b  a | end',
      'e2b  a: warning: ReplayedImage: why',
    ]);
    expect(results).toEqual(['[1/1] e2b  a  prebuilt in N s after 1 retry  fake:a']);
  });

  test('a warning that many tasks have is shown once', async () => {
    const provider = createFakeProvider({
      prepared: { warnings: [{ code: 'BaseConfigUnknown', message: 'of debian' }] },
    });
    const { progress } = await prepare(tasks('a', 'b'), provider);
    expect(progress.filter((line) => line.includes('of debian'))).toEqual([
      'docker  a: warning: BaseConfigUnknown: of debian',
    ]);
  });

  test('what was there already was found', async () => {
    const provider = createFakeProvider({ prepared: { cacheHit: true } });
    expect((await prepare(tasks('a'), provider)).results).toEqual(['[1/1] docker  a  found  fake:a']);
  });
});

describe('the last section', () => {
  test('says that nothing is left', async () => {
    const { summary } = await prepare(tasks('a', 'b'), createFakeProvider({ name: 'modal' }));
    expect(summary).toBe('modal: 2 of 2 tasks have their images\nmodal: a run has no image left to make');
  });

  test('names what failed and what is unsupported or invalid, which is no failure', async () => {
    const provider = createFakeProvider({
      name: 'e2b',
      before(call) {
        if (call.detail === 'b') throw new ImageBuildError('a step failed');
      },
    });
    const loaded = [...tasks('a', 'b', 'c'), makeInvalidTask('d')];
    const { results, summary } = await prepare(loaded, provider, {}, { c: 'FROM scratch cannot be built here' });
    expect(results).toEqual([
      'e2b  c  unsupported: FROM scratch cannot be built here',
      'e2b  d  invalid: /tasks/d/task.toml:3:1 agent: is no table',
      '[1/2] e2b  a  prebuilt in N s  fake:a',
      '[2/2] e2b  b  ImageBuildError: a step failed',
    ]);
    expect(provider.calls.map(({ detail }) => detail)).toEqual(['a', 'b']);
    expect(summary).toBe(
      'e2b: 1 of 2 tasks have their images, 1 more is unsupported, 1 more is invalid\n' +
        'e2b: a run would still have to make the images of 1 task: b (ImageBuildError)',
    );
  });

  test('a task that names no image is one that failed', async () => {
    const imagesOf = () => Promise.reject(new EnvironmentDefinitionError('no Dockerfile'));
    const { summary } = await prepare(tasks('a'), createFakeProvider(), { imagesOf });
    expect(summary).toContain('0 of 1 task has its images');
    expect(summary).toContain('of 1 task: a (EnvironmentDefinitionError)');
  });

  test('after Ctrl-C names what was stopped and what was not begun', async () => {
    const controller = new AbortController();
    const provider = createFakeProvider({
      name: 'daytona',
      before(call, signal) {
        if (call.detail !== 'b') return;
        controller.abort(new Interrupt('SIGINT'));
        signal.throwIfAborted();
      },
    });
    const { results, summary } = await prepare(tasks('a', 'b', 'c'), provider, { signal: controller.signal });
    expect(results).toEqual(['[1/3] daytona  a  prebuilt in N s  fake:a']);
    expect(summary).toBe(
      'daytona: 1 of 3 tasks have their images\n' +
        'daytona: a run would still have to make the images of 2 tasks: b (stopped), c',
    );
  });

  test('several images of a task are all made; it has its images only with the last', async () => {
    const provider = createFakeProvider();
    const imagesOf = async (task: Task) => [imageOf(task), imageOf({ ...task, id: `${task.id}-verifier` })];
    const { results } = await prepare(tasks('a'), provider, { imagesOf });
    expect(provider.calls.map(({ detail }) => detail)).toEqual(['a', 'a-verifier']);
    expect(results).toEqual(['[1/1] docker  a  prebuilt in N s  fake:a, fake:a-verifier']);
  });
});
