import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBaselines } from './gate-options.js';
import { UsageError } from './usage-error.js';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-baselines-'));
  const file = { schema_version: 1, provider: 'e2b', run: {}, tasks: { a: 'pass' } };
  await writeFile(join(dir, 'e2b.json'), JSON.stringify(file));
  await writeFile(join(dir, 'e2b-emulated.json'), JSON.stringify({ ...file, emulated: true, tasks: { a: 'fail' } }));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const read = (files: string[], emulated: boolean) => readBaselines(files, dir, [{ name: 'e2b', emulated }]);

describe('baselines', () => {
  test.each([false, true])('of both kinds, the one of this kind counts (emulated: %s)', async (emulated) => {
    const known = { e2b: { a: emulated ? 'fail' : 'pass' } };
    expect(await read(['e2b.json', 'e2b-emulated.json'], emulated)).toEqual(known);
    expect(await read(['e2b-emulated.json', 'e2b.json'], emulated)).toEqual(known);
  });

  test.each([
    ['e2b-emulated.json', false, 'is of an emulator of e2b, and this run has the service itself'],
    ['e2b.json', true, 'is of e2b itself, and this run has an emulator of it'],
  ])('%s alone does not judge a run of the other kind', async (file, emulated, why) => {
    await expect(read([file], emulated)).rejects.toThrow(`the baseline ${file} ${why}`);
    await expect(read([file], emulated)).rejects.toBeInstanceOf(UsageError);
  });

  test('of a provider that takes no part is left out', async () => {
    expect(await readBaselines(['e2b.json'], dir, [{ name: 'docker', emulated: false }])).toEqual({});
  });

  test('a provider that was not used is of neither kind', async () => {
    const skipped = { name: 'e2b', emulated: false, status: 'skipped' };
    expect(await readBaselines(['e2b-emulated.json'], dir, [skipped])).toEqual({});
  });
});
