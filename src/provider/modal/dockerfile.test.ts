import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import { dockerfileLines, readsContext } from './dockerfile.js';

const FILES = ['a.txt', 'tool.tar.gz'];

function lines(text: string, tar = true): string[] {
  return dockerfileLines(text, parseDockerfile(text), tar, (source) => FILES.includes(source));
}

describe('dockerfileLines', () => {
  test('a context of plain files leaves the Dockerfile as it is, continuations and heredocs too', () => {
    const text = 'FROM a\r\nRUN <<EOF\necho 1\nEOF\nCOPY \\\n  a b /x/\n';
    expect(lines(text, false)).toEqual(['FROM a', 'RUN <<EOF', 'echo 1', 'EOF', 'COPY \\', '  a b /x/']);
  });

  test('the stage with the context stands after global ARGs and directives, and COPY reads from it', () => {
    const text = '# syntax=docker/dockerfile:1\nARG V=1\nFROM a:$V\ncopy --chown=1:2 a.txt d /x/\n  COPY ["a", "/b"]\n';
    expect(lines(text)).toEqual([
      '# syntax=docker/dockerfile:1',
      'ARG V=1',
      'FROM scratch AS plumbline-context',
      'ADD .plumbline-context.tar /',
      'FROM a:$V',
      'COPY --from=plumbline-context  --chown=1:2 a.txt d /x/',
      '  COPY --from=plumbline-context  ["a", "/b"]',
    ]);
  });

  test('a COPY whose arguments stand on later lines', () => {
    expect(lines('FROM a\nCOPY \\\n # why\n  d /x\n').slice(2)).toEqual([
      'FROM a',
      'COPY --from=plumbline-context  \\',
      ' # why',
      '  d /x',
    ]);
  });

  test('the translation parses to what it means', () => {
    const model = parseDockerfile(lines('FROM a\nCOPY --link d e /x/\n').join('\n'));
    expect(model.stages.map((stage) => stage.name)).toEqual(['plumbline-context', null]);
    const copy = model.stages[1]?.instructions[0];
    expect(copy).toMatchObject({ keyword: 'COPY', from: 'plumbline-context', sources: ['d', 'e'], link: true });
  });

  test('indexes of stages move by one, names do not', () => {
    const text =
      'FROM a\nFROM b AS two\nCOPY --from=0 /x /y\nCOPY --from=two /x /y\nRUN --mount=from=1,target=/m true\n';
    expect(lines(text).slice(4)).toEqual([
      'COPY --from=1 /x /y',
      'COPY --from=two /x /y',
      'RUN --mount=from=2,target=/m true',
    ]);
  });

  test('mounts of the context read from the stage, caches stay', () => {
    const text = 'FROM a\nRUN --mount=type=bind,target=/c --mount=type=cache,target=/k \\\n  --mount=target=/d true\n';
    expect(lines(text).slice(3)).toEqual([
      'RUN --mount=type=bind,target=/c,from=plumbline-context --mount=type=cache,target=/k \\',
      '  --mount=target=/d,from=plumbline-context true',
    ]);
  });

  test('ADD of files and addresses stays, as it may unpack; of a directory it is a COPY', () => {
    const text = 'FROM a\nADD tool.tar.gz /t\nADD https://example.com/x /x\nADD d /d\n';
    expect(lines(text).slice(3)).toEqual([
      'ADD tool.tar.gz /t',
      'ADD https://example.com/x /x',
      'COPY --from=plumbline-context  d /d',
    ]);
  });

  test('heredocs of COPY need no context', () => {
    expect(lines('FROM a\nCOPY <<EOF /x\ntext\nEOF\n').slice(3)).toEqual(['COPY <<EOF /x', 'text', 'EOF']);
  });

  test.for([
    ['FROM a\nADD *.tar /x/\n', 'ADD with a pattern'],
    ['FROM a\nADD d a.txt /x/\n', 'ADD of files and other sources'],
    ['FROM a\nCOPY d <<EOF /x/\ntext\nEOF\n', 'COPY of files and a heredoc in one instruction'],
    ['FROM a\nONBUILD \\\nCOPY . /x\n', 'this COPY'],
  ] as const)('%j is refused with its line', ([text, why]) => {
    expect(() => lines(text)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`Dockerfile:2: ${why}`) }),
    );
  });
});

test('triggers of a stage of its own are written out where its children begin', () => {
  expect(lines('FROM a AS p\nONBUILD COPY d /d\nONBUILD RUN x\nFROM p\nRUN y\n').slice(2)).toEqual([
    'FROM a AS p',
    '',
    '',
    'FROM p',
    'COPY --from=plumbline-context  d /d',
    'RUN x',
    'RUN y',
  ]);
});

describe('readsContext', () => {
  test.for([
    ['COPY a /b', true],
    ['ADD a https://example.org/x /b/', true],
    ['RUN --mount=target=/ctx true', true],
    ['ONBUILD COPY . /b', true],
    ['COPY --from=other a /b', false],
    ['COPY <<EOF /b\nx\nEOF', false],
    ['ADD https://example.org/x /b', false],
    ['RUN --mount=type=bind,from=other,target=/x --mount=type=cache,target=/c true', false],
    ['ENV a=b', false],
  ] as const)('%s: %s', ([line, expected]) => {
    expect(readsContext(parseDockerfile(`FROM a\n${line}\n`))).toBe(expected);
  });
});
