/** Registries behind a proxy, and with a certificate of a private authority. Hosts of plumbline.test are known to the proxy alone. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { configFile } from '../../testing/canary.js';
import { type Compiled, compile } from '../../testing/compiled.js';
import { type FakeRegistry, startFakeRegistry } from '../../testing/fake-registry.js';
import { startProxy, startTlsFront, type TestProxy, type TlsFront } from '../../testing/proxy.js';
import { TEST_CA } from '../../testing/test-certificate.js';
import { webAccess } from '../../util/web.js';
import { openRegistry } from './client.js';
import { anonymous } from './credentials.js';
import { isRegistryUnreachable } from './errors.js';

const LOGIN = 'me:secret';
let registry: FakeRegistry;
let front: TlsFront;
let proxy: TestProxy;
let compiled: Compiled;

beforeAll(async () => {
  registry = await startFakeRegistry();
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...registry.add(configFile([])) };
  const manifest = 'application/vnd.oci.image.manifest.v1+json';
  registry.manifest('team/app', '1', { schemaVersion: 2, mediaType: manifest, config, layers: [] });
  const port = Number(registry.host.split(':')[1]);
  front = await startTlsFront(port);
  proxy = await startProxy({
    route: (host, asked) => (host.endsWith('plumbline.test') ? (asked === 443 ? front.port : port) : null),
    credentials: LOGIN,
  });
  compiled = await compile(['provider/remote/base-config.ts']);
});

beforeEach(() => {
  proxy.requests.length = 0;
});

afterAll(async () => {
  await compiled.close();
  await proxy.close();
  await front.close();
  await registry.close();
});

const proxyUrl = (login = LOGIN) => proxy.url.replace('//', `//${login}@`);

function open(endpoint: string, env: Record<string, string>) {
  return openRegistry(endpoint, 'team/app', { credentials: anonymous, web: webAccess(env), backoffMs: 1 });
}

async function manifestFrom(endpoint: string, env: Record<string, string>): Promise<number> {
  const client = await open(endpoint, env);
  const response = await client.get('manifests/1', { what: 'team/app:1' });
  await response.body?.cancel();
  return response.status;
}

describe('openRegistry', () => {
  test.each(['HTTP_PROXY', 'http_proxy', 'all_proxy'])('%s is obeyed', async (name) => {
    expect(await manifestFrom('http://mirror.plumbline.test', { [name]: proxyUrl() })).toBe(200);
    expect(proxy.requests.map(({ target }) => target)).toEqual(['mirror.plumbline.test:80']);
  });

  test('NO_PROXY and this machine are asked directly', async () => {
    const env = { HTTP_PROXY: proxyUrl(), NO_PROXY: 'plumbline.test' };
    const failed = await manifestFrom('http://mirror.plumbline.test', env).catch((error: unknown) => error);
    expect(isRegistryUnreachable(failed)).toBe(true);
    expect(await manifestFrom(registry.host, env)).toBe(200);
    expect(proxy.requests).toEqual([]);
  });

  test.each(['http', 'https'])('a proxy that wants other credentials is no missing registry (%s)', async (scheme) => {
    const asked = manifestFrom(`${scheme}://mirror.plumbline.test`, { ALL_PROXY: proxyUrl('me:wrong') });
    const failed = await asked.catch((error: unknown) => error);
    expect(failed).toMatchObject({
      type: 'ImagePullError',
      retryable: false,
      message: `The registry mirror.plumbline.test was not asked: the proxy ${proxy.url} (ALL_PROXY) wants other credentials: 407.`,
    });
    expect(isRegistryUnreachable(failed)).toBe(false);
    expect(proxy.requests).toHaveLength(1);
  });

  test('a proxy that is not there, and one that does not get through, are a registry that cannot be reached', async () => {
    const gone = await startProxy({ route: () => null });
    const through = await manifestFrom('https://far.test', { HTTPS_PROXY: gone.url }).catch((error: unknown) => error);
    await gone.close();
    const dead = await manifestFrom('https://far.test', { HTTPS_PROXY: gone.url }).catch((error: unknown) => error);
    expect([through, dead].map(isRegistryUnreachable)).toEqual([true, true]);
    const named = `The registry far.test cannot be reached: the proxy ${gone.url} (HTTPS_PROXY)`;
    expect((through as Error).message).toBe(`${named} does not connect to far.test: 502.`);
    expect((dead as Error).message).toContain(`${named} cannot be reached: `);
  });

  test('a proxy that cannot be used is an error', async () => {
    await expect(manifestFrom('https://far.test', { HTTPS_PROXY: 'socks5://127.0.0.1:1' })).rejects.toMatchObject({
      type: 'ImagePullError',
      message: expect.stringContaining('HTTPS_PROXY: only http:// and https:// proxies'),
    });
  });
});

describe('a private authority', () => {
  const program = `
    import { createBaseConfigs } from './provider/remote/base-config.js';
    const look = createBaseConfigs(process.env)('registry.plumbline.test/team/app:1', 'linux/amd64', AbortSignal.timeout(20000));
    const answer = await look.then(({ known }) => ({ known }), ({ type, message }) => ({ type, message }));
    console.log(JSON.stringify(answer));
    process.exit(0);
  `;

  test('NODE_EXTRA_CA_CERTS is enough', async () => {
    const ca = join(compiled.dir, 'ca.pem');
    await writeFile(ca, TEST_CA);
    const env = { HTTPS_PROXY: proxyUrl(), NODE_EXTRA_CA_CERTS: ca, HOME: compiled.dir };
    expect(await compiled.run(program, env)).toEqual({ known: true });
    expect(proxy.requests.map(({ method, target }) => `${method} ${target}`)).toContain(
      'CONNECT registry.plumbline.test:443',
    );
  });

  test('without it the error says so', async () => {
    expect(await compiled.run(program, { HTTPS_PROXY: proxyUrl(), HOME: compiled.dir })).toEqual({
      type: 'ImagePullError',
      message:
        'The certificate of the registry registry.plumbline.test is not trusted: set NODE_EXTRA_CA_CERTS to a file with the certificate of its authority.',
    });
  });
});
