/** From nothing to a sandbox that is ready for the oracle: prepare_image, create, start, under one limit. */
import { createHash } from 'node:crypto';
import {
  EnvironmentStartTimeoutError,
  type ErrorDetails,
  ExecError,
  SandboxCreateError,
  SandboxLostError,
} from '../exception/errors.js';
import type { PreparedImage } from '../model/image.js';
import type { NetworkPolicy, ProviderContext, Sandbox } from '../model/provider.js';
import type { EnvironmentConfig } from '../model/task.js';
import type { Phase } from '../model/words.js';
import type { OffTheClock } from '../util/deadline.js';
import { type Attempt, warn } from './attempt.js';
import { sandboxLifetimeMs } from './bound.js';
import { type Box, housekeep, run, type Scope, said, text } from './exec.js';
import { imageHealthcheck } from './healthcheck.js';
import {
  type EnvironmentDefinition,
  mainDefinition,
  originOfSlowness,
  type PrepareRequest,
  prepareImage,
  resourcesOf,
} from './image.js';
import { HOUSEKEEPING_LIMIT_MS, showSeconds } from './limits.js';
import { networkSwitch } from './network.js';
import { runPhase } from './phases.js';
import type { TrialPlan } from './plan.js';
import { hearProvider } from './provider-events.js';
import { parseStartAnswer, START_SCRIPT } from './scripts.js';

/** The sandboxes of an attempt that exist and have to go; filled as they arrive, emptied by teardown. */
export type Live = Map<string, Sandbox>;

/** One clock over several phases. */
export interface Budget {
  readonly limitSec: number | null;
  /** Milliseconds, never below 0; null is no limit. */
  remainingMs(): number | null;
  /** Milliseconds that went by and do not count. */
  exclude(ms: number): void;
  expired(
    phase: Phase,
    doing: string,
    details?: Pick<ErrorDetails, 'origin' | 'harborType' | 'cause'>,
  ): EnvironmentStartTimeoutError;
}

/** The clock starts with the call. */
export function startBudget(attempt: Attempt, limit: number | null): Budget {
  const started = attempt.clock.monotonic();
  let excluded = 0;
  const elapsed = () => attempt.clock.monotonic() - started - excluded;
  // A build that others began has its own clock: it may expire soon after this trial joined it, and never before the limit.
  const waited = () => Math.max(elapsed() / 1000, limit ?? 0);
  return {
    limitSec: limit,
    remainingMs: () => (limit === null ? null : Math.max(0, limit * 1000 - elapsed())),
    exclude(ms) {
      excluded += ms;
    },
    expired: (phase, doing, details = {}) =>
      new EnvironmentStartTimeoutError(
        `the environment was not ready after ${showSeconds(waited())} (limit ${showSeconds(limit ?? 0)}): ` +
          `still in ${doing}, last state: ${attempt.providerState ?? 'none'}`,
        {
          phase,
          ...details,
          ...(attempt.providerState === null ? {} : { providerState: attempt.providerState }),
        },
      ),
  };
}

/** What a sandbox is made from. */
export interface BoxRequest {
  readonly role: 'main' | 'verifier';
  readonly step: string | null;
  readonly environment: EnvironmentConfig;
  readonly env: Readonly<Record<string, string>>;
  readonly network: NetworkPolicy;
  readonly networkWillChange: boolean;
}

/** The main sandbox of a trial: three phases, one budget. */
export async function startMain(attempt: Attempt, plan: TrialPlan, live: Live): Promise<Box> {
  const { task, settings } = attempt.input;
  const budget = startBudget(attempt, plan.buildLimitSec);
  let details: Pick<ErrorDetails, 'origin'> = {};
  const timed = <T>(phase: Phase, work: (signal: AbortSignal, queued: OffTheClock) => Promise<T>) => {
    const onExpiry = () => budget.expired(phase, phase, details);
    const deadline = { ms: budget.remainingMs(), onExpiry, onQueued: budget.exclude };
    return runPhase(attempt, phase, { limitSec: budget.limitSec, deadline }, async (signal, queued) => {
      if (deadline.ms === 0) throw onExpiry();
      return work(signal, queued);
    });
  };
  const { image, definition } = await timed('prepare_image', async (signal) => {
    const found = await mainDefinition(task, settings.forceBuild);
    details = { origin: originOfSlowness(found.spec) };
    const request: PrepareRequest = {
      spec: found.spec,
      forceBuild: settings.forceBuild,
      remainingMs: budget.remainingMs(),
      expired: (cause) => budget.expired('prepare_image', 'prepare_image', { ...details, cause }),
    };
    return { image: await prepareImage(attempt, request, signal), definition: found };
  });
  attempt.image = image;
  const preparation = attempt.phases.at(-1);
  if (preparation) preparation.shared = image.shared ?? false;
  details = {};
  const request: BoxRequest = {
    role: 'main',
    step: null,
    environment: task.config.environment,
    env: plan.mainEnv,
    network: plan.baseline,
    networkWillChange: plan.networkWillChange,
  };
  const sandbox = await timed('create', (signal, queued) =>
    createSandbox(attempt, request, image, { signal, queued }, live),
  );
  attempt.effective = sandbox.effective;
  attempt.interventions = sandbox.interventions;
  return timed('start', (signal) =>
    startBox(attempt, { phase: 'start', step: null, signal }, sandbox, image, request, definition),
  );
}

