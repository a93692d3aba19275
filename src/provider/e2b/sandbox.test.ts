/** What a sandbox says that it got, of a client that only pretends. */
import { expect, test } from 'vitest';
import type { SandboxSpec } from '../../model/provider.js';
import { createAdaptiveLimit } from '../remote/adaptive-limit.js';
import { createSandbox, type SandboxInput } from './sandbox.js';
import type { E2bClient, E2bSandbox } from './sdk.js';

const killed: string[] = [];

function inputWith(getInfo: () => Promise<unknown>): SandboxInput {
  const handle = { pid: 1, wait: async () => ({ exitCode: 0, stdout: '', stderr: '' }), disconnect: async () => {} };
  const created = { sandboxId: 'i1', commands: { run: async () => handle }, setTimeout: async () => {} };
  const client = {
    Sandbox: {
      create: async () => created as unknown as E2bSandbox,
      getInfo,
      kill: async (id: string) => killed.push(id),
      list: () => ({ hasNext: false }),
    },
  } as unknown as E2bClient;
  const spec = {
    name: 'box',
    env: {},
    workdir: null,
    labels: {},
    network: { mode: 'public' },
    owner: { runId: 'r', owner: 'o', expiresAt: '2030-01-01T00:00:00.000Z' },
  } as unknown as SandboxSpec;
  return {
    cloud: {
      client,
      policy: { tries: 3, firstPauseMs: 1, longestPauseMs: 1 },
      requestTimeoutMs: 1_000,
      lifetimeMs: 60_000,
      creates: createAdaptiveLimit(1),
    },
    spec,
    ctx: { signal: new AbortController().signal, onEvent: () => {} },
    image: { source: 'built', ref: 't' },
    defaults: { env: {}, workdir: '/', user: '', entrypoint: [] },
    plan: async () => {
      throw new Error('nothing is replayed');
    },
    canSetNetwork: false,
  } as unknown as SandboxInput;
}

test('effective resources are what the API says, not what was asked for', async () => {
  const sandbox = await createSandbox(inputWith(async () => ({ cpuCount: 6, memoryMB: 3072 })));
  expect(sandbox.effective).toEqual({ cpus: 6, memoryMb: 3072, storageMb: null });
});

test('what the API does not say is not known', async () => {
  const sandbox = await createSandbox(inputWith(async () => ({ cpuCount: 0 })));
  expect(sandbox.effective).toEqual({ cpus: null, memoryMb: null, storageMb: null });
});

test('a look that breaks is repeated; one that fails for good ends the create and leaves nothing', async () => {
  let looks = 0;
  const reset = () => Object.assign(new TypeError('fetch failed'), { cause: new Error('read ECONNRESET') });
  const sandbox = await createSandbox(
    inputWith(async () => {
      looks += 1;
      if (looks === 1) throw reset();
      return { cpuCount: 2, memoryMB: 512 };
    }),
  );
  expect([looks, sandbox.effective.cpus]).toEqual([2, 2]);
  const failing = createSandbox(inputWith(() => Promise.reject(reset())));
  await expect(failing).rejects.toMatchObject({ type: 'NetworkError' });
  expect(killed).toEqual(['i1']);
});
