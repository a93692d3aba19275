/** The command line as data: names, flags, help and examples. Handlers are imported only when their command runs. */
import { Command, CommanderError, Option } from 'commander';
import { addDatasetCommands } from './datasets-program.js';
import { addEmulateCommand } from './emulate-program.js';
import { collect, nonNegativeInteger, positiveInteger, positiveNumber, rate } from './flag-values.js';
import type { Handler, Run } from './handler.js';
import { addImageCommands } from './image-program.js';
import type { CliIo } from './io-types.js';
import { taskSources } from './task-flags.js';

/** Runs one command line (without node and script) and resolves with the exit code; never ends the process. */
export async function main(argv: readonly string[], io: CliIo): Promise<number> {
  let exitCode = 0;
  const run = (load: () => Promise<Handler>) =>
    async function (this: Command): Promise<void> {
      const handler = await load();
      exitCode = await handler(this.args, this.optsWithGlobals(), io, argv);
    };
  const program = createProgram(run, io);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { explain } = await import('./explain.js');
    return explain(error, io);
  }
}

/** The whole command tree; `run` binds a lazily loaded handler to a command. */
export function createProgram(run: Run, io: Pick<CliIo, 'version' | 'stdout' | 'stderr' | 'columns'>): Command {
  const program = new Command('plumbline')
    .description(
      'Runs the reference solution of every task on sandbox providers: anything below 1.0 is a broken environment.',
    )
    .version(io.version, '-V, --version')
    .showSuggestionAfterError(true)
    .showHelpAfterError('(plumbline COMMAND --help lists the flags)')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: io.stdout,
      writeErr: io.stderr,
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
    })
    .addHelpText('after', EXAMPLES);
  addRun(program, run);
  taskSources(program.command('list'))
    .description('show the tasks of a suite or dataset and what each needs of a provider')
    .argument('[path...]', 'task directories and suites')
    .option('--json', 'machine-readable')
    .option('-i, --include-task-name <glob>', 'only these tasks (repeatable)', collect)
    .option('-x, --exclude-task-name <glob>', 'not these tasks (repeatable)', collect)
    .option('-l, --n-tasks <n>', 'at most n tasks', positiveInteger)
    .addHelpText(
      'after',
      examples(
        'plumbline list suites/reference',
        'plumbline list suites/reference --json | jq ".tasks[].id"',
        'plumbline list -d terminal-bench/terminal-bench-2-1',
      ),
    )
    .action(run(async () => (await import('./list-command.js')).listCommand));
  program
    .command('check')
    .description('validate tasks without a sandbox: every error and warning with file, line and fix')
    .argument('<path...>', 'task directories, suites and task.toml files')
    .option('--json', 'machine-readable')
    .option('--dump', 'with --json: the configuration after defaults')
    .option('--strict', 'warnings are errors')
    .addHelpText(
      'after',
      examples(
        'plumbline check suites/reference',
        'plumbline check my-task --strict',
        'plumbline check task.toml --json --dump',
      ),
    )
    .action(run(async () => (await import('./check-command.js')).checkCommand));
  taskSources(program.command('prepare').option('-p, --path <path>', 'task directory or suite (repeatable)', collect))
    .description('find, import or build every image of a suite on a provider, ahead of a run')
    .option('-e, --env <provider>', 'provider (repeatable)', collect)
    .option('-i, --include-task-name <glob>', 'only these tasks (repeatable)', collect)
    .option('-x, --exclude-task-name <glob>', 'not these tasks (repeatable)', collect)
    .option('-n, --n-concurrent <n>', 'images at a time', positiveInteger)
    .option('--force-build', 'build even where a built image or a docker_image exists')
    .option('--emulated', 'prepare on our emulators of the chosen remote providers')
    .option('--faults <file>', 'what the emulators do wrong (TOML, docs/providers.md); needs --emulated')
    .option('--ek, --environment-kwarg <name=value>', 'setting of the provider (repeatable)', collect)
    .option('-q, --quiet', 'no states and no logs, only a line per task and what a run would still have to make')
    .addHelpText(
      'after',
      examples(
        'plumbline prepare -p suites/reference -e docker',
        'plumbline prepare -p suites/reference -e e2b --emulated -q',
      ),
    )
    .action(run(async () => (await import('./prepare.js')).prepareCommand));
  program
    .command('report')
    .description(
      'write the reports of a run again from its events alone; several runs or a Harbor job directory with -o',
    )
    .argument('<run...>', 'run directories (or Harbor job directories)')
    .option('-o, --output <dir>', 'where to write; default is the run itself')
    .addHelpText(
      'after',
      examples('plumbline report reports/2026-01-31__02-00-00', 'plumbline report jobs/harbor-job -o /tmp/report'),
    )
    .action(run(async () => (await import('./report.js')).reportCommand));
  program
    .command('compare')
    .description('what changed between two runs: regressed, fixed, changed type, missing, new')
    .argument('<base>', 'run directory')
    .argument('<head>', 'run directory')
    .option('--json', 'machine-readable')
    .addHelpText('after', examples('plumbline compare reports/yesterday reports/today'))
    .action(run(async () => (await import('./compare.js')).compareCommand));
  program
    .command('merge')
    .description('join shards, or one run per provider, into one comparison')
    .argument('<run...>', 'run directories')
    .requiredOption('-o, --output <dir>', 'where the joined run is written')
    .option('--job-name <name>', 'name of the joined run; default: those of its parts')
    .option(
      '--require <provider>',
      'exit 3 when this provider has no run, or could not be used in it (repeatable)',
      collect,
    )
    .option(
      '--skipped <provider=reason>',
      'show a provider that was left out on purpose, and why (repeatable)',
      collect,
    )
    .option('--expectations <file>', 'known non-passes (TOML), in place of those of the runs')
    .option('--baseline <file>', 'last accepted result, in place of those of the runs (repeatable)', collect)
    .option('--update-baseline', 'write reports/baseline/<provider>.json from the joined run')
    .option('--history <file>', 'add a line for the joined run and draw the trend of the last runs')
    .option('--reporter <name[=file]>', 'as for run (repeatable)', collect)
    .addHelpText(
      'after',
      examples(
        'plumbline merge reports/docker reports/modal -o reports/nightly',
        'plumbline merge parts/* -o reports/nightly --history reports/history.jsonl --reporter github',
      ),
    )
    .action(run(async () => (await import('./merge.js')).mergeCommand));
  program
    .command('reap')
    .description('delete what dead runs left behind on a provider')
    .option('-e, --env <provider>', 'provider (repeatable); default: every one that answers', collect)
    .option('--run <id>', 'only this run')
    .option('--dry-run', 'show, delete nothing')
    .option('--force', 'also what a live owner holds')
    .option('--images', 'also built images, which are cache and not leaks')
    .addHelpText('after', examples('plumbline reap --dry-run', 'plumbline reap -e docker'))
    .action(run(async () => (await import('./reap.js')).reapCommand));
  program
    .command('providers')
    .description('which providers can be used here, and what the others lack')
    .option('--json', 'machine-readable')
    .action(run(async () => (await import('./providers.js')).providersCommand));
  addDatasetCommands(program, run);
  addEmulateCommand(program, run);
  addImageCommands(program, run);
  return program;
}

