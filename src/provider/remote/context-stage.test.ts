import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import { type ContextFacts, stageContext } from './context-stage.js';

const FACTS: ContextFacts = {
  kindOf: async (source) => (source.endsWith('.tgz') ? 'archive' : source === 'gone' ? 'missing' : 'other'),
  hasArchive: async (pattern) => pattern === 'archives/*',
};

function staged(text: string) {
  return stageContext(text, parseDockerfile(text, 'Dockerfile'), FACTS);
}

const HEAD = 'FROM scratch AS plumbline-context\nADD plumbline-context.tar /\n';

describe('a Dockerfile whose context comes from a stage', () => {
  test('one that reads no context stays as it is', async () => {
    const text =
      '# syntax=docker/dockerfile:1\nFROM a AS b\nRUN <<EOF\nCOPY x /y\nEOF\nFROM a\nCOPY --from=0 /x /y\nCOPY <<E /z\nhi\nE\n';
    expect(await staged(text)).toEqual({ text, needsContext: false, plainFiles: [] });
  });

  test('COPY, ADD of files and bind mounts read from it; flags, patterns and continuations stay', async () => {
    const text = [
      'ARG V=1',
      'FROM a:$V',
      'COPY --chown=1:2 *.txt \\',
      '  b /dst/',
      'copy ["a b", "/x"]',
      'ADD c $D',
      'RUN --mount=type=bind,source=d,target=/d --mount=type=cache,target=/c true',
    ].join('\n');
    const { text: out, needsContext } = await staged(text);
    expect(needsContext).toBe(true);
    expect(out.split('\n')).toEqual([
      'ARG V=1',
      ...HEAD.trim().split('\n'),
      'FROM a:$V',
      'COPY --from=plumbline-context  --chown=1:2 *.txt \\',
      '  b /dst/',
      'COPY --from=plumbline-context  ["a b", "/x"]',
      'COPY --from=plumbline-context  c $D',
      'RUN --mount=type=bind,source=d,target=/d,from=plumbline-context --mount=type=cache,target=/c true',
    ]);
  });

  test('stages named by number move by one', async () => {
    const { text } = await staged(
      'FROM a\nFROM b\nCOPY x /x\nCOPY --from=0 /y /y\nRUN --mount=from=1,target=/m true\n',
    );
    expect(text).toContain('COPY --from=1 /y /y');
    expect(text).toContain('--mount=from=2,target=/m');
  });

  test('archives that ADD unpacks stay files of the build context', async () => {
    const { text, plainFiles, needsContext } = await staged('FROM a\nADD ./x/../b.tgz /out/\n');
    expect([text, plainFiles, needsContext]).toEqual(['FROM a\nADD ./x/../b.tgz /out/\n', ['b.tgz'], false]);
  });

  test('a pattern that no archive matches is no ADD of archives', async () => {
    expect((await staged('FROM a\nADD archives/*.txt /x/\n')).text).toContain(
      'COPY --from=plumbline-context  archives/*.txt /x/',
    );
  });

  test('triggers of a stage of its own are written out where its children begin, by what they mean', async () => {
    const { text, needsContext } = await staged(
      [
        'ARG P=parent',
        'FROM a AS parent',
        'ONBUILD COPY d \\',
        '  /d',
        'ONBUILD RUN --mount=from=0,target=/m true',
        'ENV A=b',
        'FROM parent AS child',
        '# why',
        'ONBUILD RUN later',
        'RUN x',
        'FROM $P',
        'FROM child',
        'COPY --from=1 /x /y',
      ].join('\n'),
    );
    expect(needsContext).toBe(true);
    const own = ['COPY --from=plumbline-context  d \\', '  /d', 'RUN --mount=from=1,target=/m true'];
    expect(text.split('\n').filter((line) => line !== '')).toEqual([
      'ARG P=parent',
      ...HEAD.trim().split('\n'),
      'FROM a AS parent',
      'ENV A=b',
      'FROM parent AS child',
      '# why',
      ...own,
      'RUN x',
      'FROM $P',
      ...own,
      'FROM child',
      'RUN later',
      'COPY --from=2 /x /y',
    ]);
  });

  test('a trigger that reads no context stays a trigger', async () => {
    const text = 'FROM a AS p\nONBUILD RUN true\nONBUILD COPY --from=b /x /y\nFROM p\nCOPY x /x\n';
    expect((await staged(text)).text).toContain('ONBUILD RUN true\nONBUILD COPY --from=b /x /y\nFROM p\nCOPY --from');
  });

  test.each([
    ['ADD a b.tgz /x/', 2],
    ['ADD https://example.org/a b /x/', 2],
    ['ADD $A /x', 2],
    ['ADD archives/* /x/', 2],
    ['ADD --unpack=true a /x', 2],
    ['ONBUILD ADD a b.tgz /x/', 2],
    ['ONBUILD \\\nCOPY . /x', 2],
    ['COPY a <<E /x/\nhi\nE', 2],
  ])('what cannot be said that way is refused with its line: %s', async (line, at) => {
    await expect(staged(`FROM a\n${line}\n`)).rejects.toMatchObject({
      name: 'EnvironmentDefinitionError',
      origin: 'provider',
      message: expect.stringContaining(`Dockerfile:${at}`),
    });
  });
});
