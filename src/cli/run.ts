/** `plumbline run`: settings → run → reports → exit code. */
import { relative, resolve } from 'node:path';
import { exitCodeOf } from '../compare/exit-code.js';
import type { JobDeps } from '../job/deps.js';
import { EmptyPlanError, RunDirectoryError, RunExistsError } from '../job/errors.js';
import type { PlanItem } from '../job/plan.js';
import { type JobOutcome, runJob } from '../job/run-job.js';
import { EventLogError } from '../record/read-events.js';
import { createConsoleReporter } from '../report/console-reporter.js';
import { renderConsoleSummary } from '../report/console-summary.js';
import type { Screen } from '../report/screen.js';
import { type Assembly, assemble } from './assemble.js';
import { dryRun } from './dry-run.js';
import { isCi } from './environment.js';
import type { CliIo } from './io-types.js';
import { finishReports, parseReporters } from './reporters.js';
import { resolveSettings } from './resolve-settings.js';
import { watchSignals } from './signals.js';
import { confirmSpending, plannedSpending } from './spending.js';
import { UsageError } from './usage-error.js';

export async function runCommand(
  args: string[],
  flags: Record<string, unknown>,
  io: CliIo,
  argv: readonly string[],
): Promise<number> {
  if (args.length > 0) throw new UsageError(`run takes no argument "${args[0]}"`, `name tasks with -p ${args[0]}`);
  const resolved = await resolveSettings(flags);
  const settings = resolved.values;
  for (const warning of resolved.warnings) io.stderr(`warning: ${warning}\n`);
  if (flags['printConfig'] === true) {
    const rows = Object.entries(settings).map(([key, value]) => [
      key,
      { value, source: resolved.sources[key as keyof typeof settings] },
    ]);
    io.stdout(`${JSON.stringify(Object.fromEntries(rows), null, 2)}\n`);
    return 0;
  }
  const reporters = parseReporters(settings.reporter);
  const assembly = await assemble(settings, argv, io, (line) => io.stderr(`${line}\n`));
  for (const note of assembly.notes) io.stderr(`note: ${note}\n`);
  if (flags['dryRun'] === true) return await dryRun(assembly, io);

  const screen = screenOf(io);
  const signals = watchSignals(io, assembly.session);
  try {
    const confirm = (plan: readonly PlanItem[]) => {
      const spending = plannedSpending(plan, assembly.providers, assembly.options);
      confirmSpending(spending, flags['yes'] === true || isCi(io.env), (line) => io.stderr(`${line}\n`));
    };
    const reporter = createConsoleReporter(screen, { quiet: settings.quiet });
    const outcome = await execute(assembly, signals.signal, reporter, confirm);
    const request = {
      dir: assembly.options.dir,
      reporters,
      updateBaseline: settings.updateBaseline,
      history: settings.history === null ? null : resolve(io.cwd, settings.history),
      faults: outcome.reporterFaults.map(({ name, message }) => `${name}: ${message}`),
    };
    const finished = await finishReports(outcome.folded, request, io);
    io.stdout(
      `\n${renderConsoleSummary(finished.report, screen, {
        dir: shown(io.cwd, assembly.options.dir),
        files: finished.files.map((file) => shown(io.cwd, file)),
        faults: finished.faults,
      })}`,
    );
    for (const line of assembly.faultsReport()) io.stderr(`${line}\n`);
    return exitCodeOf(finished.report, {
      interruptedBy: signals.received,
      harnessFault: finished.faults.length > 0,
      requiredProviders: settings.require,
    });
  } finally {
    signals.close();
    await assembly.close();
  }
}

/** Runs the job; what can be mended by calling differently becomes a UsageError. */
async function execute(
  assembly: Assembly,
  signal: AbortSignal,
  reporter: Parameters<Assembly['deps']>[0][number]['sink'],
  confirm: NonNullable<JobDeps['confirm']>,
): Promise<JobOutcome> {
  try {
    const deps = assembly.deps([{ name: 'console', sink: reporter, replay: true }], signal);
    return await runJob(assembly.options, assembly.tasks, { ...deps, confirm });
  } catch (error) {
    if (error instanceof RunExistsError) throw new UsageError(error.message, error.fix);
    if (error instanceof RunDirectoryError) throw new UsageError(error.message, 'choose another place with -o');
    if (error instanceof EmptyPlanError || error instanceof EventLogError) throw new UsageError(error.message);
    throw error;
  }
}

function screenOf(io: CliIo): Screen {
  return {
    isTTY: io.isTTY,
    color: io.color,
    get columns() {
      return io.columns;
    },
    get rows() {
      return io.rows;
    },
    write: (text) => io.stdout(text),
  };
}

function shown(cwd: string, path: string): string {
  const short = relative(cwd, path);
  return short === '' || short.startsWith('..') ? path : short;
}
