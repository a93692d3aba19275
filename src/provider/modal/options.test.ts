/** Policies, sizes and variables as they reach the SDK. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { writeRoots } from '../remote/roots.js';
import { grpcVariables, modalConfig, withModalEnvironment } from './config.js';
import { describeEnd } from './ending.js';
import { allowlists, createNetwork } from './network.js';
import { sandboxSize } from './resources.js';

describe('network', () => {
  test('what never changes is said in the simplest way', () => {
    expect(createNetwork({ mode: 'public' }, false)).toEqual({});
    expect(createNetwork({ mode: 'no-network' }, false)).toEqual({ blockNetwork: true });
  });

  test('what will change is said in lists', () => {
    expect(createNetwork({ mode: 'public' }, true)).toEqual({
      outboundCidrAllowlist: ['0.0.0.0/0'],
      outboundDomainAllowlist: ['*'],
    });
    expect(createNetwork({ mode: 'no-network' }, true)).toEqual({
      outboundCidrAllowlist: [],
      outboundDomainAllowlist: [],
    });
  });

  test('an allowlist is split into domains and CIDRs; IPv6 is refused, not dropped', () => {
    const hosts = ['pypi.org', '10.0.0.0/8', '192.0.2.1'];
    expect(allowlists({ mode: 'allowlist', hosts })).toEqual({
      outboundCidrAllowlist: ['10.0.0.0/8', '192.0.2.1/32'],
      outboundDomainAllowlist: ['pypi.org'],
    });
    for (const host of ['::1', '2001:db8::/32']) {
      expect(() => allowlists({ mode: 'allowlist', hosts: [host] })).toThrow(host);
    }
  });
});

describe('sandboxSize', () => {
  test('requests become limits, rounded up and never down', () => {
    const { params, effective } = sandboxSize({ cpus: 0.3333, memoryMb: 100.2, storageMb: 10, gpus: null });
    expect([params.cpuLimit, params.memoryMiB, params.memoryLimitMiB]).toEqual([params.cpu, 101, 101]);
    expect(effective).toEqual({ cpus: 0.334, memoryMb: 101, storageMb: null });
  });

  test.for([0.125, 0.29, 0.57, 1, 1.1, 2.3, 4])('%d cpus are exactly that on the wire', (cpus) => {
    const { params, effective } = sandboxSize({ cpus, memoryMb: null, storageMb: null, gpus: null });
    // what the SDK makes of it
    expect(Math.trunc(1000 * (params.cpu ?? 0))).toBe(Math.round(cpus * 1000));
    expect(effective.cpus).toBe(cpus);
  });

  test('no request is left to Modal', () => {
    const { params, effective } = sandboxSize({ cpus: null, memoryMb: null, storageMb: null, gpus: null });
    expect([params, effective]).toEqual([{}, { cpus: null, memoryMb: null, storageMb: null }]);
  });
});

describe('config', () => {
  const options = (env: Record<string, string>) => ({ env, stateDir: '/nowhere' });

  test('a token in the environment is not mixed with the profile of a file', () => {
    const { variables } = modalConfig(options({ MODAL_TOKEN_ID: 'ak-1', MODAL_TOKEN_SECRET: 'as-1' })).connection;
    expect(variables).toMatchObject({ MODAL_TOKEN_ID: 'ak-1', MODAL_CONFIG_PATH: '/nonexistent/modal.toml' });
    expect(modalConfig(options({})).connection.variables).not.toHaveProperty('MODAL_CONFIG_PATH');
  });

  test.each<[Record<string, string>, Record<string, string>]>([
    [{}, { no_grpc_proxy: ',' }],
    [{ HTTP_PROXY: 'http://proxy:3128' }, { no_grpc_proxy: ',' }],
    [{ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: '*' }, { no_grpc_proxy: ',' }],
    [
      { HTTPS_PROXY: 'proxy:3128', NO_PROXY: '*.internal' },
      { grpc_proxy: 'http://proxy:3128', no_grpc_proxy: 'internal,.internal,127.0.0.1,localhost,::1' },
    ],
    [
      { all_proxy: 'http://me:pw@proxy:3128', grpc_proxy: 'http://own:1', no_grpc_proxy: 'a' },
      { grpc_proxy: 'http://own:1', no_grpc_proxy: 'a,.a,127.0.0.1,localhost,::1' },
    ],
  ])(
    '%j reach grpc-js under the names that it knows; what is direct, it must not find a proxy for',
    (env, expected) => {
      expect(grpcVariables(env)).toEqual(expected);
    },
  );

  test('a proxy that grpc-js would silently go around is an error', () => {
    expect(() => grpcVariables({ HTTPS_PROXY: 'https://proxy:3128' })).toThrow('http:// proxies only');
    expect(() => grpcVariables({ HTTPS_PROXY: 'socks5://proxy:3128' })).toThrow('HTTPS_PROXY');
  });

  test('a private CA is added to the usual ones, unless there is a whole bundle', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'plumbline-modal-roots-'));
    const from = join(dir, 'extra.pem');
    await writeFile(from, '-----BEGIN CERTIFICATE-----\nprivate\n-----END CERTIFICATE-----\n');
    const { extraRoots } = modalConfig({ env: { NODE_EXTRA_CA_CERTS: from }, stateDir: dir }).connection;
    const text = extraRoots === null ? '' : await readFile(await writeRoots(extraRoots), 'utf8');
    await rm(dir, { recursive: true });
    expect(text.match(/BEGIN CERTIFICATE/g)?.length).toBe(rootCertificates.length + 1);
    expect(text).toContain('\nprivate\n');
    const whole = { NODE_EXTRA_CA_CERTS: from, SSL_CERT_FILE: '/bundle.pem' };
    expect(modalConfig(options(whole)).connection.extraRoots).toBeNull();
    expect(grpcVariables(whole)).toMatchObject({ GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: '/bundle.pem' });
  });

  test('emulated is what the emulator says', () => {
    const env = { PLUMBLINE_EMULATED_MODAL: '1', PLUMBLINE_EMULATED_MODAL_NETWORK: 'public,dynamic' };
    expect(modalConfig(options(env))).toMatchObject({ emulated: true, emulatedNetwork: ['public', 'dynamic'] });
    expect(modalConfig(options({}))).toMatchObject({ emulated: false, emulatedNetwork: null });
  });

  test('the SDK sees our variables and no others of its kind, and afterwards the process has its own again', async () => {
    process.env['MODAL_PROFILE'] = 'other';
    const { connection } = modalConfig(options({ MODAL_TOKEN_ID: 'ak-2' }));
    const modalVariables = () => Object.entries(process.env).filter(([name]) => name.startsWith('MODAL_'));
    const seen = await withModalEnvironment(connection, {}, async () => modalVariables());
    const left = modalVariables();
    delete process.env['MODAL_PROFILE'];
    expect(Object.fromEntries(seen)).toEqual(connection.variables);
    expect(left).toEqual([['MODAL_PROFILE', 'other']]);
  });
});

test('an end is told in words, with the provider’s own behind them', () => {
  expect(describeEnd({ status: 7, exception: '', exitcode: 0 })).toBe('idle for too long');
  expect(describeEnd({ status: 2, exception: 'boom', exitcode: 3 })).toBe('its main process failed, exit code 3: boom');
  expect(describeEnd({ status: 99, exception: '', exitcode: 0 })).toBe('status 99');
});
