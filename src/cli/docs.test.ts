/** The commands of README.md and docs/ as they are written: each is understood by the program, the cheap ones run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { PROVIDER_NAMES } from '../model/words.js';
import { CONTRACT_CHECKS } from '../provider/checks/index.js';
import { isSetting } from '../provider/remote/settings.js';
import { fakeIo } from '../testing/fake-io.js';
import { temporaryDirectory } from '../testing/task-directory.js';
import { createProgram, main } from './program.js';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((file) => `docs/${file}`)];
/** Programs other than ours that a page may call. */
const OTHERS = new Set([
  'npm',
  'npx',
  'apt-get',
  'docker',
  'git',
  'harbor',
  '.ci/nightly',
  '.ci/run',
  '.',
  'kill',
  'export',
]);

interface Line {
  readonly page: string;
  /** As written. */
  readonly text: string;
  readonly words: string[];
}

const read = (page: string) => readFileSync(join(ROOT, page), 'utf8');
const lines: Line[] = PAGES.flatMap((page) =>
  [...read(page).matchAll(/```(?:sh|bash)\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .flatMap((text) => text.split(/ && | \| /))
      .map((text) => ({ page, text: text.trim(), words: shellWords(text) }))
      .filter(({ words }) => words.length > 0),
  ),
);
const ours = lines.flatMap((line) => (line.words[0] === 'plumbline' ? [{ ...line, argv: line.words.slice(1) }] : []));

/** The words of a simple command: no comment, no redirection, no variables in front; `npx plumbline` is plumbline. */
function shellWords(text: string): string[] {
  const words: string[] = [];
  for (const [word] of text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)) {
    if (word.startsWith('#') || /^\d?>|^<|^&$/.test(word)) break;
    words.push(word.replaceAll(/["']/g, ''));
  }
  while (/^\w+=/.test(words[0] ?? '')) words.shift();
  return words[0] === 'npx' && words[1] === 'plumbline' ? words.slice(1) : words;
}

/** Parses with the real program, whose handlers do nothing. */
async function understand(argv: readonly string[]): Promise<{ error: string | null; ran: string | null }> {
  let stderr = '';
  let ran: string | null = null;
  const io = { version: '', stdout: () => undefined, stderr: (text: string) => (stderr += text), columns: 80 };
  const program = createProgram(
    () =>
      async function (this: Command) {
        ran = this.name();
      },
    io,
  );
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return { error: null, ran };
  } catch {
    return { error: stderr, ran }; // commander has said why
  }
}

test('there is something to try on every page that teaches', () => {
  for (const page of ['README.md', 'docs/running.md', 'docs/suites.md', 'docs/providers.md', 'docs/ci.md'])
    expect(ours.filter((line) => line.page === page).length, page).toBeGreaterThan(1);
});

test.each(ours.map(({ page, text, argv }) => [page, text, argv] as const))('%s: %s', async (_, text, argv) => {
  expect(text).not.toMatch(/\$\(|`/);
  const { error, ran } = await understand(argv);
  expect(error).toBeNull();
  expect(ran).not.toBeNull();
});

test('a flag that does not exist would be found', async () => {
  expect((await understand(['run', '-p', 'x', '--no-such-flag'])).error).toContain('--no-such-flag');
  expect((await understand(['mrege', 'x'])).error).toContain('merge');
  expect(shellWords('A="1 2" npx plumbline run -i "a b" # why')).toEqual(['plumbline', 'run', '-i', 'a b']);
});

test('other commands are known programs, scripts of ours exist, npm scripts too', () => {
  const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
  for (const { page, text, words } of lines) {
    const [program = '', first = '', second = ''] = words;
    if (program === 'plumbline') continue;
    expect(OTHERS.has(program), `${page}: ${text}`).toBe(true);
    if (program.startsWith('.ci/')) expect(existsSync(join(ROOT, program)), text).toBe(true);
    if (program === 'npm' && ['run', 'start', 'test'].includes(first))
      expect(scripts, text).toContain(first === 'run' ? second : first);
    if (program === 'npx')
      for (const file of words.filter((word) => word.startsWith('src/')))
        expect(existsSync(join(ROOT, file)), text).toBe(true);
  }
});

