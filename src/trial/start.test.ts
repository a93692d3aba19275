import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EnvironmentStartTimeoutError, ImageBuildError, SandboxLostError } from '../exception/errors.js';
import { hang } from '../testing/fake-provider.js';
import { createTrialFixture, type TrialFixture } from '../testing/trial-fixture.js';
import { imagesOf } from './image.js';

let fixture: TrialFixture;
beforeEach(async () => {
  fixture = await createTrialFixture();
});
afterEach(() => fixture.remove());

const toml = (text: string) => fixture.file('task.toml', text);

describe('the image', () => {
  const sourceOf = async (forceBuild = false) => {
    const { provider } = await fixture.run({}, { settings: { forceBuild } });
    const call = provider.calls.find(({ kind }) => kind === 'prepare');
    return { source: call?.image?.source, compose: call?.image?.compose };
  };
  const environment = () => join(fixture.taskDir, 'environment');

  test('is built from the Dockerfile', async () => {
    expect(await sourceOf()).toEqual({
      source: { kind: 'dockerfile', contextDir: environment(), dockerfile: join(environment(), 'Dockerfile') },
      compose: null,
    });
  });

  test('is the published one where the task names it, unless a build is forced and possible', async () => {
    await toml('[environment]\ndocker_image = "org/image:1"\n');
    expect((await sourceOf()).source).toEqual({ kind: 'prebuilt', ref: 'org/image:1' });
    expect((await sourceOf(true)).source).toMatchObject({ kind: 'dockerfile' });
    await rm(join(environment(), 'Dockerfile'));
    expect((await sourceOf(true)).source).toEqual({ kind: 'prebuilt', ref: 'org/image:1' });
  });

  test('may come from the compose file alone', async () => {
    await rm(join(environment(), 'Dockerfile'));
    await fixture.file('environment/docker-compose.yaml', 'services: {}\n');
    expect(await sourceOf()).toEqual({
      source: null,
      compose: { file: join(environment(), 'docker-compose.yaml'), projectDir: environment() },
    });
  });

  test('without any of them is EnvironmentDefinitionError in prepare_image', async () => {
    const task = await fixture.load();
    await rm(join(environment(), 'Dockerfile'));
    const { record, provider } = await fixture.run({}, { task });
    expect(record.exception).toMatchObject({
      type: 'EnvironmentDefinitionError',
      phase: 'prepare_image',
      origin: 'task',
    });
    expect(provider.calls).toEqual([]);
    expect(record).toMatchObject({ outcome: 'error', image: null, rewards: null });
  });

  test('a workdir that is not absolute is the task’s fault', async () => {
    await toml('[environment]\nworkdir = "app"\n');
    const { record } = await fixture.run();
    expect(record.exception).toMatchObject({ type: 'EnvironmentDefinitionError', phase: 'prepare_image' });
  });

  test('is known ahead, for every environment of the task', async () => {
    await toml('[verifier]\nenvironment_mode = "separate"\n');
    await fixture.file('tests/Dockerfile', 'FROM scratch\n');
    const images = await imagesOf(await fixture.load(), false);
    expect(images.map(({ source }) => source?.kind === 'dockerfile' && source.contextDir)).toEqual([
      environment(),
      join(fixture.taskDir, 'tests'),
    ]);
  });

  test('a failed build keeps its log, also one that only the error has', async () => {
    const { record } = await fixture.run({
      before: ({ kind }) => {
        if (kind === 'prepare') throw new ImageBuildError('RUN failed', { log: 'E: no such package\n' });
      },
    });
    expect(record).toMatchObject({
      exception: { type: 'ImageBuildError', phase: 'prepare_image', provider_state: null },
      logs: { build: { tail: 'E: no such package\n' }, oracle: null, verifier: null },
    });
  });

  test('its warnings are the trial’s', async () => {
    const { record } = await fixture.run({
      prepared: { warnings: [{ code: 'Bootstrap', message: 'from the mirror' }], shared: true },
    });
    expect(record.warnings).toEqual([{ code: 'Bootstrap', message: 'from the mirror' }]);
    expect(record.phases.map(({ name, shared }) => [name, shared])).toContainEqual(['prepare_image', true]);
  });
});

