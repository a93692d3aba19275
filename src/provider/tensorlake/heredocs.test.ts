import { describe, expect, test } from 'vitest';
import { flattenHeredocs } from './heredocs.js';

const flatten = (lines: string[]) => flattenHeredocs(lines.join('\n'), 'Dockerfile');

describe('heredocs for Tensorlake', () => {
  test('without any, and with harmless ones, a Dockerfile stays as it is', () => {
    const lines = [
      '# syntax=docker/dockerfile:1',
      'FROM debian:12',
      'RUN echo \\',
      '  hi',
      'RUN <<EOF',
      'echo hi',
      'EOF',
      'ENV A=b',
    ];
    expect(flatten(lines)).toEqual({ text: lines.join('\n'), inline: [] });
  });

  test('one that the planner would misread becomes exec form with the same words; what follows stays on its line', () => {
    const { text } = flatten([
      'FROM a',
      "RUN python3 - <<'PY'",
      'from os import path',
      'print("$HOME")',
      'PY',
      'USER x',
    ]);
    expect(text.split('\n')).toEqual([
      'FROM a',
      `RUN ${JSON.stringify(['/bin/sh', '-c', 'python3 - <<\'PY\'\nfrom os import path\nprint("$HOME")\nPY\n'])}`,
      '',
      '',
      '',
      'USER x',
    ]);
  });

  test('one that is the whole script, under another SHELL, with its mounts', () => {
    const { text } = flatten([
      'FROM a',
      'SHELL ["/bin/bash", "-ec"]',
      'RUN --mount=type=cache,target=/c <<EOF',
      'FROM=1',
      'from x',
      'EOF',
    ]);
    const words = JSON.stringify(['/bin/bash', '-ec', 'FROM=1\nfrom x\n']);
    expect(text).toContain(`RUN --mount=type=cache,target=/c ${words}`);
  });

  test.each(['COPY', 'ADD'])('files written in the Dockerfile by %s go into the context', (keyword) => {
    const { text, inline } = flatten(['FROM a', `${keyword} --chmod=755 <<'EOF' /run.sh`, 'from $x', 'EOF']);
    expect(inline).toEqual([{ path: '.plumbline-inline/2/EOF', content: 'from $x\n' }]);
    expect(text).toBe('FROM a\nCOPY --chmod=755 ["/.plumbline-inline/2/EOF","/run.sh"]\n\n');
  });

  test.each([
    ['an expanded inline file', ['FROM a', 'COPY <<EOF /x', '$HOME', 'EOF']],
    ['an inline file beside others', ['FROM a', 'COPY y <<EOF /x/', 'hi', 'EOF']],
    ['a misread script with a shebang', ['FROM a', 'RUN <<EOF', '#!/usr/bin/python3', 'from os import path', 'EOF']],
  ])('%s is refused, with the line', (_, lines) => {
    expect(() => flatten(lines)).toThrow(
      expect.objectContaining({
        name: 'EnvironmentDefinitionError',
        origin: 'provider',
        message: expect.stringMatching(/^Dockerfile:2: .*Tensorlake/),
      }),
    );
  });
});