/** Creates the sandbox and puts it among the live ones; one that arrives after an abort is destroyed by the guard. */
export async function createSandbox(
  attempt: Attempt,
  request: BoxRequest,
  image: PreparedImage,
  { signal, queued }: Required<Pick<ProviderContext, 'signal' | 'queued'>>,
  live: Live,
): Promise<Sandbox> {
  const { input } = attempt;
  const lifetimeMs = sandboxLifetimeMs(request.role, input);
  const sandbox = await input.provider.create(
    {
      name: sandboxName(attempt, request),
      image,
      owner: input.owner,
      labels: {
        trial: input.trialName.slice(0, 63),
        task: input.task.id.slice(-63),
        role: request.role,
        attempt: String(input.attempt),
      },
      resources: resourcesOf(request.environment),
      env: request.env,
      workdir: request.environment.workdir,
      network: request.network,
      networkWillChange: request.networkWillChange,
      raw: input.settings.raw,
      ...(lifetimeMs === null ? {} : { lifetimeMs }),
    },
    { signal, queued, onEvent: (state, recovery) => hearProvider(attempt, state, recovery) },
  );
  if (signal.aborted) {
    // It arrived in the very moment of the abort: nobody waits for it any more.
    await sandbox[Symbol.asyncDispose]();
    throw signal.reason;
  }
  live.set(sandbox.id, sandbox);
  return sandbox;
}

/** Log directories, what the sandbox is like, the image's HEALTHCHECK, and the files beside a prebuilt image. */
export async function startBox(
  attempt: Attempt,
  scope: Scope,
  sandbox: Sandbox,
  image: PreparedImage,
  request: BoxRequest,
  definition: EnvironmentDefinition,
): Promise<Box> {
  const what = 'start (log directories)';
  const options = { cwd: '/', timeoutMs: HOUSEKEEPING_LIMIT_MS };
  const first = await run(attempt, { sandbox }, scope, what, ['sh', '-c', START_SCRIPT], options).catch(throwNeverRan);
  const answer = first.exitCode === 0 ? parseStartAnswer(text(first.stdout)) : null;
  if (!answer) {
    const words = `the log directories could not be made (exit code ${first.exitCode}): ${said(first)}`;
    if (first.exitCode !== 127) throw new ExecError(words);
    // Without sh the main process cannot start either; which of the two shows first must not decide about the type.
    throw new SandboxCreateError(`the image has no usable sh; ${words}`, { origin: 'task', retryable: false });
  }
  if (answer.uid !== 0) await housekeep(attempt, { sandbox }, scope, `${what} as root`, START_SCRIPT);
  if (answer.shell === 'sh') {
    warn(attempt, 'NoBash', 'the image has no bash; commands run under sh, where Harbor would fail');
  }
  if (image.healthcheck) await imageHealthcheck(attempt, { sandbox }, scope, image.healthcheck);
  if (definition.uploadDir !== null) {
    const workdir = request.environment.workdir ?? (await workdirOf(attempt, { sandbox }, scope));
    await sandbox.upload(definition.uploadDir, workdir, { signal: scope.signal });
  }
  return {
    sandbox,
    shell: answer.shell,
    imageUid: answer.uid,
    logsHasOthers: answer.logsHasOthers,
    network: networkSwitch(sandbox, request.network),
  };
}

/** A main process that is over before anything ran in its sandbox never came up: no sandbox was lost. */
function throwNeverRan(error: unknown): never {
  if (!(error instanceof SandboxLostError) || error.origin !== 'task') throw error;
  throw new SandboxCreateError(`${error.message} (an ENTRYPOINT has to run the command that it is given)`, {
    ...error.details,
    retryable: false,
  });
}

/** The directory in which a command without a cwd of its own starts. */
export async function workdirOf(
  attempt: Attempt,
  box: Pick<Box, 'sandbox'>,
  scope: Scope,
  user?: string | number,
): Promise<string> {
  const result = await run(attempt, box, scope, 'pwd', ['sh', '-c', 'pwd'], {
    timeoutMs: HOUSEKEEPING_LIMIT_MS,
    ...(user === undefined ? {} : { user }),
  });
  const path = text(result.stdout).replace(/\n$/, '');
  if (result.exitCode === 0 && path.startsWith('/')) return path;
  throw new ExecError(`pwd failed with exit code ${result.exitCode}: ${said(result)}`);
}

/**
 * Unique over runs, attempts and roles although providers fold case: the trial's random suffix is case-sensitive
 * (harbor-semantics 10, point 55), so a hash of everything stands behind the readable part.
 */
function sandboxName(attempt: Attempt, request: BoxRequest): string {
  const { owner, trialName, attempt: n } = attempt.input;
  const identity = [owner.runId, owner.owner, attempt.key, n, request.role, request.step].join('\n');
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 10);
  const readable = trialName
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return `pl-${readable}${readable === '' ? '' : '-'}${hash}`;
}
