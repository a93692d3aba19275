import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resolveInTree } from '../../image/builder/copy/tree.js';
import { type TarEntry, tar } from '../../testing/tar.js';
import { TarTree } from './tar-tree.js';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tar-tree-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const read = (...entries: TarEntry[]) => TarTree.read(Readable.from([tar(entries)]), dir);

test('owners, modes, times below a second and contents are those of the archive', async () => {
  const tree = await read(
    { name: './srv/', type: '5', mode: 0o2750, uid: 1700, gid: 8, mtime: '1262304000.25' },
    { name: './srv/f', mode: 0o600, uid: 3_000_000, gid: 5, data: 'secret', mtime: '1764039034.058214215' },
    { name: './srv/l', type: '2', uid: 1700, gid: 5, link: 'f' },
  );
  expect(await tree.lstat('/srv')).toMatchObject({ type: 'directory', mode: 0o2750, uid: 1700, gid: 8 });
  expect((await tree.lstat('/srv'))?.mtimeNs).toBe(1_262_304_000_250_000_000n);
  expect(await tree.lstat('/srv/f')).toMatchObject({ type: 'file', mode: 0o600, uid: 3_000_000, gid: 5, size: 6 });
  expect((await tree.lstat('/srv/f'))?.mtimeNs).toBe(1_764_039_034_058_214_215n);
  expect(await tree.lstat('/srv/l')).toMatchObject({ type: 'symlink', uid: 1700, gid: 5, target: 'f' });
  expect(readFileSync(tree.hostPath('/srv/f'), 'utf8')).toBe('secret');
  expect(await tree.list('/srv')).toEqual(['f', 'l']);
});

test('hard links are links of each other; their content is one', async () => {
  const tree = await read({ name: 'a', data: 'x' }, { name: 'b', type: '1', link: 'a' }, { name: 'c', data: 'y' });
  const [a, b, c] = await Promise.all(['/a', '/b', '/c'].map((path) => tree.lstat(path)));
  expect(a?.linkId).not.toBeNull();
  expect([b?.linkId, b?.size, c?.linkId]).toEqual([a?.linkId, 1, null]);
  expect(tree.hostPath('/b')).toEqual(tree.hostPath('/a'));
});

test('a directory that comes after what it holds keeps it; an alias leads to the real path and hides nothing', async () => {
  const tree = await read({ name: 'usr/lib/x', data: 'x' }, { name: 'usr/lib/', type: '5', mode: 0o711 });
  expect([await tree.list('/usr/lib'), (await tree.lstat('/usr/lib'))?.mode]).toEqual([['x'], 0o711]);
  tree.alias('/lib', '/usr/lib');
  tree.alias('/usr/lib/x', '/nowhere');
  expect(await resolveInTree(tree, '/lib/x')).toBe('/usr/lib/x');
  expect(await tree.lstat('/usr/lib/x')).toMatchObject({ type: 'file', size: 1 });
});

test('an entry outside of the archive is refused', async () => {
  await expect(read({ name: '../x', data: 'x' })).rejects.toThrow('outside the target');
});
