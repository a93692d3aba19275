/** The emulator as the real SDK sees it, on a backend that only pretends. */
import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { modalConfig } from '../../provider/modal/config.js';
import { loadModal, type ModalClient, type ModalImage } from '../../provider/modal/sdk.js';
import {
  createFakeProvider,
  type FakeHandler,
  type FakeProvider,
  type FakeProviderOptions,
} from '../../testing/fake-provider.js';
import type { ScriptedFault } from '../core/faults.js';
import type { RunningEmulator } from '../core/types.js';
import { startModalEmulator } from './index.js';

const CREATE = {
  command: ['sh', '-c', 'sleep infinity'],
  name: 'one',
  tags: {},
  env: {},
  timeoutMs: 60_000,
  idleTimeoutMs: 60_000,
};

interface World {
  readonly client: ModalClient;
  readonly emulator: RunningEmulator;
  readonly backend: FakeProvider;
  readonly app: { readonly appId: string };
  image(): Promise<ModalImage>;
}

let open: RunningEmulator | null = null;

async function world(options: FakeProviderOptions = {}, faults: readonly ScriptedFault[] = []): Promise<World> {
  const backend = createFakeProvider(options);
  const emulator = await startModalEmulator({ backend, faults });
  open = emulator;
  const settings = { 'modal.request_timeout_ms': '5000' };
  const client = await loadModal(modalConfig({ env: emulator.env, stateDir: '/nowhere', settings }).connection);
  const app = await client.apps.fromName('plumbline', { createIfMissing: true });
  return {
    client,
    emulator,
    backend,
    app,
    image: async () => client.images.fromId(await build(client, app.appId, 'FROM a')),
  };
}

async function build(client: ModalClient, appId: string, ...dockerfileCommands: string[]): Promise<string> {
  const request = { appId, builderVersion: '2025.06', forceBuild: false, image: { dockerfileCommands } };
  const { imageId } = await client.cpClient.imageGetOrCreate(request);
  const join = { imageId, timeout: 5, lastEntryId: '', includeLogsForFinished: true };
  for await (const part of client.cpClient.imageJoinStreaming(join)) {
    if (part.result !== undefined && part.result.status > 1) throw new Error(part.result.exception);
  }
  return imageId;
}

