import { expect, test } from 'vitest';
import { rewriteBases } from './base-rewrite.js';
import { parseDockerfile } from './parse.js';

const RENAMED = new Map([['debian:bookworm-slim', 'plumbline/bootstrap:x']]);

function rewrite(text: string): string {
  const words: Record<string, string> = { TAG: 'bookworm-slim', BASE: 'debian:bookworm-slim' };
  const expand = (word: string) => word.replace(/\$\{?(\w+)\}?/g, (_, name: string) => words[name] ?? '');
  return rewriteBases(text, parseDockerfile(text), RENAMED, expand);
}

test.each([
  ['FROM debian:bookworm-slim\n', 'FROM plumbline/bootstrap:x\n'],
  ['# c\nfrom debian:bookworm-slim AS build', '# c\nfrom plumbline/bootstrap:x AS build'],
  [
    'FROM --platform=$BUILDPLATFORM debian:bookworm-slim AS a\n',
    'FROM --platform=$BUILDPLATFORM plumbline/bootstrap:x AS a\n',
  ],
  ['ARG BASE=debian:bookworm-slim\nFROM ${BASE}\n', 'ARG BASE=debian:bookworm-slim\nFROM plumbline/bootstrap:x\n'],
  ['ARG TAG=bookworm-slim\nFROM debian:$TAG\n', 'ARG TAG=bookworm-slim\nFROM plumbline/bootstrap:x\n'],
  ['FROM \\\n  debian:bookworm-slim\nRUN true\n', 'FROM \\\n  plumbline/bootstrap:x\nRUN true\n'],
  ['FROM debian:bookworm-slim\r\nRUN true\r\n', 'FROM plumbline/bootstrap:x\r\nRUN true\r\n'],
  [
    'FROM scratch\nCOPY --from=debian:bookworm-slim /etc /etc\n',
    'FROM scratch\nCOPY --from=plumbline/bootstrap:x /etc /etc\n',
  ],
  [
    'FROM scratch\nRUN --mount=type=bind,from=debian:bookworm-slim,target=/m true\n',
    'FROM scratch\nRUN --mount=type=bind,from=plumbline/bootstrap:x,target=/m true\n',
  ],
])('%j', (before, after) => {
  expect(rewrite(before)).toBe(after);
});

test('other images, stage names and mentions elsewhere stay', () => {
  const text =
    'FROM debian:bookworm AS base\nFROM base\nRUN echo debian:bookworm-slim\nLABEL from=debian:bookworm-slim\n';
  expect(rewrite(text)).toBe(text);
});
