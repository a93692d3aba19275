/**
 * What one COPY source does to the target tree, as BuildKit's file operations do it (tonistiigi/fsutil, copy.go): the last
 * part of a source is followed when it is a symlink, those inside a directory are copied as symlinks; a directory's contents
 * are merged into the destination, and take over the metadata of directories below it that exist.
 */

import { compileIgnore, type IgnoreRules, type ParentMatch } from '../../dockerignore.js';
import { CopyError } from './error.js';
import type { ModeChange } from './mode.js';
import type { Owner, PlannedEntry, PlannedTree } from './target.js';
import {
  absolutePath,
  type BytePath,
  baseOf,
  type FileTree,
  joinPath,
  parentOf,
  resolveInTree,
  type TreeNode,
  textOf,
} from './tree.js';

export interface CopyOptions {
  readonly owner: Owner | null;
  readonly mode: ModeChange | null;
  /** Patterns over paths relative to the source; empty is none. */
  readonly exclude: readonly string[];
  /** `--parents`: only these paths of the source, with their parent directories; null is everything. */
  readonly include: readonly string[] | null;
}

/**
 * Plans the copy of one path.
 * @param destination absolute; a `/` or `/.` at its end means a directory
 * @throws CopyError
 */
export async function planCopy(
  source: FileTree,
  path: BytePath,
  target: PlannedTree,
  destination: BytePath,
  options: CopyOptions,
): Promise<void> {
  const from = await resolveInTree(source, path);
  const node = await source.lstat(from);
  if (node === null) throw new CopyError(`"${textOf(path)}": not found`);
  try {
    const asDirectory = /\/\.?$/.test(destination);
    const parent = asDirectory ? absolutePath(destination) : parentOf(absolutePath(destination));
    await target.makeDirectories(await resolveInTree(target, parent), 0o755, options.owner);
    const to = await destinationOf(node, path, target, destination, options.owner);
    await new Copier(source, target, options).copy(from, '', to, false, null, null);
  } catch (error) {
    if (error instanceof CopyError || error instanceof SyntaxError) throw error;
    throw new CopyError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function destinationOf(
  node: TreeNode,
  path: BytePath,
  target: PlannedTree,
  destination: BytePath,
  owner: Owner | null,
): Promise<BytePath> {
  let to = await resolveInTree(target, absolutePath(destination));
  const there = await target.lstat(to);
  const isDirectory = node.type === 'directory';
  if (!isDirectory && there?.type === 'directory') to = joinPath(to, baseOf(path));
  await target.makeDirectories(isDirectory && there === null ? to : parentOf(to), 0o755, owner);
  return to;
}

class Copier {
  private readonly exclude: IgnoreRules | null;
  private readonly include: IgnoreRules | null;
  private readonly links = new Map<string, BytePath>();
  /** Directories on the way down that appear only when something below them is copied. */
  private readonly pending: { path: BytePath; to: BytePath; node: TreeNode; done: boolean; replace: boolean }[] = [];

  constructor(
    private readonly source: FileTree,
    private readonly target: PlannedTree,
    private readonly options: CopyOptions,
  ) {
    this.exclude = options.exclude.length > 0 ? compileIgnore(options.exclude) : null;
    this.include = options.include === null ? null : compileIgnore(options.include);
  }

  /** `replace`: an existing directory takes over the source's metadata (everywhere but at the top). */
  async copy(
    path: BytePath,
    relative: BytePath,
    to: BytePath,
    replace: boolean,
    included: ParentMatch | null,
    excluded: ParentMatch | null,
  ): Promise<void> {
    const node = await this.source.lstat(path);
    if (node === null) throw new CopyError(`"${textOf(path)}": not found`);
    const isTop = relative === '';
    const inside = isTop ? null : (this.include?.match(textOf(relative), included) ?? null);
    const outside = isTop ? null : (this.exclude?.match(textOf(relative), excluded) ?? null);
    const wanted = (isTop || this.include === null || inside?.ignored === true) && outside?.ignored !== true;
    if (wanted) await this.makeParents();
    if (node.type !== 'directory') {
      if (wanted) await this.copyLeaf(path, node, to);
      return;
    }
    this.pending.push({ path, to, node, done: false, replace });
    if (wanted) await this.makeParents();
    if (outside?.ignored !== true || this.exclude?.hasExceptions === true) {
      for (const name of await this.source.list(path)) {
        const below = isTop ? name : `${relative}/${name}`;
        await this.copy(
          joinPath(path, name),
          below,
          joinPath(to, name),
          true,
          inside?.info ?? null,
          outside?.info ?? null,
        );
      }
    }
    this.pending.pop();
  }

  private async makeParents(): Promise<void> {
    for (const directory of this.pending) {
      if (directory.done) continue;
      directory.done = true;
      const there = await this.target.lstat(directory.to);
      if (there !== null && there.type !== 'directory') {
        throw new CopyError(`cannot copy to non-directory: ${textOf(directory.to)}`);
      }
      if (there === null || directory.replace) {
        this.target.add(this.entry(directory.path, directory.node, directory.to));
      }
    }
  }

  private async copyLeaf(path: BytePath, node: TreeNode, to: BytePath): Promise<void> {
    if ((await this.target.lstat(to))?.type === 'directory') {
      throw new CopyError(`cannot replace to directory ${textOf(to)} with file`);
    }
    const first = node.linkId === null ? undefined : this.links.get(node.linkId);
    const entry = this.entry(path, node, to);
    if (first !== undefined) {
      this.target.add({ ...entry, type: 'hardlink', target: first, content: null });
      return;
    }
    if (node.linkId !== null) this.links.set(node.linkId, to);
    this.target.add(entry);
  }

  private entry(path: BytePath, node: TreeNode, to: BytePath): PlannedEntry {
    const { owner, mode } = this.options;
    const hostPath = this.source.hostPath(path);
    return {
      path: to,
      type: node.type,
      mode: mode === null || node.type === 'symlink' ? node.mode : mode(node.mode, node.type === 'directory'),
      uid: owner?.uid ?? node.uid,
      gid: owner?.gid ?? node.gid,
      mtimeNs: node.mtimeNs,
      target: node.target,
      rdev: node.rdev,
      content: node.type === 'file' ? { hostPath, size: node.size } : null,
      xattrsOf: hostPath,
      keepsCapabilities: this.source.keepsCapabilities,
    };
  }
}
