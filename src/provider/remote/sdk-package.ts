/** The npm package behind a provider: the version that is here, and the one that this was written for. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface PackageFile {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * The version of a package as Node finds it.
 * @param from URL of the module that would load it; default: this one
 * @throws Error when it is not installed, or has no package.json
 */
export async function installedVersion(name: string, from: string = import.meta.url): Promise<string> {
  // not every package exports its package.json, and not every one has an entry for `require`
  for (let dir = dirname(fileURLToPath(from)); ; dir = dirname(dir)) {
    const file = join(dir, 'node_modules', ...name.split('/'), 'package.json');
    const found = await packageFile(file);
    if (found?.version !== undefined) return found.version;
    if (dir === dirname(dir)) throw new Error(`the package ${name} is not found from ${from}`);
  }
}

/** @returns null where there is none */
async function packageFile(file: string): Promise<PackageFile | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as PackageFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** As our own package.json has it. @throws Error for a package that is not in it */
export async function pinnedVersion(name: string): Promise<string> {
  const own = await packageFile(fileURLToPath(new URL('../../../package.json', import.meta.url)));
  const version = own?.optionalDependencies?.[name] ?? own?.peerDependencies?.[name];
  if (version === undefined) throw new Error(`package.json names no version of ${name}`);
  return version;
}
