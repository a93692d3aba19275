/** What a user is told about a provider's npm package before anything runs. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { ProviderAuthError } from '../../exception/errors.js';
import { type PreflightInput, remotePreflight } from './preflight.js';
import { installedVersion, pinnedVersion } from './sdk-package.js';

const ROOT = join(import.meta.dirname, '../../..');
const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
const PACKAGES = ['tensorlake', 'modal', '@daytona/sdk', 'e2b'] as const;

const input = (more: Partial<PreflightInput>): PreflightInput => ({
  package: 'e2b',
  missing: null,
  keys: 'E2B_API_KEY',
  address: 'E2B_API_URL',
  url: 'http://127.0.0.1:9',
  env: {},
  look: async () => undefined,
  mapError: () => new ProviderAuthError('refused'),
  ...more,
});
const ask = (more: Partial<PreflightInput>) => remotePreflight(input(more), new AbortController().signal);

describe.each(PACKAGES)('%s', (name) => {
  test('ready names the version that is installed', async () => {
    const answer = await ask({ package: name });
    expect(answer).toEqual({
      status: 'ready',
      versions: { [name]: json(`node_modules/${name}/package.json`).version },
    });
  });

  test('what to install has the version that this was written for', async () => {
    const { optionalDependencies, peerDependencies } = json('package.json');
    const pinned = optionalDependencies[name] ?? peerDependencies[name];
    expect(pinned).toMatch(/^\d+\.\d+\.\d+$/);
    const look = () =>
      Promise.reject(Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' }));
    expect(await ask({ package: name, look })).toEqual({
      status: 'missing',
      what: `the npm package ${name}`,
      fix: `npm install ${name}@${pinned}`,
    });
  });
});

describe('another version', () => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-sdk-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('is what is found from where the SDK is loaded, and a warning', async () => {
    const home = join(dir, 'node_modules/e2b');
    await mkdir(join(home, 'dist'), { recursive: true });
    await writeFile(join(home, 'dist/index.js'), '');
    await writeFile(join(home, 'dist/package.json'), '{"type":"module"}');
    await writeFile(
      join(home, 'package.json'),
      '{"name":"e2b","version":"9.9.9","exports":{".":{"import":"./dist/index.js"}}}',
    );
    const from = pathToFileURL(join(dir, 'caller.js')).href;
    expect(await installedVersion('e2b', from)).toBe('9.9.9');
    expect(await ask({ versionOf: (name) => installedVersion(name, from) })).toEqual({
      status: 'ready',
      versions: { e2b: '9.9.9' },
      warnings: [`e2b 9.9.9 is installed; this was written for ${await pinnedVersion('e2b')}`],
    });
  });

  test('a version that cannot be told is not made up', async () => {
    const versionOf = () => Promise.reject(new Error('no package.json'));
    expect(await ask({ versionOf })).toMatchObject({ status: 'ready', versions: { e2b: 'unknown' } });
  });
});
