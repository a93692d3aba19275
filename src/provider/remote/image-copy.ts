/** COPY and ADD as tar archives, and the scripts that put them in place inside the image that is being built. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isArchive, openArchive } from '../../image/builder/archive.js';
import { CopyError } from '../../image/builder/copy/error.js';
import { expandSource } from '../../image/builder/copy/glob.js';
import { parseChmod } from '../../image/builder/copy/mode.js';
import { type CopyOptions, planCopy } from '../../image/builder/copy/plan.js';
import { tarOf } from '../../image/builder/copy/tar.js';
import { type Owner, PlannedTree } from '../../image/builder/copy/target.js';
import {
  absolutePath,
  type BytePath,
  baseOf,
  bytesOf,
  type FileTree,
  HostTree,
  PLAIN_DIRECTORY,
  resolveInTree,
  type TreeNode,
  textOf,
} from '../../image/builder/copy/tree.js';
import { parentsOf } from '../../image/builder/copy-rules.js';
import { download, isUrl } from '../../image/builder/download.js';
import type { CopyInstruction } from '../../image/dockerfile/model.js';
import type { Web } from '../../util/web.js';
import { ownedDirs } from './owned-dirs.js';
import { quote } from './quote.js';
import { REMOTE_DIR } from './shell.js';

export interface CopyArchive {
  /** On this machine; a name that is unique in its directory. */
  readonly hostPath: string;
  /** Where the script expects it. */
  readonly remotePath: string;
  readonly script: string;
}

export interface CopySurroundings {
  /** For archives and downloads. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Different for each step of a plan: one step removes its archive, which another with the same content still needs. */
  readonly salt: string;
  /** For ADD of a URL. Default: Node's fetch, without a proxy. */
  readonly web?: Web | undefined;
}

/**
 * One archive per COPY, and one more for every tar file that ADD unpacks. `copy` is expanded and has passed `checkCopy`.
 * @param destination absolute; a slash at its end means a directory
 * @throws CopyError, SyntaxError
 */
export async function planCopyArchives(
  source: FileTree,
  copy: CopyInstruction,
  destination: string,
  surroundings: CopySurroundings,
): Promise<CopyArchive[]> {
  return await new CopyPlanner(source, copy, destination, surroundings).plan();
}

interface Found {
  readonly tree: FileTree;
  readonly path: BytePath;
  /** As `CopyOptions.include`. */
  readonly include?: readonly string[];
}

class CopyPlanner {
  /** What the next archive will hold. */
  private target = new PlannedTree(new EmptyTree());
  private readonly archives: CopyArchive[] = [];
  /** The one file that takes the destination's own name, if that is no directory. */
  private single: string | null = null;

  constructor(
    private readonly source: FileTree,
    private readonly copy: CopyInstruction,
    private readonly destination: string,
    private readonly surroundings: CopySurroundings,
  ) {}

  async plan(): Promise<CopyArchive[]> {
    const { copy } = this;
    const named = copy.chown !== null && !/^\d+(:\d+)?$/.test(copy.chown);
    const options: CopyOptions = {
      owner: copy.chown === null || named ? null : ownerOf(copy.chown),
      mode: copy.chmod === null ? null : parseChmod(copy.chmod),
      exclude: copy.exclude,
      include: null,
    };
    const found: Found[] = [];
    for (const text of copy.sources) {
      if (isUrl(text)) found.push(await this.fetched(text));
      else if (copy.parents) found.push(...(await this.withParents(text)));
      else for (const path of await expandSource(this.source, text)) found.push({ tree: this.source, path });
    }
    for (const file of copy.inline) found.push(await this.inline(file.name, file.content));
    const kinds = await Promise.all(found.map(({ tree, path }) => nodeOf(tree, path)));
    const alone = found.length === 1 && kinds[0]?.type !== 'directory' && !this.destination.endsWith('/');
    for (const [index, { tree, path, include = null }] of found.entries()) {
      // What is fetched is unpacked only where that is asked for.
      const unpack = copy.unpack ?? (copy.keyword === 'ADD' && tree === this.source);
      if (unpack && kinds[index]?.type === 'file') {
        const resolved = tree.hostPath(await resolveInTree(tree, path));
        if (await isArchive(resolved)) {
          await this.flush(named); // a later source overwrites an earlier one
          await this.save(await openArchive(resolved), (remote) => unpackScript(remote, this.destination, copy.chown));
          continue;
        }
      }
      // A fetched or written file belongs to root, whoever runs this.
      const own = tree === this.source ? options : { ...options, owner: options.owner ?? { uid: 0, gid: 0 } };
      if (alone) this.single = textOf(baseOf(absolutePath(path)));
      await planCopy(tree, path, this.target, alone ? '/f' : '/', { ...own, include });
    }
    await this.flush(named);
    if (this.archives.length === 0) await this.write(named); // makes the destination
    return this.archives;
  }

  private async withParents(text: string): Promise<Found[]> {
    const { root, pattern, required } = parentsOf(text);
    const tree = this.source;
    if (required !== null && (await nodeOf(tree, bytesOf(required))) === null) {
      throw new CopyError(`"/${pattern}": not found`);
    }
    return (await expandSource(tree, root)).map((path) => ({ tree, path, include: [pattern] }));
  }

  private async fetched(url: string): Promise<Found> {
    const dir = await mkdtemp(join(this.surroundings.dir, 'url-'));
    const { name } = await download(url, dir, this.copy.checksum, this.surroundings.signal, this.surroundings.web);
    return { tree: new HostTree(dir), path: `/${bytesOf(name)}` };
  }

