/** What every remote provider does behind a proxy and with a private certification authority, through its SDK's own connections. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { processEnvironment } from '../cli/environment.js';
import type { SandboxProvider } from '../model/provider.js';
import type { ProviderName } from '../model/words.js';
import { loadProvider } from '../provider/registry.js';
import { type CloudOptions, type ProxiedCloud, startProxiedCloud, TRIAL } from './proxied-cloud.js';
import { sample } from './sample.js';

export interface ProxyContractOptions extends Omit<CloudOptions, 'backend'> {
  /** Hosts that a whole trial connects to, all below plumbline.test. */
  readonly hosts: readonly string[];
}

const NOBODY = 'http://me:secret-word@127.0.0.1:9';

export async function describeBehindProxy(name: ProviderName, options: ProxyContractOptions): Promise<void> {
  const stateDir = await mkdtemp(join(tmpdir(), 'plumbline-proxy-'));
  const backend = await localBackend(stateDir);

  describe.skipIf(backend === null)(`${name} behind a proxy`, () => {
    let cloud: ProxiedCloud;
    let trusted: Record<string, string>;
    beforeAll(async () => {
      if (backend === null) return;
      cloud = await startProxiedCloud(name, { ...options, backend });
      trusted = { NODE_EXTRA_CA_CERTS: cloud.ca };
    });
    beforeEach(() => {
      cloud.proxy.requests.length = 0;
    });
    afterAll(async () => {
      await cloud?.close();
      await backend?.close?.();
      await rm(stateDir, { recursive: true, force: true });
    });

    test('a whole trial goes through it, with a certificate of a private authority', async () => {
      expect(await cloud.trial({ HTTPS_PROXY: cloud.proxyUrl(), ...trusted })).toEqual(TRIAL);
      const ours = cloud.proxy.requests.filter(({ target }) => target.endsWith('.plumbline.test:443'));
      expect(new Set(ours.map(({ target }) => target))).toEqual(new Set(options.hosts.map((host) => `${host}:443`)));
      expect(new Set(ours.map(({ method, status }) => `${method} ${status}`))).toEqual(new Set(['CONNECT 200']));
    });

    // every spelling is a case of util/proxy.test.ts; here it is seen that the SDK goes by that
    test.each(sample(['https_proxy', 'all_proxy', 'ALL_PROXY'], 3))('%s is obeyed too', async (variable) => {
      const answer = await cloud.preflight({ [variable]: cloud.proxyUrl(), ...trusted });
      expect(answer).toMatchObject({ status: 'ready' });
      expect(cloud.proxy.requests).not.toEqual([]);
    });

    const exceptions: [string, Record<string, string>][] = [
      ['NO_PROXY names the cloud', { NO_PROXY: 'elsewhere.test,plumbline.test' }],
      ['no_proxy names it by pattern', { no_proxy: '*.plumbline.test' }],
      ['NO_PROXY is *', { NO_PROXY: '*' }],
    ];
    test.each(sample(exceptions, 3))('%s: nothing goes through it', async (_, variables) => {
      // directly, nobody knows the host
      const answer = await cloud.preflight({ HTTPS_PROXY: cloud.proxyUrl(), ...variables, ...trusted });
      expect(answer).toMatchObject({ status: 'missing' });
      expect(cloud.proxy.requests).toEqual([]);
    });

    test('this machine is reached directly, whatever the variables say', async () => {
      const answer = await cloud.preflight({
        ...cloud.near,
        HTTP_PROXY: NOBODY,
        HTTPS_PROXY: NOBODY,
        ALL_PROXY: NOBODY,
      });
      expect(answer).toMatchObject({ status: 'ready' });
    });

    test('a proxy that wants other credentials is named without its own', async () => {
      const answer = await cloud.preflight({ HTTPS_PROXY: cloud.proxyUrl('me:wrong-word'), ...trusted });
      expect(answer).toEqual({
        status: 'missing',
        what: `the proxy ${cloud.proxy.url} (HTTPS_PROXY) wants other credentials: 407`,
        fix: 'give the proxy’s URL its user and password',
      });
    });

    test('so is one that is not there, as a typed error too', async () => {
      const env = { https_proxy: NOBODY, ...trusted };
      const named = 'the proxy http://127.0.0.1:9 (https_proxy) cannot be reached: ';
      const answer = await cloud.preflight(env);
      expect(answer).toMatchObject({ status: 'missing', what: expect.stringContaining(named) });
      expect(JSON.stringify(answer)).not.toContain('secret-word');
      const listed = await cloud.list(env);
      expect(listed).toMatchObject({ type: 'NetworkError', message: expect.stringContaining(named) });
      expect(JSON.stringify(listed)).not.toContain('secret-word');
    });

    test('a proxy of another kind is refused, not gone around', async () => {
      const answer = await cloud.preflight({ HTTPS_PROXY: 'socks5://127.0.0.1:9', ...trusted });
      expect(answer).toMatchObject({ status: 'missing', what: expect.stringContaining('HTTPS_PROXY: only http://') });
    });

    test('a certificate that is not trusted is told, with the variable that helps', async () => {
      expect(await cloud.preflight({ HTTPS_PROXY: cloud.proxyUrl() })).toEqual({
        status: 'missing',
        what: expect.stringMatching(/certificate/),
        fix: 'set NODE_EXTRA_CA_CERTS to a file with the certificate of its authority',
      });
    });
  });
}

async function localBackend(stateDir: string): Promise<SandboxProvider | null> {
  for (const name of ['docker', 'embedded'] as const) {
    const provider = await loadProvider(name, { env: processEnvironment(), stateDir });
    if ((await provider.preflight(AbortSignal.timeout(30_000))).status === 'ready') return provider;
    await provider.close?.();
  }
  return null;
}
