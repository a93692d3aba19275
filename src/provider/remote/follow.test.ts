import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FOLLOW } from './follow.js';

let dir = '';
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'follow-')));
  mkdirSync(join(dir, 'real/sub'), { recursive: true });
  writeFileSync(join(dir, 'real/file'), '');
  for (const [target, name] of [
    [join(dir, 'real'), 'absolute'],
    ['real', 'relative'],
    ['absolute/sub', 'chain'],
    ['../real/file', 'real/up'],
    ['/nowhere/x', 'dangling'],
    ['with space', 'spaced'],
    ['round', 'round'],
  ] as const)
    symlinkSync(target, join(dir, name));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const follow = (path: string) =>
  execFileSync('/bin/sh', ['-c', `${FOLLOW}\nfollow "$1" && printf %s "$real"`, 'sh', path], {
    stdio: 'pipe',
  }).toString();

test.for([
  ['real/file', 'real/file'],
  ['absolute/file', 'real/file'],
  ['relative/', 'real'],
  ['chain/new/deep', 'real/sub/new/deep'],
  ['real/up', 'real/file'],
  ['chain/../file', 'real/file'],
  ['none/../real/./sub//', 'real/sub'],
  ['spaced/x', 'with space/x'],
] as const)('%s leads to %s', ([path, real]) => {
  expect(follow(`${dir}/${path}`)).toBe(join(dir, real));
});

test('a link that leads nowhere is followed; `..` stops at the root; a loop fails', () => {
  expect(follow(join(dir, 'dangling/y'))).toBe('/nowhere/x/y');
  expect(follow('/../../etc/..')).toBe('/');
  expect(() => follow(join(dir, 'round/x'))).toThrow(/too many links/);
});
