/** Planning against trees in memory, and the tar that a plan becomes, read back by GNU tar. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { expandSource } from './glob.js';
import { planCopy } from './plan.js';
import { tarOf } from './tar.js';
import { directoryEntry, type PlannedEntry, PlannedTree } from './target.js';
import { type BytePath, type FileTree, parentOf, resolveInTree, type TreeNode } from './tree.js';

/** `path/` is a directory, `path>target` a symlink, `path=id` a hard link, anything else a file. */
function memoryTree(...specs: string[]): FileTree {
  const nodes = new Map<BytePath, TreeNode>();
  const node = (type: TreeNode['type'], target: string | null = null, linkId: string | null = null): TreeNode => {
    return {
      type,
      mode: type === 'directory' ? 0o755 : 0o644,
      uid: 5,
      gid: 6,
      size: 0,
      mtimeNs: 1n,
      linkId,
      target,
      rdev: 0n,
    };
  };
  nodes.set('/', node('directory'));
  for (const spec of specs) {
    const [, path = '', rest = ''] = /^([^>=]*?)(\/$|>.*|=.*|$)/.exec(spec) ?? [];
    for (let parent = parentOf(path); !nodes.has(parent); parent = parentOf(parent))
      nodes.set(parent, node('directory'));
    if (rest === '/') nodes.set(path, node('directory'));
    else if (rest.startsWith('>')) nodes.set(path, node('symlink', rest.slice(1)));
    else nodes.set(path, node('file', null, rest.startsWith('=') ? rest.slice(1) : null));
  }
  return {
    keepsCapabilities: true,
    lstat: async (path) => nodes.get(path) ?? null,
    list: async (path) =>
      [...nodes.keys()]
        .filter((key) => key !== '/' && parentOf(key) === path)
        .map((key) => key.slice(path === '/' ? 1 : path.length + 1))
        .sort(),
    hostPath: (path) => Buffer.from(path),
  };
}

const plain = { owner: null, mode: null, exclude: [], include: null };

async function plan(
  source: FileTree,
  path: string,
  target: FileTree,
  destination: string,
  options = {},
): Promise<string[]> {
  const planned = new PlannedTree(target);
  await planCopy(source, path, planned, destination, { ...plain, ...options });
  return planned.entries.map(
    (entry) => `${entry.type} ${entry.path}${entry.target === null ? '' : ` > ${entry.target}`}`,
  );
}

describe('resolveInTree', () => {
  const tree = memoryTree(
    '/a/b/f',
    '/abs>/a/b',
    '/a/rel>../a/b',
    '/a/up>../../../a',
    '/loop>/loop',
    '/out>../../etc/passwd',
  );
  test.each([
    ['/abs/f', '/a/b/f'],
    ['/a/rel/f', '/a/b/f'],
    ['/a/up/rel/../b', '/a/b'],
    ['/out', '/etc/passwd'],
    ['/none/../abs/new/x', '/a/b/new/x'],
  ])('%s is %s', async (path, expected) => {
    expect(await resolveInTree(tree, path)).toBe(expected);
  });
  test('a loop is an error', async () => {
    await expect(resolveInTree(tree, '/loop/x')).rejects.toThrow('too many links in /loop/x');
  });
});

describe('expandSource', () => {
  const tree = memoryTree('/a.txt', '/b.txt', '/d/c.txt', '/d/e/f.txt', '/l>d', '/.hidden');
  test.each([
    ['*.txt', ['/a.txt', '/b.txt']],
    ['*/*.txt', ['/d/c.txt']],
    ['l/*', ['/d/c.txt', '/d/e']],
    ['*', ['/.hidden', '/a.txt', '/b.txt', '/d', '/l']],
    ['nope', ['/nope']],
    ['nope*', []],
    ['../a.txt', ['/a.txt']],
  ])('%s', async (source, expected) => {
    expect(await expandSource(tree, source)).toEqual(expected);
  });
});

