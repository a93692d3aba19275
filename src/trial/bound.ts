/** How long an attempt can need its sandboxes: for what a run may cost, and for the lifetimes that providers are told. */
import type { TrialSettings } from '../model/run.js';
import type { HealthcheckConfig, StepConfig, Task } from '../model/task.js';
import type { Agent } from '../model/words.js';
import { effectiveAgent, effectiveVerifier, stepsOf } from '../task/verifier-mode.js';
import { COLLECT_LIMIT_MS, limitSec, TEARDOWN_LIMIT_MS } from './limits.js';

/** Seconds, all limits used up; infinite where a phase has none. Transfers and our own small commands are not in it. */
export interface AttemptBound {
  readonly mainSec: number;
  /** Of each separate verifier's sandbox, which exists beside the main one. */
  readonly verifierSec: readonly number[];
}

/** Milliseconds beside all limits: transfers, our own commands, a slow provider. */
const LIFETIME_SLACK_MS = 60 * 60_000;

/**
 * Milliseconds for which a sandbox of an attempt may have to live; null: until its owner expires, as one that somebody wants to
 * look at afterwards, and one whose task has a phase without a limit.
 */
export function sandboxLifetimeMs(
  role: 'main' | 'verifier',
  { task, settings, agent }: { readonly task: Task; readonly settings: TrialSettings; readonly agent: Agent },
): number | null {
  if (settings.keep !== 'never') return null;
  const { mainSec, verifierSec } = attemptBound(task, settings, agent);
  const seconds = role === 'main' ? mainSec : Math.max(...verifierSec);
  return Number.isFinite(seconds) ? seconds * 1000 + LIFETIME_SLACK_MS : null;
}

/** `agent`: `nop` runs no solution. */
export function attemptBound({ config }: Task, settings: TrialSettings, agent: Agent): AttemptBound {
  const { environment } = config;
  const limit = (...args: Parameters<typeof limitSec>) => limitSec(...args) ?? Number.POSITIVE_INFINITY;
  const buildSec = (base: number | null) => limit(base, settings, 'environmentBuildTimeoutMultiplier');
  const verifierSec: number[] = [];
  const unitSec = (step: StepConfig | null) => {
    const { timeoutSec } = effectiveAgent(config, step);
    const verifier = effectiveVerifier(config, step);
    const solving = agent === 'nop' ? 0 : limit(timeoutSec, settings, 'agentTimeoutMultiplier');
    const hooks = sum(verifier.collect.map((hook) => Math.max(0, hook.timeout_sec)));
    let verifying = limit(verifier.timeoutSec, settings, 'verifierTimeoutMultiplier');
    if (verifier.mode === 'separate') {
      verifying += buildSec(verifier.environment.build_timeout_sec);
      verifierSec.push(verifying + TEARDOWN_LIMIT_MS / 1000);
    }
    return solving + hooks + COLLECT_LIMIT_MS / 1000 + verifying + healthcheckSec(step?.healthcheck ?? null);
  };
  const mainSec =
    buildSec(environment.build_timeout_sec) +
    healthcheckSec(environment.healthcheck) +
    sum(stepsOf(config).map(unitSec)) +
    TEARDOWN_LIMIT_MS / 1000;
  return { mainSec, verifierSec };
}

/** Zero or less is no timeout of a check. */
function healthcheckSec(check: HealthcheckConfig | null): number {
  if (check === null) return 0;
  const timeout = check.timeout_sec > 0 ? check.timeout_sec : Number.POSITIVE_INFINITY;
  return check.start_period_sec + timeout + (Number(check.retries) + 1) * (timeout + check.interval_sec);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
