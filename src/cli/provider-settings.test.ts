import { describe, expect, test } from 'vitest';
import { fakeIo } from '../testing/fake-io.js';
import { main } from './program.js';

async function dryRun(...settings: string[]): Promise<{ code: number; err: string }> {
  const io = fakeIo();
  const words = settings.flatMap((setting) => ['--ek', setting]);
  const code = await main(['run', '-p', 'suites/reference', '-e', 'e2b', '--dry-run', ...words], io);
  return { code, err: io.text.stderr };
}

describe('--ek', () => {
  test.each([
    ['e2b.lifetime_ms=abc', /--ek e2b\.lifetime_ms=abc: "abc" is not a whole number from 1/],
    ['e2b.nonsense=1', /--ek e2b\.nonsense=1: e2b has no such setting.*e2b\.lifetime_ms, e2b\.request_timeout_ms/s],
    ['nonsense=1', /--ek nonsense=1: there is no such setting.*tensorlake\.timeout_secs/s],
  ])('%s is exit 2 before anything starts, and says what there is', async (setting, message) => {
    const { code, err } = await dryRun(setting, 'e2b.tries=1');
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });

  test('of a provider that this run does not use is no mistake', async () => {
    expect(await dryRun('modal.app=mine')).toMatchObject({ code: 3, err: expect.stringContaining('E2B_API_KEY') });
  });
});
