/** ADD of a URL that only a proxy knows: fetched here, for builders that cannot. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startProxy } from '../../testing/proxy.js';
import { webAccess } from '../../util/web.js';
import { usualConfig } from './base-config.js';
import { planDockerfile } from './image-plan.js';

async function setUp(body: string | Buffer = 'a file', keyword = 'ADD') {
  const server = createServer((_, response) => response.end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy({
    route: (host) => (host === 'files.plumbline.test' ? port : null),
    credentials: 'me:pw',
  });
  const dir = await mkdtemp(join(tmpdir(), 'plumbline-add-'));
  const dockerfile = join(dir, 'Dockerfile');
  await writeFile(dockerfile, `FROM debian:bookworm-slim\n${keyword} http://files.plumbline.test/data /data\n`);
  onTestFinished(async () => {
    await proxy.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true });
  });
  const plan = (env: Record<string, string>) =>
    planDockerfile({
      contextDir: dir,
      dockerfile,
      platform: 'linux/amd64',
      baseConfigs: async (_ref, platform) => ({ config: usualConfig(platform), known: true, digest: null }),
      web: webAccess(env),
      signal: AbortSignal.timeout(10_000),
      tmp: dir,
      filesOf: async () => {
        throw new Error('no stage is copied from');
      },
    });
  return { plan, proxy };
}

test('comes through the proxy', async () => {
  const { plan, proxy } = await setUp();
  const { steps } = await plan({ HTTP_PROXY: proxy.url.replace('//', '//me:pw@') });
  expect(steps.map(({ archives }) => archives.length)).toEqual([1]);
  expect(proxy.requests).toEqual([{ method: 'GET', target: 'files.plumbline.test:80', status: 200 }]);
});

test('a fetched archive is a file like any other', async () => {
  const { plan, proxy } = await setUp(execFileSync('tar', ['-c', '-C', '/', 'etc/passwd']));
  const { steps } = await plan({ HTTP_PROXY: proxy.url.replace('//', '//me:pw@') });
  const [archive] = steps[0]?.archives ?? [];
  expect(execFileSync('tar', ['-tf', archive?.hostPath ?? '']).toString()).toBe('f\n');
});

test('COPY takes no URL', async () => {
  const { plan } = await setUp('a file', 'COPY');
  await expect(plan({})).rejects.toThrow(
    "Dockerfile:2: COPY http://files.plumbline.test/data /data: source can't be a URL for COPY",
  );
});

test('a proxy that refuses is named without its credentials', async () => {
  const { plan, proxy } = await setUp();
  const refused = plan({ HTTP_PROXY: proxy.url.replace('//', '//me:wrong@') });
  await expect(refused).rejects.toMatchObject({
    type: 'NetworkError',
    message: expect.stringContaining(`the proxy ${proxy.url} (HTTP_PROXY) wants other credentials: 407`),
  });
});
