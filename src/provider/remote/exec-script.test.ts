/** The shell text of an exec, run by the shells of this machine in a directory of its own: no sandbox, no network. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExecJob, followScript, killScript, startScript } from './exec-script.js';
import { REMOTE_DIR } from './shell.js';

const run = promisify(execFile);
const MARK = 'deadbeef'.repeat(4);
let dir = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-script-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

let serial = 0;
function job(argv: readonly string[], changes: Partial<ExecJob> = {}): ExecJob {
  serial += 1;
  return {
    id: `test-${process.pid}-${serial}`,
    mark: MARK,
    tag: 3,
    argv,
    cwd: '/',
    user: String(process.getuid?.() ?? 0),
    env: { PATH: process.env['PATH'] ?? '', ONE: "it's $HOME" },
    cap: 1_000_000,
    stdin: false,
    forget: [],
    ...changes,
  };
}

/** The scripts with our directory in place of the sandbox's. */
async function sh(script: string, shell = '/bin/sh', path = process.env['PATH']): Promise<string[]> {
  const { stdout } = await run(shell, ['-c', script.replaceAll(REMOTE_DIR, dir)], {
    timeout: 15_000,
    env: { ...process.env, PATH: path },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.split('\n').filter((line) => line !== '' && line !== '.');
}

function decode(lines: readonly string[], letter: string): string {
  const chunks = lines
    .filter((line) => line.startsWith(`${letter} `))
    .map((line) => Buffer.from(line.slice(2), 'base64'));
  return Buffer.concat(chunks).toString('latin1').split(MARK)[0] ?? '';
}

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot).each(['/bin/sh', '/bin/bash'])('exec script under %s', (shell) => {
  test('gives exact bytes, both streams, the exit code', async () => {
    const lines = await sh(startScript(job(['sh', '-c', `printf 'a\\377b'; printf "$ONE" >&2; exit 7`])), shell);
    expect([decode(lines, 'o'), decode(lines, 'e'), lines.at(-1)?.split(' ').slice(0, 2)]).toEqual([
      'a\xffb',
      "it's $HOME",
      ['E', '7'],
    ]);
  });

  test('ends after NUL bytes where grep sees no further than those, as BusyBox’s', async () => {
    const bin = await mkdtemp(join(dir, 'bin-'));
    const short = `#!/bin/sh\nPATH='${process.env['PATH']}'\nsed 's/\\x00.*//' | grep "$@"\n`;
    await writeFile(join(bin, 'grep'), short, { mode: 0o755 });
    const lines = await sh(startScript(job(['printf', 'a\\0'])), shell, `${bin}:${process.env['PATH']}`);
    expect([decode(lines, 'o'), lines.at(-1)]).toEqual(['a\0', expect.stringMatching(/^E 0 /)]);
  });

  test('a second start of the same exec is refused', async () => {
    const one = job(['sh', '-c', 'echo x']);
    await sh(startScript(one), shell);
    expect(await sh(startScript(one), shell)).toEqual(['X latched']);
  });

  test('what was followed before it began never begins', async () => {
    const one = job(['sh', '-c', `echo ran > ${dir}/should-not-be`]);
    expect(await sh(followScript(one, 0, 0), shell)).toEqual(['X never']);
    expect(await sh(startScript(one), shell)).toEqual(['X latched']);
    await expect(readFile(join(dir, 'should-not-be'))).rejects.toThrow('ENOENT');
  });

  test('what is killed while it is being prepared never begins, however long that takes', async () => {
    const id = `test-${process.pid}-${serial + 1}`;
    const bin = await mkdtemp(join(dir, 'bin-'));
    const slow = `#!/bin/sh\necho > ${bin}/waits; while ! [ -e ${bin}/go ]; do sleep 0.05; done; exec "$(PATH=$OLD command -v mkfifo)" "$@"\n`;
    await writeFile(join(bin, 'mkfifo'), slow.replace('$OLD', `'${process.env['PATH']}'`), { mode: 0o755 });
    const one = job(['sh', '-c', `echo ran > ${dir}/${id}-ran`]);
    const starting = sh(startScript(one), shell, `${bin}:${process.env['PATH']}`);
    await expect.poll(() => existsSync(join(bin, 'waits')), { timeout: 10_000 }).toBe(true);
    expect(await sh(killScript(one), shell)).toEqual(['clean']);
    await writeFile(join(bin, 'go'), '');
    expect((await starting).at(-1)).toMatch(/^E 137 /);
    expect(existsSync(join(dir, `${id}-ran`))).toBe(false);
  });

  test('can be followed again from any offset', async () => {
    const one = job(['sh', '-c', 'printf 0123456789']);
    await sh(startScript(one), shell);
    const lines = await sh(followScript(one, 4, 0), shell);
    expect([decode(lines, 'o'), lines.at(-1)?.split(' ')[1]]).toEqual(['456789', '0']);
  });

  test('a daemon that keeps stdout does not hold up the end', async () => {
    const lines = await sh(startScript(job(['sh', '-c', 'sleep 30 & echo started'])), shell);
    expect(decode(lines, 'o')).toBe('started\n');
    await sh(killScript(job([], { id: `test-${process.pid}-${serial}` })), shell);
  });

  test('output above the cap is cut and said to be', async () => {
    const lines = await sh(startScript(job(['sh', '-c', 'seq 1 100000; exit 3'], { cap: 1000 })), shell);
    expect(decode(lines, 'o')).toHaveLength(1000);
    expect(lines).toContain('ot');
    expect(lines.at(-1)).toMatch(/^E 3 /);
  });

  test('refuses an unknown user and a missing directory by name', async () => {
    expect(await sh(startScript(job(['true'], { user: 'nobody-here' })), shell)).toEqual(['X user']);
    expect(await sh(startScript(job(['true'], { cwd: '/no/such' })), shell)).toEqual(['X cwd']);
  });
});
