/**
 * The gate as vitest tests, for this project and as `plumbline/vitest` for others: the plan is known at collection, the run
 * starts once, and every trial is a named test that waits for its own result.
 */
import { relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assemble } from '../cli/assemble.js';
import { isCi, processEnvironment } from '../cli/environment.js';
import { packageVersion } from '../cli/io.js';
import { DEFAULT_SETTINGS, type RunSettings } from '../cli/run-settings.js';
import { confirmSpending, plannedSpending } from '../cli/spending.js';
import type { PlanItem } from '../job/plan.js';
import { planRun } from '../job/plan-run.js';
import { preflightAll } from '../job/preflight.js';
import { type JobOutcome, runJob } from '../job/run-job.js';
import type { PlannedTrial, Report, TrialRecord } from '../model/record.js';
import { providerTitle } from '../model/words.js';
import { writeReports } from '../report/write-reports.js';
import { describeNonPass, isAccepted, testName } from './verdict.js';

export interface GateDefinition {
  /** Task directories and suites. */
  readonly paths: readonly string[];
  /** Default: Docker when an engine answers, else embedded. */
  readonly providers?: readonly string[];
  /** Trials at a time on each provider. */
  readonly concurrency?: number;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly repeats?: number;
  readonly agent?: 'oracle' | 'nop';
  readonly minPassRate?: number;
  /** Run remote providers against our emulators. */
  readonly emulated?: boolean;
  /** Says that more than 10 sandbox-hours on a paid provider are meant; CI=true says it too. */
  readonly yes?: boolean;
  /** expectations.toml: each entry must fail exactly as written. */
  readonly expectations?: string;
  /** Where the run is written; default `reports/gate-<time>`. */
  readonly jobsDir?: string;
  readonly name?: string;
}

const PREFLIGHT_LIMIT_MS = 60_000;

/** Declares the tests; await it at the top level of a test file whose timeout is off (`testTimeout: 0`). */
export async function defineGate(definition: GateDefinition): Promise<void> {
  const settings = settingsOf(definition);
  const assembly = await assemble(
    settings,
    ['run', ...definition.paths.flatMap((path) => ['-p', path])],
    { env: processEnvironment(), cwd: process.cwd(), version: packageVersion() },
    () => {}, // which provider was chosen stands in every test's name
  );
  const controller = new AbortController();
  const results = createResults();
  const deps = assembly.deps([{ name: 'gate', sink: { handle: results.handle } }], controller.signal);
  const checked = await preflightAll(assembly.providers, assembly.options, PREFLIGHT_LIMIT_MS, controller.signal);
  const unusable = checked.filter(({ status }) => status.status !== 'ran');
  const usable = checked.filter(({ status }) => status.status === 'ran').map(({ provider }) => provider);
  const confirm = (trials: readonly PlanItem[]) => {
    const confirmed = definition.yes === true || isCi(processEnvironment());
    const spending = plannedSpending(trials, usable, assembly.options);
    confirmSpending(spending, confirmed, (line) => process.stderr.write(`${line}\n`));
  };
  const items = await planRun(assembly.options, assembly.tasks, deps, usable, []);
  const plan = items.map(({ planned }) => planned);
  const title = [relative(process.cwd(), resolve(definition.paths.join(', '))), definition.agent ?? 'oracle'].join(
    ', ',
  );

  describe(`gate: ${title}`, () => {
    let running: Promise<JobOutcome> | null = null;
    let report: Report | null = null;

    beforeAll(() => {
      running = runJob(assembly.options, assembly.tasks, { ...deps, confirm });
      running.then(
        ({ folded }) => results.finish(folded.trials),
        (error: unknown) => results.fail(error),
      );
    });
    afterAll(async () => {
      controller.abort(new Error('the test file ended'));
      await running?.catch(() => undefined); // its failure has been every trial's
      await assembly.close();
    });

    test('every provider that was asked for can be used', () => {
      expect(unusable.map(({ status }) => `${providerTitle(status)}: ${status.reason}`)).toEqual([]);
    });

    const emulated = new Set<string>(usable.filter((provider) => provider.emulated).map(({ name }) => name));
    const nameOf = (planned: PlannedTrial) => testName(planned, plan, emulated.has(planned.provider));
    test.for(plan.map((planned) => [nameOf(planned), planned] as const))('%s', async ([, planned], context) => {
      if (planned.unsupported_reason !== null) return context.skip(planned.unsupported_reason);
      const record = await results.of(planned);
      if (!isAccepted(record, assembly.options.gate)) expect.fail(describeNonPass(record, assembly.options.gate));
    });

    test('trials were planned, and each has exactly one result', async () => {
      const outcome = await running;
      expect(plan.length).toBeGreaterThan(0);
      expect(outcome?.folded.trials.map(identityOf).sort()).toEqual(plan.map(identityOf).sort());
      expect(outcome?.reporterFaults).toEqual([]);
    });

    test('the gate is met and nothing is left behind', async () => {
      const outcome = await running;
      if (!outcome) throw new Error('the run did not start');
      ({ report } = await writeReports(assembly.options.dir, outcome.folded));
      expect(report.gate.reasons).toEqual([]);
      expect(report.gate.met).toBe(true);
      expect(report.providers.map(({ name, leaked_sandboxes }) => [name, leaked_sandboxes])).toEqual(
        report.providers.map(({ name }) => [name, 0]),
      );
    });
  });
}

