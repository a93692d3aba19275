/** Runs code of ours compiled, in a process of its own: what Node reads only at its start (NODE_EXTRA_CA_CERTS) needs that. */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');
const OPTIONS = ['--ignoreConfig', '--noCheck', '--rootDir', 'src', '--target', 'es2022', '--module', 'nodenext'];
const LIMIT_MS = 90_000;
const run = promisify(execFile);

export interface Compiled {
  readonly dir: string;
  /**
   * Runs a module that imports from `./`, the root of the compiled sources, and prints one JSON value.
   * @param env all of the child's environment
   */
  run(program: string, env: Readonly<Record<string, string>>): Promise<unknown>;
  close(): Promise<void>;
}

/** @param entries files below src, without their beginning; what they import, also dynamically, is compiled with them */
export async function compile(entries: readonly string[]): Promise<Compiled> {
  const home = await mkdtemp(join(tmpdir(), 'plumbline-compiled-'));
  // one below our package.json, as src is: providers read the versions in it
  const dir = join(home, 'dist');
  const options = [...OPTIONS, '--types', 'node', '--verbatimModuleSyntax', '--outDir', dir];
  await run('node_modules/.bin/tsc', [...options, ...entries.map((entry) => `src/${entry}`)], { cwd: ROOT });
  await symlink(join(ROOT, 'node_modules'), join(home, 'node_modules'));
  await copyFile(join(ROOT, 'package.json'), join(home, 'package.json'));
  let serial = 0;
  return {
    dir,
    async run(program, env) {
      const file = join(dir, `program-${++serial}.js`);
      await writeFile(file, program);
      const { stdout } = await run(process.execPath, [file], { env, timeout: LIMIT_MS, maxBuffer: 16 * 1024 * 1024 });
      return JSON.parse(stdout);
    },
    close: () => rm(home, { recursive: true, force: true }),
  };
}