  private async inline(name: string, content: string): Promise<Found> {
    const dir = await mkdtemp(join(this.surroundings.dir, 'inline-'));
    const base = basename(name);
    await writeFile(join(dir, base), content, { mode: 0o644 });
    return { tree: new HostTree(dir), path: `/${bytesOf(base)}` };
  }

  private async flush(named: boolean): Promise<void> {
    if (this.target.entries.length > 0) await this.write(named);
  }

  private async write(named: boolean): Promise<void> {
    const tar = Readable.from(tarOf(this.target.entries, new Map(), 0n)); // a fixed time: same content, same archive
    const { single, destination } = this;
    const { chown } = this.copy;
    await this.save(tar, (remote) =>
      single === null
        ? intoScript(remote, destination, chown, named)
        : fileScript(remote, destination, single, chown, named),
    );
    this.target = new PlannedTree(new EmptyTree());
  }

  private async save(tar: Readable, script: (remote: string) => string): Promise<void> {
    const dir = await mkdtemp(join(this.surroundings.dir, 'copy-'));
    const hash = createHash('sha256').update(`${this.surroundings.salt} ${this.archives.length}`);
    const hashed = async function* () {
      for await (const chunk of tar) {
        hash.update(chunk as Buffer);
        yield chunk as Buffer;
      }
    };
    await pipeline(Readable.from(hashed()), createWriteStream(join(dir, 'tar')));
    const name = `${hash.digest('hex').slice(0, 32)}.tar`;
    const hostPath = join(this.surroundings.dir, name);
    await rename(join(dir, 'tar'), hostPath);
    const remotePath = `${REMOTE_DIR}/build/${name}`;
    this.archives.push({ hostPath, remotePath, script: script(remotePath) });
  }
}

const KEEP = 'k=; tar --keep-directory-symlink --version >/dev/null 2>&1 && k=--keep-directory-symlink';

/** Contents into a directory, which is made when it is missing. Existing directories below it take over what the archive says. */
function intoScript(remote: string, destination: string, owner: string | null, named: boolean): string {
  return `umask 022; t=${quote(remote)} to=${quote(destination)}
${ownedDirs(owner)}
${KEEP}
follow "$to" && to=$real && dirs "$to" || exit 1
${
  !named
    ? `tar $k -xpf "$t" --numeric-owner -C "$to" || exit 1`
    : `s=$(mktemp -d -p /var/tmp) && tar -xpf "$t" -C "$s" && chown -hR "$u:$g" "$s" || exit 1
${ROOT_NOW}
(cd "$s" && tar -cf - .) | tar $k -xpf - --numeric-owner -C "$to" && ${ROOT_AGAIN} || exit 1
rm -rf "$s"`
}
rm -f "$t"; rmdir "\${t%/*}" 2>/dev/null; exit 0
`;
}

/** The root of an archive says nothing about the destination: what it had before, and that again. */
const ROOT_NOW = 'm=$(stat -c %a "$to") && o=$(stat -c %u:%g "$to") || exit 1';
const ROOT_AGAIN = 'chown "$o" "$to" && chmod "$m" "$to" && touch "$to"';

/**
 * What ADD unpacks, over whatever is there: the directories that lead to it are the owner's, what is in it is as the archive has it.
 */
function unpackScript(remote: string, destination: string, owner: string | null): string {
  return `umask 022; t=${quote(remote)} to=${quote(destination)}
${ownedDirs(owner)}
x=; tar --xattrs --xattrs-include=security.capability --version >/dev/null 2>&1 && x='--xattrs --xattrs-include=security.capability'
follow "$to" && to=$real && dirs "$to" || exit 1
${ROOT_NOW}
tar $x -xpf "$t" --numeric-owner -C "$to" && ${ROOT_AGAIN} || exit 1
rm -f "$t"; rmdir "\${t%/*}" 2>/dev/null; exit 0
`;
}

/** One file to a name, or, where a directory has that name, into it. */
function fileScript(remote: string, destination: string, name: string, owner: string | null, named: boolean): string {
  return `umask 022; t=${quote(remote)} to=${quote(destination)}
${ownedDirs(owner)}
s=$(mktemp -d -p /var/tmp) && tar -xpf "$t" --numeric-owner -C "$s" || exit 1
${!named ? ':' : 'chown -h "$u:$g" "$s/f" || exit 1'}
follow "$to" || exit 1; to=$real
if [ -d "$to" ]; then to="$to/"${quote(name)}; [ -d "$to" ] && { echo "cannot replace directory $to with a file" >&2; exit 1; }
else d=\${to%/*}; dirs "\${d:-/}" || exit 1; fi
mv -fT "$s/f" "$to" || exit 1
rm -rf "$s"; rm -f "$t"; rmdir "\${t%/*}" 2>/dev/null; exit 0
`;
}

function ownerOf(text: string): Owner {
  const [uid, gid] = text.split(':');
  return { uid: Number(uid), gid: Number(gid ?? uid) };
}

async function nodeOf(tree: FileTree, path: BytePath): Promise<TreeNode | null> {
  return await tree.lstat(await resolveInTree(tree, path));
}

/** Nothing is known here of the image that a COPY lands in: the scripts look. */
class EmptyTree implements FileTree {
  readonly keepsCapabilities = false;
  async lstat(path: BytePath): Promise<TreeNode | null> {
    return path === '/' ? PLAIN_DIRECTORY : null;
  }
  async list(): Promise<BytePath[]> {
    return [];
  }
  hostPath(path: BytePath): Buffer {
    throw new RangeError(`nothing is at ${textOf(path)}`);
  }
}