/** Those that make nothing and need no network, on the suites of this repository. docs/suites.md has a test of its own. */
const cheap = ours.filter(({ page, argv }) => {
  if (page === 'docs/suites.md') return false;
  const [command, path = ''] = argv;
  if (command === 'check' || command === 'list') return path.startsWith('suites/');
  if (command === 'providers') return true;
  return command === 'run' && (argv.includes('--dry-run') || argv.includes('--print-config'));
});

describe('the cheap ones run', () => {
  test.each(cheap.map(({ page, text, argv }) => [page, text, argv] as const))('%s: %s', async (_, text, argv) => {
    const home = temporaryDirectory();
    const env = {
      PATH: process.env['PATH'],
      HOME: home,
      XDG_STATE_HOME: join(home, 'state'),
      XDG_DATA_HOME: join(home, 'data'),
    };
    const io = { ...fakeIo(env), cwd: ROOT };
    const code = await main(argv, io);
    // A dry run is the plan or, where no provider can be used, the reason why there is none.
    expect(argv.includes('--dry-run') ? [0, 3] : [0], `${text}\n${io.text.stderr}`).toContain(code);
    expect(`${io.text.stdout}${io.text.stderr}`).not.toBe('');
  });
});

test('links between pages, and to their headings, lead somewhere', () => {
  const anchor = (title: string) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  for (const page of PAGES) {
    const dir = page.startsWith('docs/') ? 'docs' : '.';
    for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [file = '', heading] = target.split('#');
      const path = file === '' ? page : join(dir, file);
      expect(existsSync(join(ROOT, path)), `${page}: ${target}`).toBe(true);
      if (heading === undefined) continue;
      const titles = [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchor(title));
      expect(titles, `${page}: ${target}`).toContain(heading);
    }
  }
});

describe('docs/providers.md', () => {
  const page = read('docs/providers.md');
  const sources = (folder: string) =>
    readdirSync(join(ROOT, 'src/provider', folder))
      .map((file) => join('src/provider', folder, file))
      .filter((file) => file.endsWith('.ts'))
      .map(read)
      .join('\n');

  test('names every provider', () => {
    for (const name of PROVIDER_NAMES) expect(page, name).toContain(`| \`${name}\``);
  });

  test('every variable and setting is one that the provider reads', () => {
    for (const name of PROVIDER_NAMES) {
      const prefix = name.toUpperCase();
      // Modal's SDK reads its own variables: the provider hands over all that begin with its name.
      // Those of emulators are read in one place for all.
      const variables = name === 'modal' ? [] : page.match(new RegExp(`(?<!EMULATED_)${prefix}_[A-Z_]+`, 'g'));
      const settings = page.match(new RegExp(`\\b${name}\\.(?!md)[a-z_]+`, 'g'));
      for (const word of variables ?? []) expect(sources(name), word).toContain(`'${word}'`);
      for (const word of settings ?? []) expect(isSetting(word), word).toBe(true);
    }
  });
});

test('the provider of docs/writing-a-provider.md is the one that is tested: copy the file into the page', () => {
  const [, code] = /```ts\n(\/\*\*[\s\S]*?)```/.exec(read('docs/writing-a-provider.md')) ?? [];
  expect(code).toBe(read('src/testing/minimal-provider.ts'));
});

test('the checks that docs/writing-a-provider.md names are checks', () => {
  const ids = CONTRACT_CHECKS.map(({ id }) => id);
  const groups = [...new Set(ids.map((id) => id.split('/')[0]))].join('|');
  const named = [...read('docs/writing-a-provider.md').matchAll(new RegExp(`\`((?:${groups})/[a-z-]+)\``, 'g'))];
  expect(named.length).toBeGreaterThan(2);
  for (const [, id] of named) expect(ids).toContain(id);
});