describe('planCopy', () => {
  const source = memoryTree('/d/x', '/d/e/y', '/d/l>x', '/f', '/h/1=A', '/h/2=A', '/to>f');
  test('a file: its own name, a new one, or into a directory that exists', async () => {
    expect(await plan(source, '/f', memoryTree(), '/g')).toEqual(['file /g']);
    expect(await plan(source, '/f', memoryTree(), '/g/')).toEqual(['directory /g', 'file /g/f']);
    expect(await plan(source, '/f', memoryTree('/g/'), '/g')).toEqual(['file /g/f']);
    expect(await plan(source, '/to', memoryTree(), '/a/b/c')).toEqual([
      'directory /a',
      'directory /a/b',
      'file /a/b/c',
    ]);
  });
  test('a directory: its contents, nested directories that exist take over metadata', async () => {
    expect(await plan(source, '/d', memoryTree(), '/n')).toEqual([
      'directory /n',
      'directory /n/e',
      'file /n/e/y',
      'symlink /n/l > x',
      'file /n/x',
    ]);
    expect(await plan(source, '/d', memoryTree('/n/e/old'), '/n')).toContain('directory /n/e');
  });
  test('hard links, exclusions, and only what is included, with its parents', async () => {
    expect(await plan(source, '/h', memoryTree('/n/'), '/n')).toEqual(['file /n/1', 'hardlink /n/2 > /n/1']);
    expect(await plan(source, '/d', memoryTree('/n/'), '/n', { exclude: ['e', '*l'] })).toEqual(['file /n/x']);
    expect(await plan(source, '/', memoryTree('/n/'), '/n/', { include: ['d/e/*'] })).toEqual([
      'directory /n/d',
      'directory /n/d/e',
      'file /n/d/e/y',
    ]);
  });
  test('kinds that do not fit are refused', async () => {
    await expect(plan(source, '/d', memoryTree('/n/e'), '/n')).rejects.toThrow('cannot copy to non-directory: /n/e');
    await expect(plan(source, '/d', memoryTree('/n/x/z'), '/n')).rejects.toThrow(
      'cannot replace to directory /n/x with file',
    );
    await expect(plan(source, '/none', memoryTree(), '/n')).rejects.toThrow('"/none": not found');
  });
});

describe('tarOf', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tar-test-'));
  afterAll(() => rmSync(dir, { recursive: true }));

  test('GNU tar reads back what was written', async () => {
    writeFileSync(join(dir, 'content'), 'hello');
    const long = `${'n'.repeat(90)}/${'o'.repeat(90)}`;
    const base = { ...directoryEntry('/d', 0o2755, { uid: 3_000_000, gid: 7 }), mtimeNs: 1_500_000_000_123_456_789n };
    const file = { hostPath: Buffer.from(join(dir, 'content')), size: 5 };
    const entries: PlannedEntry[] = [
      base,
      { ...base, path: `/d/${long}`, type: 'file', mode: 0o4711, content: file },
      { ...base, path: '/d/bad\xff', type: 'file', mode: 0o600, content: Buffer.from('x') },
      { ...base, path: '/d/s', type: 'symlink', target: '../elsewhere' },
      { ...base, path: '/d/h', type: 'hardlink', target: `/d/${long}` },
      { ...base, path: '/d/c', type: 'char', rdev: 0x103n },
      { ...base, path: '/d/old', type: 'fifo', mtimeNs: -2_000_000_000n },
    ];
    const chunks: Buffer[] = [];
    for await (const chunk of tarOf(entries, new Map(), 0n)) chunks.push(chunk);
    const listing = execFileSync(
      'tar',
      ['-tv', '--numeric-owner', '--full-time', '--quoting-style=escape', '-f', '-'],
      {
        input: Buffer.concat(chunks),
        encoding: 'utf8',
        env: { ...process.env, TZ: 'UTC' },
      },
    );
    const time = '2017-07-14 02:40:00.123456789';
    expect(
      listing
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/ +/g, ' ')),
    ).toEqual([
      `drwxr-sr-x 3000000/7 0 ${time} d/`,
      `-rws--x--x 3000000/7 5 ${time} d/${long}`,
      `-rw------- 3000000/7 1 ${time} d/bad\\377`,
      `lrwxr-sr-x 3000000/7 0 ${time} d/s -> ../elsewhere`,
      `hrwxr-sr-x 3000000/7 0 ${time} d/h link to d/${long}`,
      `crwxr-sr-x 3000000/7 1,3 ${time} d/c`,
      `prwxr-sr-x 3000000/7 0 1969-12-31 23:59:58 d/old`,
    ]);
  });

  test('a file that shrinks while it is read is an error', async () => {
    const content = { hostPath: Buffer.from(join(dir, 'content')), size: 9 };
    writeFileSync(join(dir, 'content'), 'hello');
    const read = async () => {
      for await (const _ of tarOf([{ ...directoryEntry('/f', 0o644, null), type: 'file', content }], new Map(), 0n));
    };
    await expect(read()).rejects.toThrow(/changed while it was read/);
  });
});