function settingsOf(definition: GateDefinition): RunSettings {
  return {
    ...DEFAULT_SETTINGS,
    path: [...definition.paths],
    env: [...(definition.providers ?? [])],
    nConcurrent: definition.concurrency === undefined ? [] : [String(definition.concurrency)],
    includeTaskName: [...(definition.include ?? [])],
    excludeTaskName: [...(definition.exclude ?? [])],
    nAttempts: definition.repeats ?? 1,
    agent: definition.agent ?? 'oracle',
    minPassRate: definition.minPassRate ?? 1,
    emulated: definition.emulated ?? false,
    expectations: definition.expectations ?? null,
    jobsDir: definition.jobsDir ?? 'reports',
    jobName: definition.name ?? `gate-${new Date().toISOString().replace(/[:.]/g, '-')}`,
  };
}

/** What two plans of one suite have in common: trial names have a random part. */
function identityOf(trial: Pick<PlannedTrial, 'provider' | 'task' | 'repeat' | 'agent'>): string {
  return [trial.provider, trial.task, trial.agent, trial.repeat].join(' ');
}

/** One promise per trial; they never reject before someone waits for them. */
function createResults() {
  const settled = new Map<string, TrialRecord>();
  const waiting = new Map<string, { resolve: (record: TrialRecord) => void; reject: (error: unknown) => void }>();
  let failure: { error: unknown } | null = null;
  const settle = (record: TrialRecord) => {
    const key = identityOf(record);
    settled.set(key, record);
    waiting.get(key)?.resolve(record);
    waiting.delete(key);
  };
  return {
    handle(event: { type: string; record?: TrialRecord }) {
      if (event.type === 'trial_finished' && event.record) settle(event.record);
    },
    finish(trials: readonly TrialRecord[]) {
      for (const trial of trials) if (!settled.has(identityOf(trial))) settle(trial);
      const error = new Error('the run ended without a result for this trial');
      for (const [, { reject }] of waiting) reject(error);
      failure = { error };
    },
    fail(error: unknown) {
      failure = { error };
      for (const [, { reject }] of waiting) reject(error);
    },
    of(planned: PlannedTrial): Promise<TrialRecord> {
      const key = identityOf(planned);
      const record = settled.get(key);
      if (record) return Promise.resolve(record);
      if (failure) return Promise.reject(failure.error);
      return new Promise((resolvePromise, reject) => waiting.set(key, { resolve: resolvePromise, reject }));
    },
  };
}
