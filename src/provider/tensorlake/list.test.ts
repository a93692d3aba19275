/** Whose a sandbox is, from three sources: our notes, the file inside it, its name. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ownerLabels } from '../labels.js';
import { createAdaptiveLimit } from '../remote/adaptive-limit.js';
import type { Cloud } from './calls.js';
import { readConfig } from './config.js';
import { createLabelStore, labelsText } from './label-store.js';
import { destroyRef, listOurs } from './list.js';
import { sandboxName } from './names.js';
import type { Sdk, SdkSandboxInfo } from './sdk.js';

const EXPIRY = '2031-02-03T04:05:06.000Z';
const mine = { runId: 'run-1', owner: 'here:1:1', expiresAt: EXPIRY };
const theirs = { runId: 'run-2', owner: 'there:2:2', expiresAt: EXPIRY };

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'plumbline-labels-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A cloud of sandboxes by id; `inside` are the labels files that can be read. */
function cloud(sandboxes: Record<string, Partial<SdkSandboxInfo>>, inside: Record<string, string> = {}) {
  const known = new Map(
    Object.entries(sandboxes).map(([id, info]): [string, SdkSandboxInfo] => [
      id,
      { sandboxId: id, status: 'running', resources: {}, ...info },
    ]),
  );
  const gone = () => Object.assign(new Error('Sandbox not found'), { name: 'SandboxNotFoundError' });
  const sdk = {
    client: () => ({
      list: async () => [...known.values()].slice(0, 100),
      async get(idOrName: string) {
        const info = [...known.values()].find((each) => each.sandboxId === idOrName || each.name === idOrName);
        if (info === undefined) throw gone();
        return info;
      },
      async delete(id: string) {
        if (!known.delete(id)) throw gone();
      },
    }),
    async connect(id: string) {
      return {
        async readFile() {
          const text = inside[id];
          if (text === undefined) throw new Error('no such file');
          return Buffer.from(text);
        },
      };
    },
  } as unknown as Sdk;
  const config = readConfig({ env: {}, stateDir: dir });
  const { tuning } = config;
  const store = createLabelStore(dir);
  const at: Cloud = { sdk, config, store, tuning, policy: tuning.policy, creates: createAdaptiveLimit(1) };
  return { at, known };
}

test('owners come from our notes, else from inside, else only the expiry from the name', async () => {
  const [one, two, three] = ['one', 'two', 'three'].map((name) => sandboxName(name, EXPIRY));
  const { at } = cloud(
    {
      s1: { name: one ?? '' },
      s2: { name: two ?? '' },
      s3: { name: three ?? '', status: 'suspended' },
      other: { name: 'somebody-elses' },
      builder: {},
    },
    { s2: labelsText(theirs, {}) },
  );
  await at.store.put(one ?? '', ownerLabels(mine));
  const all = await listOurs(at, 'all');
  expect(all).toEqual([
    { ref: 's1', kind: 'sandbox', ...mine, state: 'running' },
    { ref: 's2', kind: 'sandbox', ...theirs, state: 'running' },
    { ref: 's3', kind: 'sandbox', runId: 'unknown', owner: 'unknown:0:0', expiresAt: EXPIRY, state: 'suspended' },
  ]);
  expect((await listOurs(at, { runId: 'run-2' })).map(({ ref }) => ref)).toEqual(['s2']);
});

test('destroy takes an id or the name of the spec, and forgets the notes; nothing of others is touched', async () => {
  const name = sandboxName('one', EXPIRY);
  const { at, known } = cloud({ s1: { name }, other: { name: 'one' } });
  await at.store.put(name, ownerLabels(mine));
  await destroyRef(at, { ref: 'one', kind: 'sandbox', ...mine, state: 'journaled' });
  expect([...known.keys()]).toEqual(['other']);
  expect(await at.store.names()).toEqual([]);
  await destroyRef(at, { ref: 'never-was', kind: 'sandbox', ...mine, state: 'journaled' });
});

test('behind a full page those of this machine are found by their names; the rest of the run is not cut off', async () => {
  const names = Array.from({ length: 101 }, (_, index) => sandboxName(`t${index}`, EXPIRY));
  const { at } = cloud(Object.fromEntries(names.map((name, index) => [`s${index}`, { name }])));
  for (const name of names) await at.store.put(name, ownerLabels(mine));
  await at.store.put(sandboxName('gone', EXPIRY), ownerLabels(mine));
  const refs = await listOurs(at, { runId: 'run-1' });
  expect(refs.map(({ ref }) => ref).sort()).toEqual(names.map((_, index) => `s${index}`).sort());
});
