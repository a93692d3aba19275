import { execFile } from 'node:child_process';
import { chmod, link, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { unsupportedImage } from '../remote/unsupported-image.js';
import { buildContext, CONTEXT_TAR, scanContext } from './context.js';
import { translated } from './image.js';

const run = promisify(execFile);
let dir = '';
let context = '';
let tmp = '';

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'plumbline-modal-context-'));
  context = join(dir, 'context');
  tmp = join(dir, 'tmp');
  await mkdir(tmp);
  await mkdir(context);
  await mkdir(join(context, 'd'));
  await chmod(join(context, 'd'), 0o755);
  await writeFile(join(context, 'd', 'file'), 'one', { mode: 0o644 });
  await writeFile(join(context, 'run.sh'), '#!/bin/sh\n');
  await chmod(join(context, 'run.sh'), 0o755);
  await writeFile(join(context, 'Dockerfile'), 'FROM a\n', { mode: 0o644 });
});

afterEach(() => rm(dir, { recursive: true, force: true }));

const build = async () => buildContext(await scanContext(context, join(context, 'Dockerfile')), tmp);

describe('buildContext', () => {
  test('plain files travel as they are, with their modes', async () => {
    const { files, tar } = await build();
    expect(tar).toBeNull();
    expect(files.map(({ name, size, mode }) => [name, size, mode])).toEqual([
      ['Dockerfile', 7, 0o644],
      ['d/file', 3, 0o644],
      ['run.sh', 10, 0o755],
    ]);
    expect(files[1]?.sha256).toBe('7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed');
  });

  test('.dockerignore has its say', async () => {
    await writeFile(join(context, '.dockerignore'), 'd\n');
    expect((await build()).files.map(({ name }) => name)).toEqual(['.dockerignore', 'Dockerfile', 'run.sh']);
  });

  test.for([
    ['a symlink', () => symlink('file', join(context, 'd', 'link'))],
    ['an empty directory', () => mkdir(join(context, 'empty'))],
    ['a directory with a mode', () => chmod(join(context, 'd'), 0o700)],
    ['setuid', () => chmod(join(context, 'run.sh'), 0o4755)],
    ['a hard link', () => link(join(context, 'd', 'file'), join(context, 'd', 'same'))],
    ['a name that is not UTF-8', () => writeFile(Buffer.concat([Buffer.from(`${context}/`), Buffer.from([0xff])]), '')],
  ] as const)('%s needs the tar', async ([, make]) => {
    await make();
    expect((await build()).tar).toMatchObject({ name: CONTEXT_TAR, mode: 0o644 });
  });

  test('the tar holds everything, and is the same for another checkout of the same files', async () => {
    await symlink('file', join(context, 'd', 'link'));
    await mkdir(join(context, 'empty'));
    await chmod(join(context, 'empty'), 0o711);
    await link(join(context, 'd', 'file'), join(context, 'd', 'same'));
    const first = await build();
    await utimes(join(context, 'd', 'file'), 1, 1);
    expect((await build()).tar?.sha256).toBe(first.tar?.sha256);
    const { stdout } = await run('tar', ['--numeric-owner', '-tvf', join(tmp, CONTEXT_TAR)]);
    const rows = stdout.trim().split('\n');
    const facts = rows.map((row) => row.replace(/\s+/g, ' ').replace(/ \d+ 2000-01-01 00:00 /, ' '));
    expect(facts.sort()).toEqual([
      '-rw-r--r-- 0/0 Dockerfile',
      '-rw-r--r-- 0/0 d/file',
      '-rwxr-xr-x 0/0 run.sh',
      'drwx--x--x 0/0 empty/',
      'drwxr-xr-x 0/0 d/',
      'hrw-r--r-- 0/0 d/same link to d/file',
      'lrwxrwxrwx 0/0 d/link -> file',
    ]);
  });

  test('beside the tar the plain files stay, for ADD, but no .dockerignore that could hide the tar', async () => {
    await writeFile(join(context, '.dockerignore'), '*.tar\n');
    await mkdir(join(context, 'empty'));
    const { files, tar } = await build();
    expect(tar).not.toBeNull();
    expect(files.map(({ name }) => name)).toEqual(['Dockerfile', 'd/file', 'run.sh']);
  });
});

describe('unsupportedImage', () => {
  const ask = async (dockerfile: string) => {
    await writeFile(join(context, 'Dockerfile'), dockerfile);
    return unsupportedImage(
      {
        source: { kind: 'dockerfile', contextDir: context, dockerfile: join(context, 'Dockerfile') },
        compose: null,
        platform: null,
        resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
      },
      'Modal',
      false,
      (source) => translated(source, 'linux/amd64', new Map()),
    );
  };

  test('what can be given to Modal, and what is wrong for everybody, is not unsupported', async () => {
    expect(await ask('FROM a\nADD * /x/\n')).toBeNull();
    expect(await ask('FROM a\nNOSUCH x\n')).toBeNull();
  });

  test('what only Modal cannot be given is, with its line', async () => {
    await symlink('file', join(context, 'd', 'link'));
    expect(await ask('FROM a\nCOPY . /x/\n')).toBeNull();
    expect(await ask('FROM a\nADD * /x/\n')).toMatch(/^Dockerfile:2: ADD with a pattern cannot be built on Modal/);
  });

  test('a file that no call can carry is', async () => {
    await truncate(join(context, 'd', 'file'), 100 * 1024 * 1024);
    expect(await ask('FROM a\n')).toMatch(/d\/file has 104857600 bytes, at most 103809024 go into a call/);
  });
});
