/** The machines that the SDK builds with: not ours to name, and in the journal all the same. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PrepareContext } from '../../model/provider.js';
import { createAdaptiveLimit } from '../remote/adaptive-limit.js';
import { readConfig } from './config.js';
import { prepareImage } from './image.js';
import { createLabelStore } from './label-store.js';
import type { Sdk, SdkImages } from './sdk.js';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'plumbline-tensorlake-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Imports an image with these SDK functions. @returns what happened, in order */
async function importing(
  load: SdkImages['import'],
  remove: (id: string) => Promise<void> = async () => undefined,
  tries = 1,
) {
  const said: string[] = [];
  const sdk = {
    images: { find: async () => null, import: load },
    client: () => ({
      async delete(id: string) {
        said.push(`delete ${id}`);
        await remove(id);
      },
    }),
  } as unknown as Sdk;
  const config = readConfig({
    env: { TENSORLAKE_API_KEY: 'x' },
    stateDir: dir,
    settings: { 'tensorlake.tries': String(tries), 'tensorlake.first_pause_ms': '1' },
  });
  const { tuning } = config;
  const baseConfigs = async () => ({
    config: { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers' as const, diff_ids: [] } },
    known: true,
    digest: null,
  });
  const cloud = {
    sdk,
    config,
    store: createLabelStore(dir),
    tuning,
    policy: tuning.policy,
    creates: createAdaptiveLimit(1),
  };
  const plan = () => Promise.reject(new Error('not used'));
  const preparer = { cloud, baseConfigs, lockDir: dir, emulated: false, plan };
  const image = {
    source: { kind: 'prebuilt' as const, ref: 'debian:12' },
    compose: null,
    platform: null,
    resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
  };
  const ctx: PrepareContext = {
    signal: new AbortController().signal,
    owner: { runId: 'r', owner: 'h:1:1', expiresAt: new Date(0).toISOString() },
    forceBuild: false,
    onEvent: () => undefined,
    onLog: () => undefined,
    async announce(name) {
      said.push(`announce ${name}`);
      return async () => void said.push(`strike ${name}`);
    },
  };
  await prepareImage(preparer, image, ctx).catch((error: Error) => said.push(error.name));
  return said;
}

const MESSAGE = { type: 'status', message: 'Started builder sandbox sbx7' };

test('a builder is announced as soon as it is heard of, and struck out when it is gone', async () => {
  const said = await importing(async (_ref, _options, emit) => {
    emit(MESSAGE);
    emit(MESSAGE);
  });
  expect(said).toEqual(['announce sbx7', 'delete sbx7', 'strike sbx7']);
});

test('one that could not be deleted stays in the journal, and is tried again after the try that succeeds', async () => {
  let tries = 0;
  let refusals = 2; // both tries of the first removal
  const said = await importing(
    async (_ref, _options, emit) => {
      tries += 1;
      emit({ type: 'status', message: `Started builder sandbox sbx${tries}` });
      if (tries === 1) throw new Error('error sending request');
    },
    async () => {
      refusals -= 1;
      if (refusals >= 0) throw new Error('error sending request');
    },
    2,
  );
  expect(said).toEqual([
    'announce sbx1',
    'delete sbx1',
    'delete sbx1',
    'announce sbx2',
    'delete sbx1',
    'delete sbx2',
    'strike sbx1',
    'strike sbx2',
  ]);
});

test('that of a build that broke off is deleted, and struck out when that was answered', async () => {
  const breaks: SdkImages['import'] = async (_ref, _options, emit) => {
    emit(MESSAGE);
    throw new Error('fetch failed');
  };
  expect(await importing(breaks)).toEqual(['announce sbx7', 'delete sbx7', 'strike sbx7', 'ImagePullError']);
  const refused = await importing(breaks, async () => {
    throw new Error('error sending request');
  });
  expect(refused).toEqual(['announce sbx7', 'delete sbx7', 'ImagePullError']);
});
