import { describe, expect, test } from 'vitest';
import { fakeIo } from '../testing/fake-io.js';
import { main } from './program.js';

async function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = fakeIo();
  const code = await main(argv, io);
  return { code, out: io.text.stdout, err: io.text.stderr };
}

describe('the command line', () => {
  test('--help lists the commands, examples and exit codes, and succeeds', async () => {
    const { code, out } = await cli('--help');
    expect(code).toBe(0);
    for (const word of ['run', 'check', 'reap', 'providers', 'Examples:']) expect(out).toContain(word);
    expect((await cli('run', '--help')).out).toContain('Exit codes:');
  });

  test('a wrong flag is exit 2 and names the nearest match', async () => {
    const { code, err } = await cli('run', '--max-retry', '1');
    expect(code).toBe(2);
    expect(err).toContain('--max-retries');
  });

  test('a wrong command is exit 2 and names the nearest match', async () => {
    const { code, err } = await cli('chek', 'x');
    expect(code).toBe(2);
    expect(err).toContain('check');
  });

  test.each([
    ['no task', ['run'], '-p'],
    ['an argument instead of -p', ['run', 'suites/reference'], '-p suites/reference'],
    ['a path that is not there', ['run', '-p', 'no/such/suite'], 'no/such/suite'],
    ['an unknown provider', ['run', '-p', 'suites/reference', '-e', 'dokcer'], 'docker'],
    ['a number that is none', ['run', '-p', 'suites/reference', '-k', '0'], 'whole number'],
    ['a rate above 1', ['run', '-p', 'suites/reference', '--min-pass-rate', '2'], '0 to 1'],
    ['a shard out of range', ['run', '-p', 'suites/reference', '-e', 'embedded', '--shard', '6/5'], '--shard'],
    ['a pattern without a match', ['run', '-p', 'suites/reference', '-e', 'embedded', '-i', 'zzz*'], 'zzz*'],
    ['an unknown reporter', ['run', '-p', 'suites/reference', '--reporter', 'xml'], 'junit'],
    [
      'expectations that are not there',
      ['run', '-p', 'suites/reference', '-e', 'embedded', '--expectations', 'no.toml'],
      'no.toml',
    ],
    [
      'faults without emulators',
      ['run', '-p', 'suites/faults-remote', '-e', 'modal', '--faults', 'suites/faults-remote/faults.toml'],
      '--emulated',
    ],
    [
      'faults that are not there',
      ['run', '-p', 'suites/faults-remote', '-e', 'modal', '--emulated', '--faults', 'no.toml'],
      'no.toml',
    ],
    ['a report of nothing', ['report', 'no/such/run'], 'no/such/run'],
    ['an invalid task named directly', ['run', '-p', 'suites/faults/config-invalid', '-e', 'embedded'], 'cpus'],
  ])('%s is exit 2 and says what to write', async (_, argv, word) => {
    const { code, err } = await cli(...argv);
    expect(err).toContain(word);
    expect(code).toBe(2);
  });

  test('check finds the mistakes of a task and exits 1', async () => {
    const { code, out } = await cli('check', 'suites/faults/config-invalid');
    expect(code).toBe(1);
    expect(out).toMatch(/task\.toml:\d+:\d+/);
    expect((await cli('check', 'suites/reference')).code).toBe(0);
  });

  test('list shows what a task needs', async () => {
    const { out } = await cli('list', 'suites/reference', '--json');
    const { tasks } = JSON.parse(out) as { tasks: { id: string; needs: { compose: boolean } }[] };
    expect(tasks.find(({ id }) => id === 'compose-sidecar')?.needs.compose).toBe(true);
    expect(tasks.length).toBeGreaterThanOrEqual(24);
  });

  test('--print-config shows each value with its source', async () => {
    const { code, out } = await cli('run', '-p', 'suites/reference', '-k', '3', '--print-config');
    const config = JSON.parse(out) as Record<string, { value: unknown; source: string }>;
    expect(code).toBe(0);
    expect(config['nAttempts']).toEqual({ value: 3, source: 'flag' });
    expect(config['maxRetries']).toEqual({ value: 0, source: 'default' });
  });
});
