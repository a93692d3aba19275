/** Reads every import of src/ and holds it against the table of docs/design.md section 3. A new edge is a decision, made here. */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = import.meta.dirname;
const MAX_LINES = 400;

interface Room {
  /** Folders of src that it may import. */
  imports: string[];
  npm: string[];
}

const PROVIDER = ['provider', 'image', 'model', 'exception', 'util'];
const PROVIDER_FOLDERS = ['embedded', 'docker', 'tensorlake', 'modal', 'daytona', 'e2b'].map(
  (name) => `provider/${name}`,
);
const ANYTHING = ['*'];

const ROOMS: Record<string, Room> = {
  util: { imports: [], npm: ['p-limit', 'undici'] },
  model: { imports: ['util'], npm: [] },
  exception: { imports: ['model', 'util'], npm: [] },
  task: {
    imports: ['model', 'exception', 'util'],
    npm: ['@iarna/toml', 'toml-eslint-parser', 'ignore', 'execa'],
  },
  image: { imports: ['model', 'exception', 'util'], npm: ['execa', 'fzstd'] },
  // registry.ts alone reaches the providers, by dynamic import
  provider: { imports: [...PROVIDER_FOLDERS, 'image', 'model', 'exception', 'util'], npm: [] },
  'provider/embedded': { imports: PROVIDER, npm: ['execa'] },
  'provider/docker': { imports: PROVIDER, npm: ['execa'] },
  'provider/tensorlake': { imports: PROVIDER, npm: ['tensorlake'] },
  'provider/modal': { imports: PROVIDER, npm: ['modal'] },
  'provider/daytona': { imports: PROVIDER, npm: ['@daytona/sdk'] },
  'provider/e2b': { imports: PROVIDER, npm: ['e2b'] },
  trial: { imports: ['provider', 'task', 'model', 'exception', 'util'], npm: [] },
  record: { imports: ['model', 'exception', 'util'], npm: [] },
  job: { imports: ['trial', 'record', 'provider', 'task', 'model', 'exception', 'util'], npm: [] },
  fidelity: { imports: ['provider', 'image', 'record', 'model', 'util'], npm: [] },
  compare: { imports: ['exception', 'model', 'util'], npm: [] },
  report: { imports: ['compare', 'record', 'exception', 'model', 'util'], npm: ['chalk', 'cli-table3'] },
  emulator: {
    imports: ['provider', 'image', 'model', 'exception', 'util'],
    npm: ['protobufjs'],
  },
  cli: { imports: ANYTHING, npm: ['commander'] },
  gate: { imports: ANYTHING, npm: ['vitest'] },
  bench: { imports: ANYTHING, npm: ['execa'] },
  testing: { imports: ANYTHING, npm: ['vitest'] },
};

/** What only these files may touch. */
const OWNERS: Record<string, RegExp> = {
  'process.exit': /^(cli\/main|bench\/main)\.ts$/,
  'process.stdout': /^(cli\/(main|io)|bench\/main)\.ts$/,
  'process.env':
    /^(cli|gate|bench|testing|provider\/[a-z0-9]+)\/(main|io|environment|config|vitest)\.ts$|^util\/environment\.ts$/,
};

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const sources = files.filter((file) => !file.endsWith('.test.ts'));

function roomOf(file: string): string {
  const folder = dirname(file);
  const known = Object.keys(ROOMS).filter((room) => folder === room || folder.startsWith(`${room}/`));
  return known.sort((a, b) => b.length - a.length)[0] ?? '.';
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const specifiers = text.matchAll(
    /^(?:import|export)\s[^'"`;]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...specifiers].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

function targetOf(file: string, specifier: string): string {
  return relative(SRC, resolve(SRC, dirname(file), specifier)).replace(/\.js$/, '.ts');
}

describe('architecture', () => {
  test('every folder is in the table', () => {
    expect(sources.filter((file) => roomOf(file) === '.' && file !== 'index.ts')).toEqual([]);
  });

  test('imports between folders follow the table', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const from = roomOf(file);
      const allowed = from === '.' ? ANYTHING : (ROOMS[from]?.imports ?? []);
      for (const specifier of importsOf(file).filter((name) => name.startsWith('.'))) {
        const to = roomOf(targetOf(file, specifier));
        if (to !== from && !allowed.includes('*') && !allowed.includes(to)) wrong.push(`${file}: ${from} → ${to}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('npm packages stay in their folders', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const allowed = ROOMS[roomOf(file)]?.npm ?? [];
      for (const specifier of importsOf(file)) {
        if (specifier.startsWith('.') || specifier.startsWith('node:') || builtinModules.includes(specifier)) continue;
        if (!allowed.includes(packageOf(specifier))) wrong.push(`${file}: ${specifier}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('there are no import cycles', () => {
    const graph = new Map(
      sources.map((file) => [
        file,
        importsOf(file)
          .filter((name) => name.startsWith('.'))
          .map((name) => targetOf(file, name)),
      ]),
    );
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]) => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      state.set(file, 'open');
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test(`no source file is longer than ${MAX_LINES} lines`, () => {
    const long = sources.filter((file) => readFileSync(join(SRC, file), 'utf8').split('\n').length > MAX_LINES + 1);
    expect(long).toEqual([]);
  });

  test('no default exports; the process is touched only by its owners', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const text = readFileSync(join(SRC, file), 'utf8');
      if (/^export default\b/m.test(text)) wrong.push(`${file}: export default`);
      for (const [word, owners] of Object.entries(OWNERS)) {
        if (text.includes(word) && !owners.test(file)) wrong.push(`${file}: ${word}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
