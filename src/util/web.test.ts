import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startProxy, type TestProxy } from '../testing/proxy.js';
import { DIRECT, webAccess } from './web.js';

let server: Server;
let port = 0;
const open: TestProxy[] = [];

beforeEach(async () => {
  server = createServer((request, response) => {
    if (request.url === '/redirect') {
      response.writeHead(302, { location: 'http://other.plumbline.test/redirected' }).end();
      return;
    }
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => response.end(`${request.method} ${request.headers.host}${request.url} ${body}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((proxy) => proxy.close()));
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function proxyOf(credentials?: string): Promise<TestProxy> {
  const route = (host: string) => (host.endsWith('plumbline.test') ? port : null);
  const proxy = await startProxy({ route, ...(credentials === undefined ? {} : { credentials }) });
  open.push(proxy);
  return proxy;
}

const withLogin = ({ url }: TestProxy, login: string) => url.replace('//', `//${login}@`);

describe('webAccess', () => {
  test('is Node’s fetch where no variable names a proxy', () => {
    expect(webAccess({ NO_PROXY: 'a.test', HTTP_PROXY: '' })).toBe(DIRECT);
  });

  test('plain HTTP goes through the proxy in absolute form, body and redirect too', async () => {
    const proxy = await proxyOf();
    const web = webAccess({ HTTP_PROXY: proxy.url });
    const sent = await web.fetch('http://api.plumbline.test/x?y=1', { method: 'POST', body: 'hello' });
    expect(await sent.text()).toBe('POST api.plumbline.test/x?y=1 hello');
    const followed = await web.fetch('http://api.plumbline.test/redirect');
    expect(await followed.text()).toBe('GET other.plumbline.test/redirected ');
    expect(proxy.requests.map(({ method, target }) => `${method} ${target}`)).toEqual([
      'POST api.plumbline.test:80',
      'GET api.plumbline.test:80',
      'GET other.plumbline.test:80',
    ]);
  });

  test('what NO_PROXY names and loopback are asked directly, after a redirect too', async () => {
    const proxy = await proxyOf();
    const web = webAccess({ http_proxy: proxy.url, no_proxy: 'other.plumbline.test' });
    await expect(web.fetch('http://other.plumbline.test/')).rejects.toMatchObject({
      cause: { code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) },
    });
    expect(await (await web.fetch(`http://127.0.0.1:${port}/near`)).text()).toContain('/near');
    expect(proxy.requests).toEqual([]);
    await expect(web.fetch('http://api.plumbline.test/redirect')).rejects.toThrow();
    expect(proxy.requests.map(({ target }) => target)).toEqual(['api.plumbline.test:80']);
  });

  test('credentials of the URL are sent', async () => {
    const proxy = await proxyOf('me:p@ss word');
    const web = webAccess({ HTTP_PROXY: withLogin(proxy, 'me:p%40ss%20word') });
    expect((await web.fetch('http://api.plumbline.test/')).status).toBe(200);
  });

  test.each(['http', 'https'])('a proxy that wants other credentials is named without them (%s)', async (scheme) => {
    const proxy = await proxyOf('me:right');
    const web = webAccess({ ALL_PROXY: withLogin(proxy, 'me:wrong-secret') });
    const failed = await web.fetch(`${scheme}://api.plumbline.test/`).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      name: 'ProxyError',
      status: 407,
      message: `the proxy ${proxy.url} (ALL_PROXY) wants other credentials: 407`,
    });
  });

  test('a proxy that does not connect, and one that is not there', async () => {
    const proxy = await proxyOf();
    const refused = webAccess({ HTTPS_PROXY: proxy.url }).fetch('https://elsewhere.test/');
    await expect(refused).rejects.toThrow(
      `the proxy ${proxy.url} (HTTPS_PROXY) does not connect to elsewhere.test: 502`,
    );
    await proxy.close();
    open.splice(0);
    const missing = webAccess({ HTTP_PROXY: withLogin(proxy, 'me:secret') }).fetch('http://api.plumbline.test/');
    await expect(missing).rejects.toMatchObject({
      name: 'ProxyError',
      message: expect.stringMatching(
        /^the proxy http:\/\/127\.0\.0\.1:\d+ \(HTTP_PROXY\) cannot be reached: .*ECONNREFUSED/,
      ),
    });
  });

  test('an abort stays the caller’s', async () => {
    const proxy = await proxyOf();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(webAccess({ HTTP_PROXY: proxy.url }).fetch('http://a.plumbline.test/', { signal })).rejects.toThrow(
      'enough',
    );
  });

  test('a variable that cannot be followed is an error, not a way around', async () => {
    const web = webAccess({ HTTPS_PROXY: 'socks5://127.0.0.1:1' });
    await expect(web.fetch('https://api.plumbline.test/')).rejects.toThrow(/^HTTPS_PROXY: only http/);
  });
});
