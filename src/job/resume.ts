/** Which results of an earlier start of a run still stand (docs/design.md section 5, rule 14). */
import { isDeepStrictEqual } from 'node:util';
import { type ProviderStatus, type TrialKey, trialKeyOf } from '../model/event.js';
import type { PlannedTrial, TrialRecord } from '../model/record.js';
import type { RunOptions, TrialSettings } from '../model/run.js';
import type { RunFolder } from '../record/fold.js';
import type { Redactor } from '../record/redact.js';
import type { PlanItem } from './plan.js';

/** What run_started writes down of a run's options. */
export interface RunSettings extends Record<string, unknown> {
  /** What shapes every trial: a result stands only under the same. */
  readonly trial: Record<string, unknown>;
}

/** Whose fault says nothing about the task: to be tried again. */
const TRANSIENT: readonly string[] = ['provider', 'network', 'harness'];

/** The settings of a run as they are written; secrets are replaced when the event is. */
export function settingsOf(options: RunOptions, providerSettings: Readonly<Record<string, unknown>>): RunSettings {
  const { settings, retry, repeats, concurrency, maxConcurrent, failFast, maxRunTimeSec, shard, withNop } = options;
  return {
    trial: { ...shapingSettings(settings), provider_settings: providerSettings },
    keep: settings.keep,
    retry: { max_retries: retry.maxRetries, include: [...retry.include], exclude: [...retry.exclude] },
    repeats,
    concurrency: { ...concurrency },
    max_concurrent: maxConcurrent,
    fail_fast: failFast,
    max_run_time_sec: maxRunTimeSec,
    shard,
    with_nop: withNop,
  };
}

/** Without `keep`: what becomes of a sandbox afterwards changes no result. */
function shapingSettings(settings: TrialSettings): Record<string, unknown> {
  return {
    agent: settings.agent,
    timeout_multiplier: settings.timeoutMultiplier,
    agent_timeout_multiplier: settings.agentTimeoutMultiplier,
    verifier_timeout_multiplier: settings.verifierTimeoutMultiplier,
    environment_build_timeout_multiplier: settings.environmentBuildTimeoutMultiplier,
    force_build: settings.forceBuild,
    raw: settings.raw,
    verifier_env: { ...settings.verifierEnv },
  };
}

/** What is to be run, now. */
export interface ResumedRun {
  readonly plan: readonly PlanItem[];
  readonly providers: readonly Pick<ProviderStatus, 'name' | 'emulated'>[];
  readonly settings: RunSettings;
}

/**
 * The records that are kept. A result of an emulator is none of the service, and the other way round. The digest of a task covers its environment's files and image name, so an equal digest is
 * also the same image, as far as this can be known without asking the provider.
 */
export function keptRecords(
  earlier: RunFolder,
  { plan, providers, settings }: ResumedRun,
  redact: Redactor,
): Map<TrialKey, TrialRecord> {
  const kept = new Map<TrialKey, TrialRecord>();
  // Through JSON and the redactor, because that is how the earlier settings were written.
  const now: unknown = JSON.parse(JSON.stringify(redact(settings.trial)));
  if (!isDeepStrictEqual(earlier.settings['trial'], now)) return kept;
  const records = new Map(earlier.result().trials.map((record) => [trialKeyOf(record), record]));
  const emulated = new Set(providers.filter((provider) => provider.emulated).map(({ name }) => name));
  for (const { planned } of plan) {
    const key = trialKeyOf(redact(planned));
    const record = records.get(key);
    if (record?.emulated !== emulated.has(planned.provider)) continue;
    if (stands(record, redact(planned))) kept.set(trialKeyOf(planned), record);
  }
  return kept;
}

function stands(record: TrialRecord, planned: PlannedTrial): boolean {
  if (planned.task_digest === null || record.task_digest !== planned.task_digest) return false;
  if (record.outcome === 'pass' || record.outcome === 'fail') return true;
  return record.outcome === 'error' && record.exception !== null && !TRANSIENT.includes(record.exception.origin);
}
