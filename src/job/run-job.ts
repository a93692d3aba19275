/** One run from the first preflight to the last event. It always ends with a record for every planned trial. */
import { randomUUID } from 'node:crypto';
import { type ProviderStatus, trialKeyOf } from '../model/event.js';
import type { RunRecord } from '../model/record.js';
import type { FoldedRun, RunOptions } from '../model/run.js';
import type { LoadedTask } from '../model/task.js';
import { providerTitle } from '../model/words.js';
import { createEmitter, type Emitter, type SinkFault } from '../record/emitter.js';
import { RunFolder } from '../record/fold.js';
import { secondsBetween, unfinishedRecord } from '../record/unfinished-trial.js';
import type { JobDeps } from './deps.js';
import { EmptyPlanError } from './errors.js';
import type { PlanItem } from './plan.js';
import { planRun } from './plan-run.js';
import { type CheckedProvider, preflightAll } from './preflight.js';
import { keptRecords, settingsOf } from './resume.js';
import { earlierEvents, inspectRunDirectory, openRunLog, readEarlierRun, withRunDirectory } from './run-directory.js';
import { runProviders } from './run-providers.js';
import { createStopSwitch, Interrupt } from './stop.js';

export interface JobOutcome {
  readonly folded: FoldedRun;
  readonly providerStatuses: readonly ProviderStatus[];
  /** Reporters, the log or result files that failed: the run ends with exit code 4. */
  readonly reporterFaults: readonly SinkFault[];
}

const PROVIDER_LIMIT_MS = 30_000;

/**
 * Runs a job. A task or a provider that fails is part of the result.
 * @throws RunExistsError, RunDirectoryError, EmptyPlanError (nothing was touched), EventLogError (a resumed log cannot be
 * read), the abort reason of an interrupt that came before the first event, or the file system's error when the log cannot be
 * created
 */
export async function runJob(options: RunOptions, tasks: readonly LoadedTask[], deps: JobDeps): Promise<JobOutcome> {
  await inspectRunDirectory(options.dir, options.resume);
  return withRunDirectory(options.dir, () => runAlone(options, tasks, deps));
}

async function runAlone(options: RunOptions, tasks: readonly LoadedTask[], deps: JobDeps): Promise<JobOutcome> {
  const state = await inspectRunDirectory(options.dir, options.resume);
  const earlier = state === 'resumable' ? await readEarlierRun(options.dir) : null;
  const limitMs = deps.providerLimitMs ?? PROVIDER_LIMIT_MS;
  const checked = await preflightAll(deps.providers, options, limitMs, deps.signal);
  const plan = await planOf(options, tasks, deps, checked, earlier);
  const statuses = checked.map(({ status }) => withoutWork(status, plan));
  const settings = settingsOf(options, deps.providerSettings ?? {});
  const kept = earlier ? keptRecords(earlier, { plan, providers: statuses, settings }, deps.redact) : new Map();
  deps.confirm?.(plan.filter(({ planned }) => !kept.has(trialKeyOf(planned))));

  const startedAt = deps.now().toISOString();
  const log = await openRunLog(options.dir, state);
  const folder = earlier ?? new RunFolder();
  const emitter = createEmitter({
    sinks: [
      { name: 'events.jsonl', sink: log },
      { name: 'fold', sink: { handle: (event) => folder.apply(event) } },
      ...deps.sinks,
    ],
    now: deps.now,
    redact: deps.redact,
    firstSeq: earlier?.nextSeq ?? 0,
  });
  try {
    const run = runRecord(options, deps, startedAt, earlier?.result().run ?? null);
    if (earlier) {
      for await (const event of earlierEvents(options.dir)) if (event.seq < earlier.nextSeq) emitter.replay(event);
      emitter.emit({ type: 'run_resumed', run, kept: [...kept.keys()], gate: options.gate, settings });
    } else {
      emitter.emit({ type: 'run_started', run, gate: options.gate, settings });
    }
    emitter.emit({ type: 'run_planned', providers: statuses, trials: plan.map((item) => item.planned) });
    if (log.droppedTornLine) warn(emitter, 'TornEventLog', 'the last line of the event log was cut off and is gone');
    for (const { provider, warnings } of checked) {
      for (const warning of warnings) warn(emitter, 'ProviderWarning', `${providerTitle(provider)}: ${warning}`);
    }
    emitUnsupported(plan, checked, emitter, deps);

    let interrupted = false;
    const stop = createStopSwitch(deps.signal, options.maxRunTimeSec, (reason) => {
      interrupted = reason instanceof Interrupt || deps.signal.aborted;
      if (interrupted) {
        emitter.emit({ type: 'interrupted', signal: reason instanceof Interrupt ? reason.signal : String(reason) });
      } else {
        warn(emitter, 'MaxRunTime', reason instanceof Error ? reason.message : String(reason));
      }
    });
    const owner = deps.ownerOf(run.id);
    try {
      await runProviders({ options, deps, run, owner, emitter, stop, plan, kept, checked, limitMs });
    } finally {
      stop.close();
    }

    const finishedAt = deps.now().toISOString();
    const wallClock = secondsBetween(startedAt, finishedAt);
    emitter.emit({ type: 'run_finished', finished_at: finishedAt, wall_clock_sec: wallClock, interrupted });
  } finally {
    await emitter.close();
  }
  return { folded: folder.result(), providerStatuses: statuses, reporterFaults: emitter.faults };
}

async function planOf(
  options: RunOptions,
  tasks: readonly LoadedTask[],
  deps: JobDeps,
  checked: readonly CheckedProvider[],
  earlier: RunFolder | null,
): Promise<PlanItem[]> {
  const usable = checked.filter(({ status }) => status.status === 'ran');
  const plan = await planRun(
    options,
    tasks,
    deps,
    usable.map(({ provider }) => provider),
    earlier?.planned ?? [],
  );
  if (plan.length > 0 || usable.length === 0) return plan;
  throw new EmptyPlanError('no trial is left to run after filters, the shard and --only-failed');
}

/** A provider that could run and has nothing to do did not run. */
function withoutWork(status: ProviderStatus, plan: readonly PlanItem[]): ProviderStatus {
  if (status.status !== 'ran' || plan.some((item) => item.planned.provider === status.name)) return status;
  return { ...status, status: 'skipped', reason: 'no trial was planned for it' };
}

function runRecord(options: RunOptions, deps: JobDeps, startedAt: string, earlier: RunRecord | null): RunRecord {
  return {
    id: earlier?.id ?? randomUUID(),
    name: options.name,
    started_at: earlier?.started_at ?? startedAt,
    finished_at: null,
    wall_clock_sec: null,
    plumbline_version: deps.version,
    host: deps.host,
    argv: [...options.argv],
    interrupted: false,
  };
}

/** These end before they start: nothing more can be learned about them. */
function emitUnsupported(
  plan: readonly PlanItem[],
  checked: readonly CheckedProvider[],
  emitter: Emitter,
  deps: JobDeps,
): void {
  const emulated = new Map(checked.map(({ provider }) => [provider.name as string, provider.emulated]));
  for (const { planned } of plan) {
    if (planned.unsupported_reason === null) continue;
    const facts = { emulated: emulated.get(planned.provider) ?? false, at: deps.now().toISOString() };
    emitter.emit({
      type: 'trial_finished',
      record: unfinishedRecord(planned, undefined, { outcome: 'unsupported', ...facts }),
    });
  }
}

function warn(emitter: Emitter, code: string, message: string): void {
  emitter.emit({ type: 'warning', trial: null, warning: { code, message } });
}
