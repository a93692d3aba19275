/** A sandbox whose shell is this machine's, with calls that fail now and then: who hears of it, and what is left inside. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetworkError } from '../../exception/errors.js';
import type { ExecOptions, Recovery, Sandbox } from '../../model/provider.js';
import { runningSandbox } from './running.js';
import { REMOTE_DIR, type RemoteShell } from './shell.js';

type Call = 'script' | 'write' | 'read';
/** The calls of each kind that fail, counted from 1; `after`: when all of it has happened. */
type Faults = Partial<Record<Call, { readonly nth: number; readonly after?: boolean }>>;

let dir = '';
let told: { state: string; recovery: Recovery | undefined }[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-recoveries-'));
  told = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const inDir = (text: string) => text.replaceAll(REMOTE_DIR, join(dir, 'own'));

function shellWith(faults: Faults): RemoteShell {
  const counts: Record<Call, number> = { script: 0, write: 0, read: 0 };
  const breaking = async <T>(call: Call, work: () => Promise<T>): Promise<T> => {
    counts[call] += 1;
    const fault = faults[call];
    if (fault?.nth !== counts[call]) return work();
    if (fault.after) await work();
    throw new NetworkError('the connection was reset');
  };
  return {
    inlineLimit: 1_000_000,
    script: (text, { onStdout, signal }) =>
      breaking('script', async () => {
        const child = spawn('/bin/sh', ['-c', inDir(text)], { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
        let stderr = '';
        child.stdout.setEncoding('utf8').on('data', (chunk: string) => onStdout?.(chunk));
        child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
          stderr += chunk;
        });
        const exitCode = await new Promise<number>((resolve, reject) => {
          child.once('close', (code) => resolve(code ?? 137));
          signal?.addEventListener('abort', () => {
            child.stdout.removeAllListeners(); // as of a connection that was closed; the script itself goes on
            reject(signal.reason);
          });
        });
        return { exitCode, stderr };
      }),
    write: (path, data) => breaking('write', () => writeFile(inDir(path), data)),
    async *read(path) {
      yield await breaking('read', () => readFile(inDir(path)));
    },
  };
}

async function sandboxWith(faults: Faults): Promise<Sandbox> {
  await mkdir(join(dir, 'own'));
  return runningSandbox({
    id: 'box',
    spec: { workdir: null, env: {} },
    shell: shellWith(faults),
    defaults: { env: { PATH: process.env['PATH'] ?? '' }, workdir: '/', user: String(process.getuid?.() ?? 0) },
    effective: { cpus: null, memoryMb: null, storageMb: null },
    policy: { tries: 3, firstPauseMs: 1, longestPauseMs: 1 },
    keepAlive: null,
    setNetwork: null,
    remove: async () => {},
    onEvent: (state, recovery) => told.push({ state, recovery }),
  });
}

const once = (what: string) => [
  { state: expect.stringContaining('again in '), recovery: { what, after: 'NetworkError' } },
];

describe.runIf(process.getuid?.() === 0)('a sandbox says what it recovered from', () => {
  test('nothing when nothing failed', async () => {
    const sandbox = await sandboxWith({});
    await sandbox.exec(['true']);
    await sandbox.upload(await file('content'), join(dir, 'target'));
    await sandbox.download(join(dir, 'target'), join(dir, 'back'));
    expect(told).toEqual([]);
  });

  test('a command whose connection broke', async () => {
    const broken = await sandboxWith({ script: { nth: 1, after: true } });
    expect(await stdoutOf(broken, ['echo', 'one'])).toBe('one\n');
    expect(told).toEqual(once('exec'));
  });

  test('a command that was never started', async () => {
    const refused = await sandboxWith({ script: { nth: 1 } });
    expect(await stdoutOf(refused, ['echo', 'two'])).toBe('two\n');
    expect(told).toEqual(once('exec'));
  });

  test('the input of a command', async () => {
    const sandbox = await sandboxWith({ write: { nth: 1 } });
    expect(await stdoutOf(sandbox, ['cat'], { stdin: Buffer.from('in') })).toBe('in');
    expect(told).toEqual(once('upload'));
  });

  test('a kill', async () => {
    const sandbox = await sandboxWith({ script: { nth: 2 } });
    expect(await sandbox.exec(['sleep', '60'], { timeoutMs: 500 })).toMatchObject({ timedOut: true });
    expect(told).toEqual(once('kill'));
  });

  test.each<[string, Faults]>([
    ['the bytes of an upload', { write: { nth: 1 } }],
    ['the unpacking of an upload', { script: { nth: 1, after: true } }],
  ])('%s', async (_what, faults) => {
    const sandbox = await sandboxWith(faults);
    await sandbox.upload(await file('content'), join(dir, 'target'));
    expect(await readFile(join(dir, 'target'), 'utf8')).toBe('content');
    expect(told).toEqual(once('upload'));
  });

  test.each<[string, Faults]>([
    ['the packing of a download', { script: { nth: 1, after: true } }],
    ['the bytes of a download', { read: { nth: 1 } }],
  ])('%s', async (_what, faults) => {
    const sandbox = await sandboxWith(faults);
    await sandbox.download(await file('content'), join(dir, 'back'));
    expect(await readFile(join(dir, 'back'), 'utf8')).toBe('content');
    expect(told).toEqual(once('download'));
  });
});

describe.runIf(process.getuid?.() === 0)('inside a sandbox', () => {
  test('an exec removes what the work before it left', async () => {
    const sandbox = await sandboxWith({});
    await sandbox.upload(await file('content'), join(dir, 'target'));
    await sandbox.exec(['cat'], { stdin: Buffer.from('in') });
    await sandbox.download(join(dir, 'target'), join(dir, 'back'));
    const left = await stdoutOf(sandbox, ['ls', '-A', join(dir, 'own')]);
    expect(left.split('\n').filter(Boolean)).toEqual([expect.stringMatching(/^[0-9a-f]{24}$/)]);
  });

  test('what cannot be left out is listed', async () => {
    expect((await sandboxWith({})).interventions).toEqual(['init', 'exec-files']);
  });
});

async function file(content: string): Promise<string> {
  const path = join(dir, 'source');
  await writeFile(path, content);
  return path;
}

async function stdoutOf(sandbox: Sandbox, argv: readonly string[], options: ExecOptions = {}): Promise<string> {
  const { stdout } = await sandbox.exec(argv, options);
  return Buffer.from(stdout).toString('utf8');
}