async function output(stream: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** A command that prints while it runs. */
const says =
  (text: string): FakeHandler =>
  ({ options }) => {
    options.onOutput?.('stdout', Buffer.from(text));
    return {};
  };

const list = async ({ client, app }: World, tags: { tagName: string; tagValue: string }[] = []) =>
  (await client.cpClient.sandboxListV2({ appId: app.appId, beforeTimestamp: 0, tags })).sandboxes;

const resultOf = async ({ client }: World, sandboxId: string, timeout = 10) =>
  (await client.cpClient.sandboxWaitV2({ sandboxId, timeout })).result;

afterEach(async () => {
  await open?.close();
  open = null;
});

describe('account and images', () => {
  test('a wrong token is refused', async () => {
    const { emulator } = await world();
    const env = { ...emulator.env, MODAL_TOKEN_SECRET: 'as-wrong' };
    const client = await loadModal(modalConfig({ env, stateDir: '/nowhere' }).connection);
    await expect(client.apps.fromName('plumbline', { createIfMissing: true })).rejects.toMatchObject({ code: 16 });
  });

  test('an image is its definition: built once for all who ask for the same', async () => {
    const { client, app, backend } = await world();
    const first = await build(client, app.appId, 'FROM a', 'RUN b');
    expect(await build(client, app.appId, 'FROM a', 'RUN b')).toBe(first);
    expect(await build(client, app.appId, 'FROM a', 'RUN c')).not.toBe(first);
    expect(backend.calls.filter((call) => call.kind === 'prepare')).toHaveLength(2);
  });

  test('a lone FROM is the published image', async () => {
    const { image, backend } = await world();
    await image();
    expect(backend.calls[0]?.image?.source).toEqual({ kind: 'prebuilt', ref: 'a' });
  });

  test('the log comes while it is built, and again for who asks later', async () => {
    const { client, app } = await world({ buildLog: 'step 1\n' });
    const imageId = await build(client, app.appId, 'FROM a');
    const logs: string[] = [];
    const join = { imageId, timeout: 5, lastEntryId: '', includeLogsForFinished: true };
    for await (const part of client.cpClient.imageJoinStreaming(join))
      logs.push(...part.taskLogs.map(({ data }) => data));
    expect(logs).toEqual(['step 1\n']);
  });

  test('a build that fails is told, and tried again when it is asked for again', async () => {
    let failures = 0;
    const { client, app } = await world({
      before: (call) => {
        if (call.kind !== 'prepare' || failures > 0) return;
        failures += 1;
        throw new Error('exit status 17');
      },
    });
    await expect(build(client, app.appId, 'FROM a')).rejects.toThrow('exit status 17');
    await expect(build(client, app.appId, 'FROM a')).resolves.toMatch(/^im-/);
  });

  test('files of a mount must have been sent with the hash that they have', async () => {
    const { client } = await world();
    const put = client.cpClient.mountPutFile({ sha256Hex: '0'.repeat(64), data: Buffer.from('x') });
    await expect(put).rejects.toMatchObject({ code: 3 });
  });
});

describe('sandboxes', () => {
  test('a name is taken while its sandbox lives', async () => {
    const it = await world();
    const image = await it.image();
    const first = await it.client.sandboxes.create(it.app, image, CREATE);
    await expect(it.client.sandboxes.create(it.app, image, CREATE)).rejects.toMatchObject({
      name: 'AlreadyExistsError',
    });
    await it.client.cpClient.sandboxTerminateV2({ sandboxId: first.sandboxId });
    await expect(it.client.sandboxes.create(it.app, image, CREATE)).resolves.toHaveProperty('sandboxId');
    await expect.poll(() => it.backend.live.length).toBe(1);
  });

  test('the list shows what runs and carries all the tags', async () => {
    const it = await world();
    const image = await it.image();
    const create = (name: string, tags: Record<string, string>) =>
      it.client.sandboxes.create(it.app, image, { ...CREATE, name, tags });
    const [a, b] = [await create('a', { run: '1', owner: 'x' }), await create('b', { run: '1', owner: 'y' })];
    const gone = await create('c', { run: '1', owner: 'x' });
    await it.client.cpClient.sandboxTerminateV2({ sandboxId: gone.sandboxId });
    expect((await list(it)).map(({ id }) => id)).toEqual([b.sandboxId, a.sandboxId]);
    const tags = [
      { tagName: 'run', tagValue: '1' },
      { tagName: 'owner', tagValue: 'x' },
    ];
    expect((await list(it, tags)).map(({ id }) => id)).toEqual([a.sandboxId]);
  });

  test.for([
    ['its lifetime', { timeoutMs: 1_000 }, 4],
    ['idleness', { idleTimeoutMs: 1_000 }, 7],
  ] as const)('%s ends it', async ([, limits, status]) => {
    const it = await world();
    const { sandboxId } = await it.client.sandboxes.create(it.app, await it.image(), { ...CREATE, ...limits });
    expect(await resultOf(it, sandboxId, 0)).toBeUndefined();
    expect(await resultOf(it, sandboxId)).toMatchObject({ status });
    await expect.poll(() => it.backend.live.length).toBe(0);
  });

  test('one that could not be booted says why', async () => {
    const it = await world({
      before: (call) => {
        if (call.kind === 'create') throw new Error('no room');
      },
    });
    const { sandboxId } = await it.client.sandboxes.create(it.app, await it.image(), CREATE);
    expect(await resultOf(it, sandboxId)).toMatchObject({ status: 5, exception: expect.stringContaining('no room') });
  });

  test('what the harness asks for reaches the backend', async () => {
    const it = await world();
    const params = { ...CREATE, cpu: 1.5, cpuLimit: 1.5, memoryMiB: 512, memoryLimitMiB: 512, env: { A: 'b' } };
    await it.client.sandboxes.create(it.app, await it.image(), { ...params, blockNetwork: true });
    await expect.poll(() => it.backend.sandboxes.length).toBe(1);
    const spec = it.backend.sandboxes[0]?.spec;
    expect(spec?.resources).toMatchObject({ cpus: 1.5, memoryMb: 512 });
    expect(spec?.env).toMatchObject({ A: 'b', MODAL_SANDBOX_ID: expect.stringMatching(/^sb-/) });
    expect(spec?.network).toEqual({ mode: 'no-network' });
  });

  test('its main process is root’s, whatever USER the image names', async () => {
    const it = await world();
    await it.client.sandboxes.create(it.app, await it.image(), CREATE);
    await expect.poll(() => it.backend.sandboxes.length).toBe(1);
    const { source } = it.backend.sandboxes[0]?.spec.image.spec ?? {};
    if (source?.kind !== 'dockerfile') throw new Error(`it runs ${JSON.stringify(source)}`);
    expect(await readFile(source.dockerfile, 'utf8')).toBe('FROM fake:a\nUSER root\n');
  });

  test('closing the emulator leaves nothing on the backend', async () => {
    const it = await world();
    await it.client.sandboxes.create(it.app, await it.image(), CREATE);
    await expect.poll(() => it.backend.sandboxes.length).toBe(1);
    await it.emulator.close();
    expect(it.backend.live).toEqual([]);
  });
});

describe('commands', () => {
  const run = async (it: World, options: { timeoutMs?: number } = {}) => {
    const sandbox = await it.client.sandboxes.create(it.app, await it.image(), CREATE);
    return { sandbox, process: await sandbox.exec(['do', 'it'], { mode: 'binary', workdir: '/w', ...options }) };
  };

  test('run as root in the given directory, whatever the image says', async () => {
    const it = await world({ exec: () => ({ exitCode: 0 }) });
    const { process } = await run(it, { timeoutMs: 3_000 });
    await output(process.stdout);
    const call = it.backend.calls.find(({ kind }) => kind === 'exec');
    expect([call?.argv, call?.options]).toEqual([
      ['do', 'it'],
      expect.objectContaining({ user: 'root', cwd: '/w', timeoutMs: 3_000 }),
    ]);
  });

  test.for([
    [{ exitCode: 0 }, 0],
    [{ exitCode: 7 }, 7],
    [{ exitCode: 137, signal: 'SIGKILL' }, 137],
    [{ exitCode: null, timedOut: true }, 137],
  ] as const)('%o ends as %i', async ([reply, code]) => {
    const it = await world({ exec: () => reply });
    const { process } = await run(it);
    await output(process.stdout);
    await expect.poll(() => process._poll()).toBe(code);
  });

  test.for(['truncate', 'reset-after', 'reset-before'] as const)(
    'output goes on where a %s has cut it',
    async (kind) => {
      const text = 'x'.repeat(700_000);
      const faults = [{ call: 'TaskExecStdioRead', occurrence: 1, fault: { kind } }];
      const it = await world({ exec: says(`${text}end`) }, faults);
      const { process } = await run(it);
      expect((await output(process.stdout)) === `${text}end`).toBe(true);
      expect(it.emulator.calls.fired).toBe(1);
    },
  );

  test('a start that comes twice starts once', async () => {
    const faults = [{ call: 'TaskExecStart', occurrence: 1, fault: { kind: 'reset-after' as const } }];
    const it = await world({ exec: says('once') }, faults);
    const { process } = await run(it);
    expect(await output(process.stdout)).toBe('once');
    expect(it.backend.calls.filter(({ kind }) => kind === 'exec')).toHaveLength(1);
  });

  test('after the end of the sandbox every command is refused as unknown', async () => {
    const it = await world({ exec: () => ({}) });
    const { sandbox } = await run(it);
    await it.client.cpClient.sandboxTerminateV2({ sandboxId: sandbox.sandboxId });
    await expect(sandbox.exec(['x'], { mode: 'binary', workdir: '/' })).rejects.toMatchObject({ code: 5 });
  });
});
