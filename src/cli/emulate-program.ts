/** The `emulate` command as data. */
import { type Command, Option } from 'commander';
import { positiveInteger } from './flag-values.js';
import type { Run } from './handler.js';

export function addEmulateCommand(program: Command, run: Run): void {
  program
    .command('emulate')
    .description('run a remote provider’s API on loopback, backed by a local provider; prints the variables to set')
    .argument('<provider>', 'tensorlake, modal, daytona or e2b')
    .addOption(
      new Option('--backend <provider>', 'where its sandboxes run (default: embedded, else docker)').choices([
        'embedded',
        'docker',
      ]),
    )
    .option('--faults <file>', 'what it does wrong (TOML, docs/providers.md)')
    .option('--list-calls', 'print the calls that it answers and the faults that each can have, start nothing')
    .option('--port <n>', 'port on 127.0.0.1; default: a free one', positiveInteger)
    .addHelpText(
      'after',
      '\nExamples:\n  $ plumbline emulate e2b > e2b.env &   # then: . ./e2b.env\n  $ plumbline emulate e2b --backend docker --port 8099' +
        '\n  $ plumbline emulate daytona --list-calls\n  $ plumbline emulate daytona --faults faults.toml',
    )
    .action(run(async () => (await import('./emulate.js')).emulateCommand));
}
