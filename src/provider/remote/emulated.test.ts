import { describe, expect, test } from 'vitest';
import type { ProviderName } from '../../model/words.js';
import { daytonaConfig } from '../daytona/config.js';
import { e2bConfig } from '../e2b/config.js';
import { modalConfig } from '../modal/config.js';
import type { ProviderOptions } from '../options.js';
import { loadProvider } from '../registry.js';
import { readConfig } from '../tensorlake/config.js';
import { EMULATOR_KEYS } from './emulated.js';

const NEAR = 'http://127.0.0.1:4000';
const FAR = 'https://api.example.org';

interface Case {
  name: ProviderName;
  config: (options: ProviderOptions) => object;
  /** What somebody sets who takes only this much of what `plumbline emulate` prints. */
  set: Record<string, string>;
  /** The variable with the address. */
  address: string;
}

const CASES: Case[] = [
  {
    name: 'e2b',
    config: e2bConfig,
    set: { E2B_API_KEY: EMULATOR_KEYS.e2b, E2B_API_URL: NEAR, E2B_SANDBOX_URL: NEAR },
    address: 'E2B_API_URL',
  },
  {
    name: 'modal',
    config: modalConfig,
    set: { MODAL_TOKEN_ID: EMULATOR_KEYS.modal, MODAL_TOKEN_SECRET: 'as-emulated', MODAL_SERVER_URL: NEAR },
    address: 'MODAL_SERVER_URL',
  },
  {
    name: 'daytona',
    config: daytonaConfig,
    set: { DAYTONA_API_KEY: EMULATOR_KEYS.daytona, DAYTONA_API_URL: `${NEAR}/api` },
    address: 'DAYTONA_API_URL',
  },
  {
    name: 'tensorlake',
    config: readConfig,
    set: { TENSORLAKE_API_KEY: EMULATOR_KEYS.tensorlake, TENSORLAKE_API_URL: NEAR },
    address: 'TENSORLAKE_API_URL',
  },
];
const options = (env: Record<string, string>): ProviderOptions => ({ env, stateDir: '/nonexistent/state' });
/** With a key that is no emulator's. */
const otherKey = ({ set }: Case) =>
  Object.fromEntries(
    Object.entries(set).map(([key, value]) => [
      key,
      /KEY|TOKEN_ID/.test(key) ? value.replace(/[^_-]+$/, '0123') : value,
    ]),
  );

describe.each(CASES)('$name', (given) => {
  const { name, config, set, address } = given;
  const flag = `PLUMBLINE_EMULATED_${name.toUpperCase()}`;

  test('the key alone says that it is emulated, and promises no more than every backend can keep', async () => {
    expect(config(options(set))).toMatchObject({ emulated: true, emulatedNetwork: ['public'], complaint: null });
    const provider = await loadProvider(name, options(set));
    expect([provider.emulated, provider.capabilities.networkModes]).toEqual([true, ['public']]);
    await provider.close?.();
  });

  test('the variable says it too, and what the backend can do', () => {
    const env = { ...otherKey(given), [flag]: '1', [`${flag}_NETWORK`]: 'public,no-network,dynamic' };
    expect(config(options(env))).toMatchObject({
      emulated: true,
      emulatedNetwork: ['public', 'no-network', 'dynamic'],
      complaint: null,
    });
  });

  test('another key on this machine is a service of its own', () => {
    expect(config(options(otherKey(given)))).toMatchObject({ emulated: false, emulatedNetwork: null, complaint: null });
  });

  test.each([
    ['the variable', { ...otherKey(given), [flag]: '1' }, `${flag} says that ${name} is emulated`],
    ['the key', set, `the key that is set is that of an emulator of ${name}`],
  ])('%s, with an address elsewhere, is refused before anything is asked', async (_, env, why) => {
    const provider = await loadProvider(name, options({ ...env, [address]: FAR }));
    expect(await provider.preflight(AbortSignal.timeout(5_000))).toEqual({
      status: 'missing',
      what: `${why}, but ${address} is ${FAR}, which is not this machine`,
      fix: `set everything that \`plumbline emulate ${name}\` printed, or nothing of it`,
    });
    await provider.close?.();
  });
});

test('an address that is not set is the real service’s', async () => {
  const provider = await loadProvider('e2b', options({ E2B_API_KEY: EMULATOR_KEYS.e2b, E2B_API_URL: NEAR }));
  expect(await provider.preflight(AbortSignal.timeout(5_000))).toMatchObject({
    what: expect.stringContaining('but E2B_SANDBOX_URL is not set'),
  });
});

test.each(['http://localhost:1', 'http://127.0.0.2', 'http://[::1]:9', 'https://api.plumbline.test'])(
  '%s can be an emulator',
  (url) => {
    const env = { MODAL_TOKEN_ID: EMULATOR_KEYS.modal, MODAL_SERVER_URL: url };
    expect(modalConfig(options(env))).toMatchObject({ emulated: true, complaint: null });
  },
);

test.each(['http://10.0.0.1', 'https://127.0.0.1.example.org', 'https://localhost.example.org', 'nonsense'])(
  '%s cannot',
  (url) => {
    const env = { MODAL_TOKEN_ID: EMULATOR_KEYS.modal, MODAL_SERVER_URL: url };
    expect(modalConfig(options(env)).complaint?.what).toContain(`MODAL_SERVER_URL is ${url}`);
  },
);

test('the key of E2B’s emulator is one that its SDKs accept', () => {
  expect(EMULATOR_KEYS.e2b).toMatch(/^e2b_[0-9a-f]{40}$/);
});
