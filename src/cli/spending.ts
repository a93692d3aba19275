/** What a run may cost at most on providers that bill for sandbox time, said before the first sandbox is made. */
import type { PlanItem } from '../job/plan.js';
import type { SandboxProvider } from '../model/provider.js';
import type { RunOptions } from '../model/run.js';
import type { ProviderName } from '../model/words.js';
import { attemptBound } from '../trial/bound.js';
import { UsageError } from './usage-error.js';

const PAID: readonly ProviderName[] = ['tensorlake', 'modal', 'daytona', 'e2b'];

/** Above this many sandbox-hours somebody has to say yes. */
export const FREE_HOURS = 10;

export interface Spending {
  readonly provider: string;
  /** Controls among them. */
  readonly trials: number;
  /** Every limit of every attempt used up; null when a task has a phase without a limit. */
  readonly hours: number | null;
}

/**
 * One entry per paid provider that is not emulated and has something to run. Retries count as if each were used, repeats and controls are
 * in the plan, and a separate verifier is a second sandbox. @param plan what is left to run
 */
export function plannedSpending(
  plan: readonly PlanItem[],
  providers: readonly Pick<SandboxProvider, 'name' | 'emulated'>[],
  options: Pick<RunOptions, 'settings' | 'retry'>,
): Spending[] {
  return providers
    .filter(({ name, emulated }) => PAID.includes(name) && !emulated)
    .flatMap(({ name }) => {
      const own = plan.filter(({ planned }) => planned.provider === name && planned.unsupported_reason === null);
      const seconds = own.flatMap(({ planned, loaded }) => {
        if (!loaded.ok) return [];
        const { mainSec, verifierSec } = attemptBound(loaded.task, options.settings, planned.agent);
        return [(mainSec + sum(verifierSec)) * (1 + options.retry.maxRetries)];
      });
      if (seconds.length === 0) return [];
      const total = sum(seconds);
      return [{ provider: name, trials: seconds.length, hours: Number.isFinite(total) ? total / 3600 : null }];
    });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** `tensorlake: 89 trials, at most 120.5 sandbox-hours if every limit and every retry is used up` */
export function describeSpending({ provider, trials, hours }: Spending): string {
  const count = `${trials} ${trials === 1 ? 'trial' : 'trials'}`;
  const bound =
    hours === null ? 'no upper bound (a task has no time limit)' : `at most ${hours.toFixed(1)} sandbox-hours`;
  return `${provider}: ${count}, ${bound} if every limit and every retry is used up`;
}

/**
 * Prints the plan's cost. @throws UsageError when it is more than FREE_HOURS, or unlimited, and neither `--yes` nor CI says
 * that this is meant
 */
export function confirmSpending(spending: readonly Spending[], confirmed: boolean, say: (line: string) => void): void {
  for (const entry of spending) say(describeSpending(entry));
  const large = spending.filter(({ hours }) => hours === null || hours > FREE_HOURS);
  if (large.length === 0 || confirmed) return;
  throw new UsageError(
    `this run may use more than ${FREE_HOURS} sandbox-hours on ${large.map(({ provider }) => provider).join(', ')}`,
    'say --yes if that is meant (CI=true says it too), or choose fewer tasks with -i, -l or --shard',
  );
}