describe('the sandbox', () => {
  test('gets what the task asks for', async () => {
    await toml(
      '[environment]\ncpus = 2\nmemory_mb = 512\nworkdir = "/app"\nnetwork_mode = "no-network"\n[environment.env]\nA = "1"\n',
    );
    const { record, provider } = await fixture.run({}, { settings: { raw: true } });
    expect(provider.sandboxes[0]?.spec).toMatchObject({
      name: expect.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])$/),
      resources: { cpus: 2, memoryMb: 512, storageMb: null, gpus: null },
      workdir: '/app',
      network: { mode: 'no-network' },
      networkWillChange: false,
      env: { A: '1' },
      raw: true,
      labels: { trial: 'demo__aBcDeFg', task: 'demo', role: 'main', attempt: '1' },
    });
    expect(record.resources).toEqual({
      requested: { cpus: 2, memory_mb: 512, storage_mb: null },
      effective: { cpus: 2, memory_mb: 512, storage_mb: null },
    });
  });

  test('has another name for every trial, attempt and run, also where names differ only in case', async () => {
    const names = new Set<string>();
    for (const overrides of [
      {},
      { attempt: 2 },
      { trialName: 'demo__ABcDeFg' },
      { owner: { runId: 'run-2', owner: 'host:1:1', expiresAt: '2030-01-01T00:00:00.000Z' } },
      { trialName: `${'x'.repeat(70)}__aBcDeFg` },
      { trialName: '___' },
    ]) {
      const { provider, record } = await fixture.run({}, overrides);
      expect(record.outcome).toBe('pass');
      names.add(provider.sandboxes[0]?.spec.name.toLowerCase() ?? '');
    }
    expect(names.size).toBe(6);
  });

  test.each([
    ['task', 'SandboxCreateError'],
    ['provider', 'SandboxLostError'],
  ] as const)('that is gone before anything ran in it, by fault of the %s, is %s', async (origin, type) => {
    const { record } = await fixture.run({
      before: ({ kind }) => {
        if (kind === 'exec') throw new SandboxLostError('its main process ended with status 4', { origin });
      },
    });
    expect(record.exception).toMatchObject({ type, origin, phase: 'start' });
    expect(record.exception?.message).toContain('ended with status 4');
  });

  test('files beside a prebuilt image go into its working directory', async () => {
    await toml('[environment]\ndocker_image = "org/image:1"\n');
    await rm(join(fixture.taskDir, 'environment/Dockerfile'));
    await fixture.file('environment/data.csv', 'a,b\n');
    const { record, provider } = await fixture.run({ image: { workdir: '/srv/app' } });
    expect(record.outcome).toBe('pass');
    expect(provider.sandboxes[0]?.files.read('/srv/app/data.csv')).toBe('a,b\n');
    expect(provider.calls.filter(({ detail }) => detail === 'pwd')).toHaveLength(1);
  });

  test('with a Dockerfile beside the prebuilt image nothing is uploaded', async () => {
    await toml('[environment]\ndocker_image = "org/image:1"\n');
    const { provider } = await fixture.run({ image: { workdir: '/srv/app' } });
    expect(provider.sandboxes[0]?.files.names('/srv/app')).toEqual([]);
  });

  test.each([
    [1, 'mkdir: read-only file system', 'ExecError', 'provider'],
    [127, 'sh: not found', 'SandboxCreateError', 'task'],
  ])('whose log directories cannot be made (status %i) fails in start', async (exitCode, stderr, type, origin) => {
    const { record } = await fixture.run({
      exec: ({ script }) => (script.startsWith('uid=') ? { exitCode, stderr } : undefined),
    });
    expect(record.exception).toMatchObject({
      type,
      phase: 'start',
      origin,
      message: expect.stringContaining(stderr),
    });
  });
});

