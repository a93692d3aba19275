import { expect, test } from 'vitest';
import { builtName, expiryOf, importedName, sandboxName } from './names.js';

const EXPIRY = '2031-02-03T04:05:06.000Z';

test.each([['a'], ['hello-file--1-x'], ['x'.repeat(63)], ['9-begins-with-a-digit']])(
  'the provider’s name of %s keeps the provider’s rules and has the expiry in it',
  (name) => {
    const given = sandboxName(name, EXPIRY);
    expect(given).toMatch(/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/);
    expect(given).not.toMatch(/^[a-z0-9]{21}$/);
    expect(expiryOf(given)).toBe(EXPIRY);
    expect(sandboxName(name, EXPIRY)).toBe(given);
  },
);

test('two names that are cut alike stay apart', () => {
  const long = 'y'.repeat(62);
  expect(sandboxName(`${long}1`, EXPIRY)).not.toBe(sandboxName(`${long}2`, EXPIRY));
});

test('names of others are not ours', () => {
  expect([expiryOf('harbor-task-12345678'), expiryOf('plb'), expiryOf('my-sandbox')]).toEqual([null, null, null]);
});

test('imported images have the names that Harbor gives them', () => {
  expect(importedName('Docker.io/library/alpine:3.19', null)).toMatch(/^docker-io-library-alpine-3-19-[0-9a-f]{8}$/);
  expect(importedName('a:1', null)).not.toBe(importedName('a_1', null));
});

test('what a tag means now is part of the name; a reference that cannot move has Harbor’s', () => {
  const [one, two] = ['1', '2'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string];
  expect(importedName('a:1', one)).toBe(`${importedName('a:1', null)}-${'1'.repeat(12)}`);
  expect(importedName('a:1', two)).not.toBe(importedName('a:1', one));
  expect(importedName(`a@${one}`, one)).toBe(importedName(`a@${one}`, null));
});

test('built images are named by their content', () => {
  expect(builtName(`sha256:${'ab'.repeat(32)}`)).toBe(`plumbline-${'ab'.repeat(16)}`);
});
