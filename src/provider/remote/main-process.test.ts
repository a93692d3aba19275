/** The shell text that starts an ENTRYPOINT, run by this machine's shell in a directory of its own. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type MainProcess, startMainProcess } from './main-process.js';
import { DEFAULT_POLICY } from './retry.js';
import { REMOTE_DIR, type RemoteShell } from './shell.js';

const run = promisify(execFile);
let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-main-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** @param path programs that a script finds */
function shellOf(path = process.env['PATH']): RemoteShell {
  return {
    inlineLimit: 100_000,
    async script(text) {
      const script = text.replaceAll(REMOTE_DIR, dir);
      try {
        await run('/bin/sh', ['-c', script], { env: { PATH: path } });
        return { exitCode: 0, stderr: '' };
      } catch (error) {
        const { code, stderr } = error as { code: number; stderr: string };
        return { exitCode: code, stderr };
      }
    },
    write: () => Promise.reject(new Error('not used')),
    read: () => {
      throw new Error('not used');
    },
  };
}

function start(user: string, entrypoint: readonly string[], shell = shellOf()) {
  const defaults = { env: { PATH: '/usr/bin:/bin' }, workdir: '/', user, entrypoint, healthcheck: null };
  const main: MainProcess = { defaults, env: { MARK: join(dir, 'ran') } };
  const ctx = { signal: new AbortController().signal, onEvent: () => undefined };
  return startMainProcess(shell, main, DEFAULT_POLICY, ctx);
}

const TOUCH = ['sh', '-c', 'echo x >> "$MARK"'];

describe('the main process', () => {
  test('is started once, also when the call comes again', async () => {
    await start('', TOUCH);
    await expect.poll(() => existsSync(join(dir, 'ran'))).toBe(true);
    await rm(join(dir, 'ran'));
    await start('', TOUCH);
    expect(existsSync(join(dir, 'main'))).toBe(true);
    expect(existsSync(join(dir, 'ran'))).toBe(false);
  });

  test('of a user that the image does not have is the image’s fault, as it is Docker’s refusal', async () => {
    await expect(start('nobody-of-that-name', TOUCH)).rejects.toMatchObject({
      type: 'UnknownUserError',
      origin: 'task',
      message: expect.stringContaining('no user "nobody-of-that-name"'),
    });
    expect(existsSync(join(dir, 'main'))).toBe(false);
  });

  test('of another user, in an image without a program that becomes one, is not left out in silence', async () => {
    await run('ln', ['-s', '/bin/mkdir', join(dir, 'mkdir')]);
    await expect(start('daemon', TOUCH, shellOf(dir))).rejects.toMatchObject({
      type: 'SandboxCreateError',
      message: expect.stringContaining('neither setpriv nor GNU chroot'),
    });
  });

  test('without an ENTRYPOINT there is none', async () => {
    await start('', []);
    expect(existsSync(join(dir, 'main'))).toBe(false);
  });
});
