/** The package registry behind a proxy: its host is known to the proxy alone. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startHarborRegistry } from '../../emulator/harbor-registry/server.js';
import { packageFiles, publishPackage } from '../../testing/harbor-packages.js';
import { startProxy } from '../../testing/proxy.js';
import { temporaryDirectory } from '../../testing/task-directory.js';
import { resolveSelection } from './resolve-selection.js';

async function setUp(credentials: string) {
  const registry = await startHarborRegistry();
  onTestFinished(() => registry.close());
  const task = `acme/t@${publishPackage(registry, 'acme/t', packageFiles('acme/t', {}))}`;
  registry.publishDataset({ org: 'acme', name: 'set', tasks: [task] });
  const { port } = new URL(registry.url);
  const proxy = await startProxy({
    route: (host) => (host === 'hub.plumbline.test' ? Number(port) : null),
    credentials,
  });
  onTestFinished(() => proxy.close());
  return proxy;
}

function resolve(env: Record<string, string>) {
  const cacheDir = join(temporaryDirectory(), 'cache');
  mkdirSync(cacheDir);
  return resolveSelection({
    paths: [],
    datasets: ['acme/set'],
    tasks: [],
    filters: { include: [], exclude: [], limit: null },
    cacheDir,
    cwd: cacheDir,
    env: { HARBOR_SUPABASE_URL: 'http://hub.plumbline.test', ...env },
    http: { retryDelaysMs: [] },
  });
}

test('tables and packages come through the proxy', async () => {
  const proxy = await setUp('me:secret');
  const { tasks } = await resolve({ HTTP_PROXY: proxy.url.replace('//', '//me:secret@') });
  expect(tasks.map(({ ok }) => ok)).toEqual([true]);
  expect(new Set(proxy.requests.map(({ target, status }) => `${target} ${status}`))).toEqual(
    new Set(['hub.plumbline.test:80 200']),
  );
});

test('a proxy that wants other credentials is named without them, and asked once', async () => {
  const proxy = await setUp('me:secret');
  await expect(resolve({ HTTP_PROXY: proxy.url.replace('//', '//me:wrong@') })).rejects.toMatchObject({
    name: 'DatasetError',
    message: expect.stringContaining(`the proxy ${proxy.url} (HTTP_PROXY) wants other credentials: 407`),
    fix: 'give the proxy’s URL its user and password',
  });
  expect(proxy.requests).toHaveLength(1);
});

test('a proxy that is not there is named', async () => {
  const proxy = await setUp('me:secret');
  await proxy.close();
  const failed = resolve({ HTTP_PROXY: proxy.url.replace('//', '//me:secret@') });
  await expect(failed).rejects.toThrow(`the proxy ${proxy.url} (HTTP_PROXY) cannot be reached: `);
  await expect(failed).rejects.not.toThrow('secret');
});

test('NO_PROXY is obeyed', async () => {
  const proxy = await setUp('me:secret');
  await expect(resolve({ HTTP_PROXY: proxy.url, NO_PROXY: '*.plumbline.test' })).rejects.toThrow('hub.plumbline.test');
  expect(proxy.requests).toEqual([]);
});
