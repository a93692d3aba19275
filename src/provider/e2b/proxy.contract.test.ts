import { expect, test } from 'vitest';
import { describeBehindProxy } from '../../testing/proxy-contract.js';
import { loadE2b } from './sdk.js';

await describeBehindProxy('e2b', {
  hosts: ['api.plumbline.test', 'sandbox.plumbline.test', 'parts.plumbline.test'],
  settings: { 'e2b.tries': '1' },
  env: (far) => ({ ...far, E2B_SANDBOX_URL: 'https://sandbox.plumbline.test' }),
});

test('exceptions for half of E2B are refused: the SDK takes one proxy for all of it', async () => {
  const env = { HTTPS_PROXY: 'http://127.0.0.1:9', NO_PROXY: 'api.e2b.app' };
  await expect(loadE2b({ apiKey: 'e2b_0', requestTimeoutMs: 1000, env })).rejects.toMatchObject({
    type: 'NetworkError',
    message: 'E2B’s SDK takes one proxy for api.e2b.app and sandbox.e2b.app: name both in NO_PROXY, or neither',
  });
});
