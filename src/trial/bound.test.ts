import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTrialFixture, TRIAL_SETTINGS, type TrialFixture } from '../testing/trial-fixture.js';
import { attemptBound, sandboxLifetimeMs } from './bound.js';

let fixture: TrialFixture;
beforeEach(async () => {
  fixture = await createTrialFixture();
});
afterEach(() => fixture.remove());

const settings = TRIAL_SETTINGS;
/** Collecting and teardown. */
const OURS = 120 + 60;

async function boundOf(
  toml: string,
  more: Partial<Parameters<typeof attemptBound>[1]> = {},
  agent = 'oracle' as const,
) {
  await fixture.file('task.toml', toml);
  return attemptBound(await fixture.load(), { ...settings, ...more }, agent);
}

const PLAIN = '[agent]\ntimeout_sec = 100\n[verifier]\ntimeout_sec = 20\n[environment]\nbuild_timeout_sec = 3\n';

test('is the sum of all limits, each with its own multiplier', async () => {
  expect(await boundOf(PLAIN)).toEqual({ mainSec: 123 + OURS, verifierSec: [] });
  expect((await boundOf(PLAIN, { timeoutMultiplier: 2 })).mainSec).toBe(246 + OURS);
  const own = { timeoutMultiplier: 2, agentTimeoutMultiplier: 10, environmentBuildTimeoutMultiplier: 0.5 };
  expect((await boundOf(PLAIN, own)).mainSec).toBe(1000 + 40 + 1.5 + OURS);
});

test('nop runs no solution', async () => {
  await fixture.file('task.toml', PLAIN);
  expect(attemptBound(await fixture.load(), settings, 'nop').mainSec).toBe(23 + OURS);
});

test('a separate verifier has a sandbox of its own beside the main one', async () => {
  const toml = `${PLAIN}[verifier.environment]\nbuild_timeout_sec = 7\n`;
  expect(await boundOf(toml.replace('[verifier]\n', '[verifier]\nenvironment_mode = "separate"\n'))).toEqual({
    mainSec: 123 + 7 + OURS,
    verifierSec: [20 + 7 + 60],
  });
});

test('a phase without a limit has no bound', async () => {
  expect((await boundOf(PLAIN, { agentTimeoutMultiplier: Number.POSITIVE_INFINITY })).mainSec).toBe(
    Number.POSITIVE_INFINITY,
  );
});

test('a healthcheck may use up its start period and all its tries', async () => {
  const check =
    '[environment.healthcheck]\ncommand = "true"\nstart_period_sec = 5\ntimeout_sec = 2\ninterval_sec = 1\nretries = 3\n';
  expect((await boundOf(`${PLAIN}${check}`)).mainSec).toBe(123 + OURS + 5 + 2 + 4 * 3);
});

test('a sandbox is told to live for what its attempt may need and an hour; one to look at afterwards is not told', async () => {
  await fixture.file('task.toml', PLAIN);
  const attempt = { task: await fixture.load(), settings, agent: 'oracle' as const };
  expect(sandboxLifetimeMs('main', attempt)).toBe((123 + OURS + 3600) * 1000);
  expect(sandboxLifetimeMs('main', { ...attempt, settings: { ...settings, keep: 'failed' } })).toBeNull();
  const endless = { ...settings, agentTimeoutMultiplier: Number.POSITIVE_INFINITY };
  expect(sandboxLifetimeMs('main', { ...attempt, settings: endless })).toBeNull();
});
