/**
 * Read access to a tree of files for COPY and ADD. Paths are absolute inside the tree and hold bytes as latin1 text, so that
 * names that are not UTF-8 survive; no symlink is ever followed by the host.
 */

import type { BigIntStats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import type { ContextEntry } from '../../context-entries.js';
import { cleanPath } from '../../dockerfile/go-path.js';
import { type LayerHost, ROOT_HOST } from '../../layer/host.js';
import { CopyError } from './error.js';

/** One character per byte. */
export type BytePath = string;

export type NodeType = 'file' | 'directory' | 'symlink' | 'fifo' | 'char' | 'block';

export interface TreeNode {
  readonly type: NodeType;
  /** Twelve bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Equal for hard links of one file; null for a file with one name. */
  readonly linkId: string | null;
  readonly target: BytePath | null;
  readonly rdev: bigint;
}

export interface FileTree {
  /** Null when there is none. The parents must be real directories: use `resolveInTree` first. */
  lstat(path: BytePath): Promise<TreeNode | null>;
  /** Names in byte order. */
  list(path: BytePath): Promise<BytePath[]>;
  /** Where the content lies on the host. */
  hostPath(path: BytePath): Buffer;
  /** False for a build context: Docker's client gives its files to root, and the chown drops their capabilities. */
  readonly keepsCapabilities: boolean;
}

export function bytesOf(text: string): BytePath {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** For messages and patterns. */
export function textOf(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

export function joinPath(dir: BytePath, name: BytePath): BytePath {
  return dir === '/' ? `/${name}` : `${dir}/${name}`;
}

export function parentOf(path: BytePath): BytePath {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function baseOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf('/') + 1);
}

const MAX_LINKS = 255;

/**
 * Resolves every symlink inside the tree: absolute targets start at the tree's root and `..` stops there. What does not exist
 * is kept as written.
 * @throws Error for a loop
 */
export async function resolveInTree(tree: FileTree, path: BytePath): Promise<BytePath> {
  const rest = path.split('/');
  let resolved: BytePath = '/';
  let links = 0;
  while (rest.length > 0) {
    const part = rest.shift();
    if (part === undefined || part === '' || part === '.') continue;
    if (part === '..') {
      resolved = parentOf(resolved);
      continue;
    }
    const candidate = joinPath(resolved, part);
    const node = await tree.lstat(candidate);
    if (node?.target == null) {
      resolved = candidate;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw new CopyError(`too many links in ${textOf(path)}`);
    if (node.target.startsWith('/')) resolved = '/';
    rest.unshift(...node.target.split('/'));
  }
  return resolved;
}

/** A directory of the host as a tree, owners and all. */
export class HostTree implements FileTree {
  readonly keepsCapabilities = true;
  private readonly root: Buffer;

  /** @param host whose user namespace the directory's owners are to be seen in */
  constructor(
    dir: string,
    private readonly host: LayerHost = ROOT_HOST,
  ) {
    this.root = Buffer.from(dir === '/' ? '' : dir);
  }

  hostPath(path: BytePath): Buffer {
    return Buffer.concat([this.root, Buffer.from(path, 'latin1')]);
  }

  async lstat(path: BytePath): Promise<TreeNode | null> {
    const host = this.hostPath(path);
    let stat: BigIntStats;
    try {
      stat = await lstat(host, { bigint: true });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw error;
    }
    const type = typeOf(stat);
    const owner = { uid: Number(stat.uid), gid: Number(stat.gid) };
    return {
      type,
      mode: Number(stat.mode & 0o7777n),
      ...(this.host.ownerInside?.(owner) ?? owner),
      size: type === 'file' ? Number(stat.size) : 0,
      mtimeNs: stat.mtimeNs,
      linkId: type === 'file' && stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : null,
      target: type === 'symlink' ? (await readlink(host, { encoding: 'buffer' })).toString('latin1') : null,
      rdev: stat.rdev,
    };
  }

  async list(path: BytePath): Promise<BytePath[]> {
    const names = await readdir(this.hostPath(path), { encoding: 'buffer' });
    return names.map((name) => name.toString('latin1')).sort(byteOrder);
  }
}

/** A build context after .dockerignore; everything in it belongs to root, as Docker sends it. */
export class ContextTree implements FileTree {
  readonly keepsCapabilities = false;
  private readonly nodes = new Map<BytePath, { node: TreeNode; host: Buffer }>();
  private readonly children = new Map<BytePath, BytePath[]>();

  static async read(entries: AsyncIterable<ContextEntry>): Promise<ContextTree> {
    const tree = new ContextTree();
    for await (const entry of entries) tree.add(entry);
    for (const names of tree.children.values()) names.sort(byteOrder);
    return tree;
  }

  private constructor() {
    const node = PLAIN_DIRECTORY;
    this.nodes.set('/', { node, host: Buffer.from('/nonexistent') });
    this.children.set('/', []);
  }

  private add(entry: ContextEntry): void {
    const path: BytePath = `/${entry.path.toString('latin1')}`;
    const type = entry.device ? (entry.device.kind === 'c' ? 'char' : 'block') : (entry.type as NodeType);
    const node: TreeNode = {
      ...EMPTY_NODE,
      type,
      mode: entry.mode,
      size: entry.size,
      mtimeNs: entry.mtimeNs,
      linkId: entry.linkGroup,
      target: entry.target?.toString('latin1') ?? null,
      rdev: entry.device?.rdev ?? 0n,
    };
    this.nodes.set(path, { node, host: entry.hostPath });
    if (type === 'directory') this.children.set(path, []);
    this.children.get(parentOf(path))?.push(baseOf(path));
  }

  async lstat(path: BytePath): Promise<TreeNode | null> {
    return this.nodes.get(path)?.node ?? null;
  }

  async list(path: BytePath): Promise<BytePath[]> {
    return this.children.get(path) ?? [];
  }

  hostPath(path: BytePath): Buffer {
    const found = this.nodes.get(path);
    if (!found) throw new RangeError(`no ${textOf(path)} in the build context`);
    return found.host;
  }
}

const EMPTY_NODE = { mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n, linkId: null, target: null, rdev: 0n };

/** A directory of which nothing is known. */
export const PLAIN_DIRECTORY: TreeNode = { ...EMPTY_NODE, type: 'directory', mode: 0o755 };

function typeOf(stat: BigIntStats): NodeType {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'char';
  return stat.isBlockDevice() ? 'block' : 'fifo';
}

/** latin1 text compares like its bytes. */
function byteOrder(a: BytePath, b: BytePath): number {
  return a < b ? -1 : Number(a > b);
}

/** Go's Clean, rooted. */
export function absolutePath(path: BytePath): BytePath {
  return cleanPath(`/${path}`);
}
