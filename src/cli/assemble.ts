/** From settings to a run: tasks loaded, providers opened, options and dependencies complete. Used by `run` and by the gate. */
import { cpus, hostname, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { EnvironmentDefinitionError } from '../exception/errors.js';
import type { JobDeps } from '../job/deps.js';
import type { ImageSpec } from '../model/image.js';
import type { SandboxProvider } from '../model/provider.js';
import type { HostRecord } from '../model/record.js';
import type { RunOptions } from '../model/run.js';
import type { LoadedTask, Task } from '../model/task.js';
import type { NamedSink } from '../record/emitter.js';
import { createRedactor } from '../record/redact.js';
import type { SuiteLoad } from '../task/load-suite.js';
import { needsOf } from '../task/needs.js';
import { hasCompose } from '../task/task-files.js';
import { mainDefinition } from '../trial/image.js';
import { runAttempt } from '../trial/run-attempt.js';
import { chooseTasks } from './choose-tasks.js';
import type { EmulatedEnv } from './emulated.js';
import { startEmulation } from './emulation.js';
import { readEnvFile } from './env-file.js';
import type { Env } from './environment.js';
import { gateOptions } from './gate-options.js';
import type { CliIo } from './io-types.js';
import { readFailedTrials } from './only-failed.js';
import { providerSettings } from './provider-settings.js';
import { assignments, concurrencies, parseShard, type RunSettings } from './run-settings.js';
import { secretSources } from './secrets.js';
import { defaultProvider, openSession, providerNames, type Session } from './session.js';
import { UsageError } from './usage-error.js';

export interface Assembly {
  readonly options: RunOptions;
  readonly tasks: readonly LoadedTask[];
  readonly notes: readonly string[];
  readonly providers: readonly SandboxProvider[];
  readonly session: Session;
  /** What became of the faults that the emulators were told to act out. */
  faultsReport(): string[];
  deps(sinks: readonly NamedSink[], signal: AbortSignal): JobDeps;
  /** Closes providers, emulators and the journal. */
  close(): Promise<void>;
}

type World = Pick<CliIo, 'env' | 'cwd' | 'version'>;

/** @throws UsageError for everything that a person can mend by calling differently */
export async function assemble(
  settings: RunSettings,
  argv: readonly string[],
  io: World,
  say: (line: string) => void,
): Promise<Assembly> {
  const kwargs = providerSettings(settings.environmentKwarg);
  const suite = await loadTasks(settings, io, say);
  const only = settings.onlyFailed === null ? null : await readFailedTrials(settings.onlyFailed);
  const emulation = await emulationOf(settings, io, say);
  const session = openSession({ env: { ...io.env, ...emulation?.env } }, kwargs);
  const opened = await openProviders(settings, session, say);
  const providers = opened.map((provider) => emulation?.annotated(provider) ?? provider);
  const { all, per } = concurrencies(settings.nConcurrent);
  for (const name of Object.keys(per)) providerNames([name]);
  const fileEnv = settings.envFile === null ? {} : await readEnvFile(settings.envFile);
  const hostEnv: Env = { ...io.env, ...fileEnv };
  const verifierEnv = assignments('--ve', settings.verifierEnv);
  const name = settings.jobName ?? runName(new Date());
  const options: RunOptions = {
    name,
    dir: resolve(io.cwd, settings.jobsDir, name),
    argv,
    cwd: io.cwd,
    settings: {
      agent: settings.agent,
      timeoutMultiplier: settings.timeoutMultiplier,
      agentTimeoutMultiplier: settings.agentTimeoutMultiplier,
      verifierTimeoutMultiplier: settings.verifierTimeoutMultiplier,
      environmentBuildTimeoutMultiplier: settings.environmentBuildTimeoutMultiplier,
      forceBuild: settings.forceBuild,
      raw: settings.raw,
      verifierEnv,
      keep: settings.delete ? (settings.keepFailed ? 'failed' : 'never') : 'always',
    },
    retry: { maxRetries: settings.maxRetries, include: settings.retryInclude, exclude: settings.retryExclude },
    repeats: settings.nAttempts,
    withNop: settings.withNop,
    concurrency: {
      ...Object.fromEntries(providers.map((provider) => [provider.name, all ?? provider.defaultConcurrency])),
      ...per,
    },
    maxConcurrent: settings.maxConcurrent,
    failFast: settings.failFast,
    maxRunTimeSec: settings.maxRunTime,
    shard: settings.shard === null ? null : parseShard(settings.shard),
    resume: settings.resume,
    only,
    gate: await gateOptions(settings, only !== null, io.cwd, providers),
  };
  return {
    options,
    tasks: suite.tasks,
    notes: suite.notes,
    providers,
    session,
    faultsReport: () => emulation?.faultsReport() ?? [],
    deps: (sinks, signal) => ({
      providers,
      sinks,
      runAttempt,
      needsOf: (task) => needsOf(task.config, { hasCompose: hasCompose(task.dir) }),
      imagesOf,
      ownerOf: session.ownerOf,
      redact: createRedactor(secretSources({ tasks: suite.tasks, hostEnv, fileEnv, verifierEnv })),
      host: hostRecord(),
      version: io.version,
      hostEnv,
      now: () => new Date(),
      random: Math.random,
      signal,
      providerSettings: kwargs,
    }),
    async close() {
      await Promise.all(providers.map((provider) => provider.close?.()));
      await emulation?.close();
      await session.journal.close();
    },
  };
}

async function emulationOf(settings: RunSettings, io: World, say: (line: string) => void): Promise<EmulatedEnv | null> {
  if (settings.emulated) return await startEmulation(settings.env, settings.faults, io, say);
  if (settings.faults === null) return null;
  throw new UsageError('--faults is a script for emulators', 'add --emulated, with which no real service is asked');
}

async function loadTasks(settings: RunSettings, io: World, say: (line: string) => void): Promise<SuiteLoad> {
  const filters = { include: settings.includeTaskName, exclude: settings.excludeTaskName, limit: settings.nTasks };
  const suite = await chooseTasks(settings, filters, io, say);
  // Inside a suite an invalid task is a trial with TaskConfigError; one that was named directly is a mistake of the call.
  const direct = suite.tasks.flatMap((task) => (!task.ok && task.invalid.suite === null ? [task.invalid] : []));
  if (direct.length > 0) {
    const lines = direct.flatMap(({ problems }) =>
      problems.map(
        ({ file, line, column, key, message, fix }) => `${file}:${line}:${column} ${key}: ${message}; ${fix}`,
      ),
    );
    throw new UsageError(`${direct.length === 1 ? 'the task is' : 'tasks are'} not valid:\n  ${lines.join('\n  ')}`);
  }
  return suite;
}

async function openProviders(
  settings: RunSettings,
  session: Session,
  say: (line: string) => void,
): Promise<SandboxProvider[]> {
  const names = providerNames([...settings.env, ...settings.require.filter((name) => !settings.env.includes(name))]);
  if (names.length > 0) return await Promise.all(names.map((name) => session.open(name)));
  const chosen = await defaultProvider(session, new AbortController().signal);
  say(`no -e was given: ${chosen.provider.name}, because ${chosen.why}`);
  return [chosen.provider];
}

/** What a task will ask its provider to prepare. A task without a definition has nothing to prepare; its trial says why. */
async function imagesOf(task: Task, forceBuild: boolean): Promise<ImageSpec[]> {
  try {
    return [(await mainDefinition(task, forceBuild)).spec];
  } catch (error) {
    if (error instanceof EnvironmentDefinitionError) return [];
    throw error;
  }
}

/** Harbor's default job name: local time (harbor-semantics 5.1). */
export function runName(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `${date}__${[two(now.getHours()), two(now.getMinutes()), two(now.getSeconds())].join('-')}`;
}

function hostRecord(): HostRecord {
  return {
    hostname: hostname(),
    platform: process.platform,
    arch: process.arch,
    cpus: cpus().length,
    memory_mb: Math.round(totalmem() / 2 ** 20),
    node: process.version,
  };
}
