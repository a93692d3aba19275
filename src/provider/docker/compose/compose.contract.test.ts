/** Compose tasks on a real engine: the contract's checks in `main` of a project, and what only a project has. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { ImageSpec, PreparedImage } from '../../../model/image.js';
import type { Owner, PrepareContext, Sandbox, SandboxProvider, SandboxSpec } from '../../../model/provider.js';
import { CONTRACT_IMAGE, describeContract } from '../../../testing/contract.js';
import { sample } from '../../../testing/sample.js';
import { CONTRACT_CHECKS } from '../../checks/index.js';
import { currentOwner } from '../../owner.js';
import { createDockerProvider } from '../index.js';

const PROJECT = join(import.meta.dirname, 'testdata/project');
const STATE = join(tmpdir(), 'plumbline-docker-contract');
const SPEC: ImageSpec = {
  ...CONTRACT_IMAGE,
  compose: { file: join(PROJECT, 'docker-compose.yaml'), projectDir: PROJECT },
};

const provider: SandboxProvider = createDockerProvider({ env: process.env, stateDir: STATE });
const preflight = await provider.preflight(AbortSignal.timeout(30_000));
const skip = preflight.status === 'missing' || !provider.capabilities.compose;

/** What differs most in a project. The rest goes through the same code as in a plain container. */
const GROUPS = /^(lifecycle|network)\//;

describeContract(
  'docker, in main of a compose project',
  async () => (skip ? { skip: 'no engine with compose answers' } : provider),
  {
    image: SPEC,
    checks: sample(
      CONTRACT_CHECKS.filter((check) => GROUPS.test(check.id)),
      2,
    ),
  },
);

const owner: Owner = {
  runId: `compose-${randomBytes(4).toString('hex')}`,
  owner: currentOwner(),
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
};

function prepareContext(signal = new AbortController().signal): PrepareContext {
  return { owner, forceBuild: false, signal, onEvent: () => {}, onLog: () => {} };
}

async function text(sandbox: Sandbox, script: string, service?: string): Promise<string> {
  const result = await sandbox.exec(['sh', '-c', script], service === undefined ? {} : { service });
  expect(result.exitCode, Buffer.from(result.stderr).toString()).toBe(0);
  return Buffer.from(result.stdout).toString();
}

function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8' });
}