describe('build_timeout_sec', () => {
  test.each([
    ['prepare', 'prepare_image', 'task'],
    ['create', 'create', 'provider'],
    ['exec', 'start', 'provider'],
  ] as const)('that ends in %s is EnvironmentStartTimeoutError of phase %s', async (kind, phase, origin) => {
    await toml('[environment]\nbuild_timeout_sec = 0.4\n');
    let aborted: unknown = null;
    const { record, provider } = await fixture.run({
      before: async (call, signal) => {
        if (call.kind !== kind) return;
        signal.addEventListener('abort', () => {
          aborted = signal.reason;
        });
        await hang();
      },
    });
    expect(record).toMatchObject({
      outcome: 'error',
      exception: {
        type: 'EnvironmentStartTimeoutError',
        phase,
        origin,
        message: expect.stringMatching(
          new RegExp(`not ready after 0\\.\\d+ s \\(limit 0\\.4 s\\): still in ${phase}, last state: `),
        ),
      },
    });
    expect(aborted).toBeInstanceOf(EnvironmentStartTimeoutError);
    expect(record.phases.find(({ name }) => name === phase)).toMatchObject({ limit_sec: 0.4 });
    expect(provider.live).toEqual([]);
  });

  test('names the last state of the provider', async () => {
    await toml('[environment]\nbuild_timeout_sec = 0.4\n');
    const { record, events } = await fixture.run({ before: ({ kind }) => (kind === 'exec' ? hang() : undefined) });
    expect(record.exception).toMatchObject({
      provider_state: 'created',
      message: expect.stringContaining('last state: created'),
    });
    expect(events.filter(({ type }) => type === 'provider_state')).toMatchObject([
      { phase: 'prepare_image', state: 'prepared' },
      { phase: 'create', state: 'created' },
    ]);
  });

  test('is one clock for the three phases', async () => {
    await toml('[environment]\nbuild_timeout_sec = 5\n');
    let now = 0;
    const clock = { wall: () => now, monotonic: () => now, sleep: async () => undefined };
    const { record } = await fixture.run(
      {
        before: ({ kind }) => {
          if (kind === 'prepare' || kind === 'create') now += 2600;
        },
      },
      { clock },
    );
    expect(record.exception).toMatchObject({
      type: 'EnvironmentStartTimeoutError',
      phase: 'start',
      message: expect.stringContaining('after 5.2 s (limit 5 s)'),
    });
  });

  test('does not count the wait for a turn at the provider, which the phase shows', async () => {
    await toml('[environment]\nbuild_timeout_sec = 0.4\n');
    const { record } = await fixture.run({ turn: () => new Promise((resolve) => setTimeout(resolve, 800)) });
    expect(record.outcome).toBe('pass');
    const create = record.phases.find(({ name }) => name === 'create');
    expect(create?.queued_sec).toBeGreaterThan(0.7);
    expect(create?.duration_sec).toBeGreaterThan(0.7);
    expect(record.phases.filter(({ queued_sec }) => queued_sec !== undefined)).toHaveLength(1);
  });

  test.each(['0', '-1', 'nan'])('of %s has expired before it began', async (limit) => {
    await toml(`[environment]\nbuild_timeout_sec = ${limit}\n`);
    const { record, provider } = await fixture.run();
    expect(record.exception).toMatchObject({ type: 'EnvironmentStartTimeoutError', phase: 'prepare_image' });
    expect(provider.calls).toEqual([]);
  });

  test('is multiplied', async () => {
    await toml('[environment]\nbuild_timeout_sec = 10\n');
    const { record } = await fixture.run(
      {},
      { settings: { timeoutMultiplier: 3, environmentBuildTimeoutMultiplier: 2 } },
    );
    expect(record.phases.find(({ name }) => name === 'create')?.limit_sec).toBe(20);
  });

  test('of a shared build that expired by its own clock is in one group with those that expired by the trial’s', async () => {
    await toml('[environment]\nbuild_timeout_sec = 0.4\n');
    const shared = await fixture.run({
      before: ({ kind }) => {
        if (kind === 'prepare') throw new EnvironmentStartTimeoutError('the image was not ready after 0.4 s');
      },
    });
    const own = await fixture.run({ before: ({ kind }) => (kind === 'prepare' ? hang() : undefined) });
    expect(shared.record.exception).toMatchObject({
      type: 'EnvironmentStartTimeoutError',
      phase: 'prepare_image',
      origin: 'task',
      fingerprint: own.record.exception?.fingerprint,
      cause: [{ type: 'EnvironmentStartTimeoutError', message: 'the image was not ready after 0.4 s' }],
    });
  });

  test('a foreign TimeoutError is not relabelled', async () => {
    const { record } = await fixture.run({
      before: ({ kind }) => {
        if (kind === 'create') throw new DOMException('sdk gave up', 'TimeoutError');
      },
    });
    expect(record.exception).toMatchObject({
      type: 'HarnessError',
      phase: 'create',
      cause: [{ type: 'TimeoutError' }],
    });
  });
});

test('a trial directory that cannot be written is an exception of the record, not a crash', async () => {
  await fixture.file('../blocked', 'a file');
  await chmod(join(fixture.taskDir, '../blocked'), 0o444);
  const dir = join(fixture.taskDir, '../blocked/trial');
  const { record } = await fixture.run({}, { dir });
  expect(record).toMatchObject({ outcome: 'error', exception: { type: 'HarnessError', phase: 'load' } });
});
