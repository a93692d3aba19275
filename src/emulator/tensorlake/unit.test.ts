/** The shell text of a unit, run on this machine. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createUnit, type Unit } from './unit.js';

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Runs a unit to its end, or to its word that something is left; then kills it. */
async function run(unit: Unit, onStdout: (text: string) => void = () => undefined): Promise<Ran> {
  const [program = '', ...args] = unit.argv;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    onStdout(stdout);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += Buffer.from(unit.stderr(chunk)).toString();
    if (unit.exitCode !== null) kill(unit);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { stdout, stderr: stderr + Buffer.from(unit.rest()).toString(), code };
}

function kill(unit: Unit): number | null {
  const [program = '', ...args] = unit.killArgv;
  return spawnSync(program, args).status;
}

/** A zombie has ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe.skipIf(process.platform !== 'linux')('a unit', () => {
  test('that leaves nothing ends with the code and the output of its command', async () => {
    const unit = createUnit(['sh', '-c', 'echo out; echo err >&2; (sleep 0.01 &) ; sleep 0.2; exit 3']);
    expect(await run(unit)).toEqual({ stdout: 'out\n', stderr: 'err\n', code: 3 });
    expect(unit.exitCode).toBeNull();
    expect(kill(unit)).toBe(1);
  });

  test.for([
    ['a child', 'sleep 61 >/dev/null 2>&1 & echo $!; exit 4'],
    ['a session of its own', 'setsid sleep 62 >/dev/null 2>&1 & echo $!; exit 4'],
    ['an orphan of an orphan', "(setsid sh -c 'sleep 63 >/dev/null 2>&1 & echo $!'); exit 4"],
    ['an empty environment', 'env -i setsid sleep 64 >/dev/null 2>&1 & echo $!; exit 4'],
    [
      'marks of another kind',
      'echo 0x73 > /proc/self/coredump_filter; setsid sleep 65 >/dev/null 2>&1 & echo $!; exit 4',
    ],
  ] as const)('that leaves %s says its code, and is killed with it', async ([, script]) => {
    const unit = createUnit(['sh', '-c', script]);
    const { stdout, stderr } = await run(unit);
    expect(stderr).toBe('');
    expect(unit.exitCode).toBe(4);
    expect(isRunning(Number(stdout))).toBe(false);
    expect(kill(unit)).toBe(1);
  });

  test('that began later is left alone when an older one ends', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'plumbline-unit-'));
    const go = join(dir, 'go');
    const older = createUnit(['sh', '-c', 'while ! [ -e "$0" ]; do sleep 0.05; done; setsid sleep 66 2>&1 &', go]);
    const younger = createUnit(['sh', '-c', 'sleep 67 & echo $!; wait']);
    const first = run(older);
    let pid = 0;
    const second = run(younger, (text) => {
      pid = Number(text);
    });
    await expect.poll(() => pid).toBeGreaterThan(0);
    await writeFile(go, '');
    await first;
    expect(older.exitCode).toBe(0);
    expect(isRunning(pid)).toBe(true);
    expect(kill(younger)).toBe(0);
    await second;
    expect(isRunning(pid)).toBe(false);
    await rm(dir, { recursive: true });
  });
});
