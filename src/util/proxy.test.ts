import { describe, expect, test } from 'vitest';
import { hasProxy, type ProxyEnv, plainNoProxy, proxyFor, proxyVariables } from './proxy.js';

const PROXY = 'http://proxy.test:3128';

describe('proxyFor', () => {
  test.each<[string, string, ProxyEnv, string | null]>([
    ['the scheme’s own', 'https://a.test', { HTTPS_PROXY: PROXY, HTTP_PROXY: 'http://other.test' }, 'HTTPS_PROXY'],
    ['not the other scheme’s', 'https://a.test', { HTTP_PROXY: PROXY }, null],
    [
      'the lower-case spelling first',
      'http://a.test',
      { http_proxy: PROXY, HTTP_PROXY: 'http://b.test' },
      'http_proxy',
    ],
    ['ALL_PROXY last', 'http://a.test', { ALL_PROXY: PROXY }, 'ALL_PROXY'],
    ['an empty value is none', 'https://a.test', { HTTPS_PROXY: '' }, null],
    ['no variable', 'https://a.test', {}, null],
  ])('%s', (_, target, env, variable) => {
    expect(proxyFor(target, env)?.variable ?? null).toBe(variable);
  });

  test.each([
    ['a.test', 'https://a.test', true],
    ['a.test', 'https://sub.a.test', true],
    ['a.test', 'https://nota.test', false],
    ['.a.test', 'https://sub.a.test', true],
    ['*.a.test', 'https://sub.a.test', true],
    ['b.test, A.test', 'https://a.test', true],
    ['b.test a.test', 'https://a.test', true],
    ['a.test:443', 'https://a.test', true],
    ['a.test:8443', 'https://a.test', false],
    ['a.test:8443', 'https://a.test:8443', true],
    ['10.0.0.0/8', 'https://10.1.2.3', true],
    ['10.0.0.0/8', 'https://11.1.2.3', false],
    ['10.0.0.0/99', 'https://10.1.2.3', false],
    ['fd00::/8', 'https://[fd00::1]', true],
    ['[fd00::1]:443', 'https://[fd00::1]', true],
    ['*', 'https://a.test', true],
    ['', 'https://a.test', false],
  ])('NO_PROXY "%s" exempts %s: %s', (list, target, exempt) => {
    expect(proxyFor(target, { HTTPS_PROXY: PROXY, NO_PROXY: list }) === null).toBe(exempt);
  });

  test.each(['http://localhost:1', 'http://127.0.0.1', 'http://127.9.9.9', 'http://[::1]:80', 'http://x.localhost'])(
    '%s is this machine’s',
    (target) => expect(proxyFor(target, { HTTP_PROXY: PROXY })).toBeNull(),
  );

  test('credentials are apart from what may be shown, and decoded', () => {
    const proxy = proxyFor('https://a.test', { HTTPS_PROXY: 'http://me:p%40ss@proxy.test:3128/' });
    expect(proxy).toEqual({
      origin: PROXY,
      url: 'http://me:p%40ss@proxy.test:3128',
      authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
      variable: 'HTTPS_PROXY',
    });
  });

  test('a host and port alone is an HTTP proxy', () => {
    expect(proxyFor('https://a.test', { HTTPS_PROXY: 'proxy.test:3128' })?.origin).toBe(PROXY);
  });

  test.each(['socks5://secret:word@proxy.test', 'http://', 'http://secret word'])('%s is refused', (value) => {
    const ask = () => proxyFor('https://a.test', { HTTPS_PROXY: value });
    expect(ask).toThrow(/^HTTPS_PROXY/);
    expect(ask).not.toThrow(/secret|word/);
  });
});

describe('for clients that read the process’s environment', () => {
  test('both spellings, ALL_PROXY resolved, loopback and subdomains exempt', () => {
    const noProxy = 'a.test,.a.test,10.0.0.0/8,b.test:8080,127.0.0.1,localhost,::1';
    expect(proxyVariables({ ALL_PROXY: 'proxy.test:3128', NO_PROXY: '*.a.test 10.0.0.0/8 b.test:8080' })).toEqual({
      ...{ http_proxy: PROXY, HTTP_PROXY: PROXY, https_proxy: PROXY, HTTPS_PROXY: PROXY },
      ...{ no_proxy: noProxy, NO_PROXY: noProxy },
    });
    expect(proxyVariables({ NO_PROXY: 'a.test' })).toEqual({});
  });

  test('everything exempt stays that', () => {
    expect(plainNoProxy({ NO_PROXY: 'a.test,*' })).toEqual(['*']);
  });

  test.each([
    [{ http_proxy: PROXY }, true],
    [{ ALL_PROXY: PROXY }, true],
    [{ NO_PROXY: '*', HTTP_PROXY: '' }, false],
  ])('hasProxy %j', (env, expected) => {
    expect(hasProxy(env)).toBe(expected);
  });
});