describe.skipIf(skip)('a compose project', () => {
  let image: PreparedImage;
  let dir = '';
  let serial = 0;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'plumbline-compose-test-'));
    image = await provider.prepare(SPEC, prepareContext());
  }, 600_000);

  afterAll(() => rm(dir, { recursive: true, force: true }));

  function specOf(overrides: Partial<SandboxSpec> = {}): SandboxSpec {
    serial += 1;
    return {
      name: `${owner.runId}-${serial}`,
      image,
      owner,
      labels: {},
      resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
      env: {},
      workdir: null,
      network: { mode: 'public' },
      networkWillChange: false,
      raw: false,
      ...overrides,
    };
  }

  async function make(overrides: Partial<SandboxSpec> = {}): Promise<Sandbox> {
    const sandbox = await provider.create(specOf(overrides), {
      signal: new AbortController().signal,
      onEvent: () => {},
    });
    onTestFinished(async () => sandbox[Symbol.asyncDispose]());
    return sandbox;
  }

  async function task(composeYaml: string): Promise<ImageSpec> {
    const projectDir = await mkdtemp(join(dir, 'task-'));
    await writeFile(join(projectDir, 'docker-compose.yaml'), composeYaml);
    return { ...SPEC, compose: { file: join(projectDir, 'docker-compose.yaml'), projectDir } };
  }

  test('services are built, healthy and reachable; a one-shot service has done its work', async () => {
    const sandbox = await make({ env: { TASK_WORD: 'from the task', DOLLAR: 'a$b$$c' } });
    expect(await text(sandbox, 'printf %s "$FROM_FILE|$DOLLAR"')).toBe('yes $HOME from the task|a$b$$c');
    expect(await text(sandbox, 'getent hosts side >/dev/null && echo found')).toBe('found\n');
    expect(await text(sandbox, 'cat /word; test -e /tmp/ready', 'side')).toBe('built\n');
    expect(await sandbox.serviceLogs?.('side')).toBe('side is up\n');
    expect(await sandbox.serviceLogs?.('once')).toBe('done once\n');
    await expect(sandbox.exec(['true'], { service: 'nobody' })).rejects.toMatchObject({ name: 'ExecError' });
  });

  test('files go to and come from a sidecar, its volume and a tmpfs of main', async () => {
    const sandbox = await make();
    await writeFile(join(dir, 'file'), 'bytes');
    await sandbox.upload(join(dir, 'file'), '/kept/deep/file', { service: 'side' });
    expect(await text(sandbox, 'stat -c "%u:%g" /kept/deep/file; cat /kept/deep/file', 'side')).toBe('0:0\nbytes');
    await sandbox.upload(join(dir, 'file'), '/fleeting/deep/file');
    expect(await text(sandbox, 'cat /fleeting/deep/file')).toBe('bytes');
    await sandbox.download('/fleeting/deep', join(dir, 'from-tmpfs'));
    expect(await readFile(join(dir, 'from-tmpfs/file'), 'utf8')).toBe('bytes');
    await sandbox.download('/fleeting/deep/file', join(dir, 'from-tmpfs-file'));
    expect(await readFile(join(dir, 'from-tmpfs-file'), 'utf8')).toBe('bytes');
  });

  test('main can be stopped, and the sidecar is still read', async () => {
    const sandbox = await make();
    await sandbox.stopService?.('main');
    await sandbox.stopService?.('main');
    await expect(sandbox.exec(['true'])).rejects.toMatchObject({ name: 'SandboxLostError' });
    expect(await text(sandbox, 'cat /word', 'side')).toBe('built\n');
    await sandbox.download('/word', join(dir, 'word'), { service: 'side' });
    expect(await readFile(join(dir, 'word'), 'utf8')).toBe('built\n');
  });

  test('without network the services still see each other, by name and at 127.0.0.1, and nothing else', async () => {
    const sandbox = await make({ network: { mode: 'no-network' } });
    expect(sandbox.interventions).toContain('shared-network');
    for (const service of ['main', 'side']) {
      expect(await text(sandbox, 'getent hosts side main | cut -d " " -f 1', service)).toBe('127.0.0.1\n127.0.0.1\n');
      expect(await text(sandbox, 'tail -n +3 /proc/net/dev | cut -d : -f 1 | tr -d " "', service)).toBe('lo\n');
    }
    const listen =
      'use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(9999, INADDR_ANY)) or die; listen(S, 1); accept(C, S); print C "served\\n"';
    await text(sandbox, `setsid perl -e '${listen}' >/dev/null 2>&1 </dev/null & sleep 0.3`, 'side');
    const read =
      'use Socket; socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(9999, inet_aton("side"))) or die $!; print <S>';
    expect(await text(sandbox, `perl -e '${read}'`)).toBe('served\n');
  });

  test('containers, network and volume carry our labels and are gone after dispose, without a grace period', async () => {
    const sandbox = await make();
    const mine = ['--filter', `label=plumbline.name=${sandbox.id}`, '--format'];
    expect(
      docker('ps', '-a', ...mine, '{{.Names}}')
        .trim()
        .split('\n'),
    ).toHaveLength(3);
    expect(docker('network', 'ls', ...mine, '{{.Name}}').trim()).toBe(`${sandbox.id}_default`);
    expect(docker('volume', 'ls', ...mine, '{{.Name}}').trim()).toBe(`${sandbox.id}_kept`);
    const kinds = (await provider.list({ runId: owner.runId }))
      .filter((ref) => ref.ref.startsWith(`${sandbox.id}-`) || ref.ref.startsWith(`${sandbox.id}_`))
      .map((ref) => ref.kind);
    expect(kinds.sort()).toEqual(['container', 'container', 'container', 'network', 'volume']);
    const begin = performance.now();
    await sandbox[Symbol.asyncDispose]();
    expect(performance.now() - begin).toBeLessThan(5_000);
    for (const list of [
      ['ps', '-a'],
      ['network', 'ls'],
      ['volume', 'ls'],
    ]) {
      expect(docker(...list, ...mine, 'x')).toBe('');
    }
  });

  test('the images of services are cached by content', async () => {
    const again = await provider.prepare(SPEC, prepareContext());
    expect(again).toMatchObject({ cacheHit: true, digest: image.digest });
  });

  test('a file that is no compose file is EnvironmentDefinitionError with compose’s own words', async () => {
    const broken = await task('services:\n  main:\n    environment: [unclosed\n');
    await expect(provider.prepare(broken, prepareContext())).rejects.toMatchObject({
      name: 'EnvironmentDefinitionError',
      message: expect.stringMatching(/^docker-compose\.yaml: yaml: line \d/),
    });
    const unknown = await task('services:\n  main:\n    envronment: {A: b}\n');
    await expect(provider.prepare(unknown, prepareContext())).rejects.toMatchObject({
      message: expect.stringContaining('envronment is not allowed'),
    });
  });

  test('a demanded variable of the task is no error of prepare, and one of create when it is missing', async () => {
    const demanding = await task('services:\n  main:\n    environment:\n      A: "${TASK_WORD:?say it}"\n');
    const prepared = await provider.prepare(demanding, prepareContext());
    const sandbox = await make({ image: prepared, env: { TASK_WORD: 'said' } });
    expect(await text(sandbox, 'echo $A')).toBe('said\n');
    await expect(make({ image: prepared })).rejects.toMatchObject({
      name: 'EnvironmentDefinitionError',
      message: expect.stringContaining('say it'),
    });
  });

  test('a sidecar that is unhealthy or fails ends the create with its words, and nothing is left', async () => {
    const sick = await task(
      'services:\n  sick:\n    image: debian:bookworm-slim\n    init: true\n    command: ["sh", "-c", "echo feeling sick; sleep 100"]\n    healthcheck: {test: ["CMD", "sh", "-c", "echo fever; exit 1"], interval: 1s, retries: 1}\n',
    );
    await expect(make({ image: await provider.prepare(sick, prepareContext()) })).rejects.toMatchObject({
      name: 'HealthcheckError',
      message: expect.stringMatching(/service sick is unhealthy: fever; it wrote:\nfeeling sick/),
    });
    const failing = await task(
      'services:\n  wrong:\n    image: debian:bookworm-slim\n    command: ["sh", "-c", "echo giving up; exit 3"]\n  main:\n    depends_on: {wrong: {condition: service_completed_successfully}}\n',
    );
    await expect(make({ image: await provider.prepare(failing, prepareContext()) })).rejects.toMatchObject({
      name: 'SandboxCreateError',
      origin: 'task',
      message: expect.stringMatching(/service wrong ended with status 3; it wrote:\ngiving up/),
    });
    const late = await task(
      'services:\n  late:\n    image: debian:bookworm-slim\n    command: ["sh", "-c", "sleep 0.4; exit 5"]\n',
    );
    await expect(make({ image: await provider.prepare(late, prepareContext()) })).rejects.toMatchObject({
      name: 'SandboxCreateError',
      message: expect.stringContaining('service late ended with status 5'),
    });
    const left = (await provider.list({ runId: owner.runId })).filter((ref) => ref.ref.includes(`-${serial}`));
    expect(left).toEqual([]);
  });

  test('a project that defines main itself needs no Dockerfile of the task', async () => {
    const own = await task('services:\n  main:\n    image: debian:bookworm-slim\n');
    const prepared = await provider.prepare({ ...own, source: null }, prepareContext());
    const sandbox = await make({ image: prepared });
    expect(await text(sandbox, 'tr "\\0" " " < /proc/1/cmdline; echo alive')).toContain('alive\n');
  });
});
