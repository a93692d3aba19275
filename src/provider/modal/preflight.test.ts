/** What a user is told before anything runs. */
import { describe, expect, test } from 'vitest';
import { startModalEmulator } from '../../emulator/modal/index.js';
import { createFakeProvider } from '../../testing/fake-provider.js';
import { createModalProvider } from './index.js';

const preflight = (env: Record<string, string>) =>
  createModalProvider({
    env,
    stateDir: '/nowhere',
    settings: { 'modal.request_timeout_ms': '12000', 'modal.tries': '1' },
  }).preflight(AbortSignal.timeout(18_000));

describe('preflight', () => {
  test('ready names the SDK', async () => {
    const emulator = await startModalEmulator({ backend: createFakeProvider() });
    const answer = await preflight(emulator.env);
    await emulator.close();
    expect(answer).toEqual({ status: 'ready', versions: { modal: '0.11.1' } });
  });

  test.each([
    ['', {}],
    [', also behind a proxy: it is not tried in vain', { HTTPS_PROXY: 'http://127.0.0.1:9' }],
  ])('no credentials: how to get them%s', async (_, more) => {
    const env = { MODAL_CONFIG_PATH: '/nonexistent', MODAL_SERVER_URL: 'https://api.plumbline.test', ...more };
    expect(await preflight(env)).toEqual({
      status: 'missing',
      what: 'MODAL_TOKEN_ID',
      fix: 'set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run `modal token new`',
    });
  });

  test('refused credentials: which to check', async () => {
    const emulator = await startModalEmulator({ backend: createFakeProvider() });
    const answer = await preflight({ ...emulator.env, MODAL_TOKEN_SECRET: 'as-wrong' });
    await emulator.close();
    expect(answer).toEqual({
      status: 'missing',
      what: expect.stringContaining('UNAUTHENTICATED'),
      fix: 'check MODAL_TOKEN_ID and MODAL_TOKEN_SECRET',
    });
  });

  test('no server: which address to check', async () => {
    const env = { MODAL_TOKEN_ID: 'ak-1', MODAL_TOKEN_SECRET: 'as-1', MODAL_SERVER_URL: 'http://127.0.0.1:9' };
    expect(await preflight(env)).toEqual({
      status: 'missing',
      what: expect.stringContaining('127.0.0.1:9'),
      fix: 'check MODAL_SERVER_URL and the network',
    });
  });
});