function addRun(program: Command, run: Run): void {
  taskSources(program.command('run').option('-p, --path <path>', 'task directory or suite (repeatable)', collect))
    .description('run oracle trials, print the report, apply the gate')
    .allowExcessArguments(true) // the handler says what was meant
    .option(
      '-e, --env <provider>',
      'provider (repeatable); default: docker when an engine answers, else embedded',
      collect,
    )
    .option(
      '-n, --n-concurrent <n>',
      'trials at a time on each provider, or on one: docker=2 (repeatable; default: what the provider suggests, 4 or fewer on local ones)',
      collect,
    )
    .option('--max-concurrent <n>', 'trials at a time in all', positiveInteger)
    .option('-k, --n-attempts <n>', 'repeats of each task (default: 1)', positiveInteger)
    .option('-i, --include-task-name <glob>', 'only these tasks (repeatable)', collect)
    .option('-x, --exclude-task-name <glob>', 'not these tasks (repeatable)', collect)
    .option('-l, --n-tasks <n>', 'at most n tasks', positiveInteger)
    .option('--shard <k/n>', 'the k-th of n parts of the plan')
    .option('--only-failed <run>', 'only what did not pass in that run')
    .addOption(
      new Option('-a, --agent <agent>', 'what runs before the verifier (default: oracle)').choices(['oracle', 'nop']),
    )
    .option('--with-nop', 'also check that doing nothing does not pass')
    .option('-o, --jobs-dir <dir>', 'where runs are written (default: reports)')
    .option('--job-name <name>', 'name of the run; default: the time')
    .option('--resume', 'go on with an existing run: keep what is finished')
    .option(
      '-r, --max-retries <n>',
      'fresh sandboxes after a provider or network error (default: 0)',
      nonNegativeInteger,
    )
    .option('--retry-include <type>', 'exception type to retry whatever its origin (repeatable)', collect)
    .option('--retry-exclude <type>', 'exception type never to retry (repeatable)', collect)
    .option('--timeout-multiplier <x>', 'stretches every limit of a task', positiveNumber)
    .option('--agent-timeout-multiplier <x>', 'stretches the oracle’s limit', positiveNumber)
    .option('--verifier-timeout-multiplier <x>', 'stretches the verifier’s limit', positiveNumber)
    .option(
      '--environment-build-timeout-multiplier <x>',
      'stretches the limit of image, create and start',
      positiveNumber,
    )
    .option('--force-build', 'build even where a built image or a docker_image exists')
    .option('--no-delete', 'keep every sandbox')
    .option('--keep-failed', 'keep the sandbox of a non-pass')
    .option('--emulated', 'run the chosen remote providers against our emulators of them; results are labelled')
    .option('--faults <file>', 'what the emulators do wrong (TOML, docs/providers.md); needs --emulated')
    .option('--raw', 'no interventions of the provider adapter that can be left out')
    .option('--ve, --verifier-env <name=value>', 'variable for the verifier (repeatable)', collect)
    .option('--ek, --environment-kwarg <name=value>', 'setting of the provider (repeatable)', collect)
    .option('--env-file <file>', 'variables for the host templates of tasks')
    .option('-c, --config <file>', 'a Harbor job configuration (JSON); flags win')
    .option('--print-config', 'print what would be used and where each value comes from, run nothing')
    .option('--dry-run', 'print the plan, run nothing')
    .option('--require <provider>', 'exit 3 when this provider cannot be used (repeatable)', collect)
    .option('--min-pass-rate <x>', 'the gate (default: 1)', rate)
    .option('--fail-on-unsupported', 'an unsupported trial is a non-pass')
    .option('--expectations <file>', 'known non-passes (TOML); each must fail as written')
    .option(
      '--baseline <file>',
      'last accepted result: a regression or a missing task fails the gate (repeatable)',
      collect,
    )
    .option('--update-baseline', 'write reports/baseline/<provider>.json from this run')
    .option(
      '--history <file>',
      'add a line for this run to the file (history.jsonl) and draw the trend of the last runs',
    )
    .option('--fail-fast', 'start nothing more after the first non-pass')
    .option('--max-run-time <seconds>', 'start nothing more, and stop what runs, after this time', positiveNumber)
    .option(
      '--reporter <name[=file]>',
      'json, junit, markdown, html, github, ctrf beside the usual files (repeatable)',
      collect,
    )
    .option('-y, --yes', 'start also when a paid provider may be used for more than 10 sandbox-hours')
    .option('-q, --quiet', 'only the summary')
    .addHelpText(
      'after',
      examples(
        'plumbline run -p suites/reference',
        'plumbline run -d terminal-bench/terminal-bench-2-1 -e tensorlake',
        'plumbline run -p my-tasks -e docker -n 2 -i "web-*"',
        'plumbline run -p my-tasks -e docker -e embedded -k 5        # side by side, each task five times',
        'plumbline run -p my-tasks --job-name nightly --resume       # go on after an interruption',
        'plumbline run -p suites/faults --expectations suites/faults/expectations.toml',
      ),
    )
    .addHelpText('after', EXIT_CODES)
    .action(run(async () => (await import('./run.js')).runCommand));
}

const EXAMPLES = examples(
  'plumbline run -p suites/reference            run a suite, print the report, exit 0 only at pass rate 1.0',
  'plumbline check my-task                      what is wrong with this task, before any sandbox is made',
  'plumbline providers                          what can be used here',
);

const EXIT_CODES = `
Exit codes:
  0 gate met   1 gate not met   2 usage or configuration   3 no usable provider   4 harness fault
  130/143 interrupted, after clean-up and a partial report`;

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}
