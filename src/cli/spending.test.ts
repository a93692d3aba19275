import { describe, expect, test } from 'vitest';
import { planTrials } from '../job/plan.js';
import type { ProviderName } from '../model/words.js';
import { loadSuite } from '../task/load-suite.js';
import { needsOf } from '../task/needs.js';
import { hasCompose } from '../task/task-files.js';
import { createFakeProvider } from '../testing/fake-provider.js';
import { DEFAULT_SETTINGS } from './run-settings.js';
import { confirmSpending, describeSpending, plannedSpending } from './spending.js';

const settings = { ...DEFAULT_SETTINGS, verifierEnv: {}, keep: 'never' as const };
/** Build, oracle and verifier of the two tasks, collecting and teardown. */
const ATTEMPT_HOURS = (600 + 60 + 60 + 120 + 60) / 3600;

async function planOf(
  include: string[],
  names: readonly ProviderName[],
  more: { repeats?: number; withNop?: boolean } = {},
) {
  const { tasks } = await loadSuite(['suites/reference'], { include, exclude: [], limit: null });
  return planTrials({
    tasks,
    providers: names.map((name) => createFakeProvider({ name, capabilities: { compose: false } })),
    agent: 'oracle',
    repeats: more.repeats ?? 1,
    withNop: more.withNop ?? false,
    limit: null,
    shard: null,
    only: null,
    needsOf: (task) => needsOf(task.config, { hasCompose: hasCompose(task.dir) }),
    unsupportedImage: () => null,
    random: Math.random,
    earlier: [],
  });
}

describe('spending', () => {
  const retry = { maxRetries: 0, include: [], exclude: [] };

  test('is the sum of all limits, on paid providers that are not emulated', async () => {
    const providers = [
      { name: 'modal' as const, emulated: false },
      { name: 'e2b' as const, emulated: true },
      { name: 'docker' as const, emulated: false },
    ];
    const plan = await planOf(['hello-file', 'nonroot-agent'], ['modal', 'e2b', 'docker'], { repeats: 5 });
    const [one, ...others] = plannedSpending(plan, providers, { settings, retry });
    expect([one?.provider, one?.trials, others]).toEqual(['modal', 10, []]);
    expect(one?.hours).toBeCloseTo(10 * ATTEMPT_HOURS);
  });

  test('counts retries, controls and multipliers, and not what is unsupported', async () => {
    const providers = [{ name: 'modal' as const, emulated: false }];
    const plan = await planOf(['hello-file', 'compose-sidecar'], ['modal'], { withNop: true });
    const retries = { ...retry, maxRetries: 2 };
    const [one] = plannedSpending(plan, providers, { settings, retry: retries });
    expect(one?.trials).toBe(2);
    expect(one?.hours).toBeCloseTo(3 * (2 * ATTEMPT_HOURS - 60 / 3600));
    const longer = { ...settings, agentTimeoutMultiplier: 2000 };
    const [other] = plannedSpending(plan, providers, { settings: longer, retry });
    expect(other?.hours).toBeGreaterThan(30);
  });

  test('above the threshold somebody has to say yes', () => {
    const said: string[] = [];
    const say = (line: string) => said.push(line);
    confirmSpending([{ provider: 'modal', trials: 3, hours: 2 }], false, say);
    expect(said).toEqual(['modal: 3 trials, at most 2.0 sandbox-hours if every limit and every retry is used up']);
    const much = [{ provider: 'modal', trials: 89, hours: 200 }];
    expect(() => confirmSpending(much, false, say)).toThrow('more than 10 sandbox-hours on modal');
    const unbounded = { provider: 'e2b', trials: 1, hours: null };
    expect(describeSpending(unbounded)).toMatch(/^e2b: 1 trial, no upper bound/);
    expect(() => confirmSpending([unbounded], false, say)).toThrow('on e2b');
    confirmSpending(much, true, say);
  });
});
