/** The tar of a finished stage as a tree that COPY takes from: owners, modes, links and times as they were in the sandbox. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type BytePath,
  baseOf,
  type FileTree,
  joinPath,
  PLAIN_DIRECTORY,
  parentOf,
  type TreeNode,
  textOf,
} from '../../image/builder/copy/tree.js';
import { components } from '../docker/tar-extract.js';
import { readTar, type TarEntry } from '../docker/tar-reader.js';

interface Placed {
  readonly node: TreeNode;
  /** Null for what has no content. */
  readonly host: Buffer | null;
}

export class TarTree implements FileTree {
  /** The archive holds no extended attributes. */
  readonly keepsCapabilities = false;
  private readonly nodes = new Map<BytePath, Placed>([['/', { node: PLAIN_DIRECTORY, host: null }]]);
  private readonly children = new Map<BytePath, Set<BytePath>>([['/', new Set()]]);

  private constructor(private readonly dir: string) {}

  /** @param dir where the contents go, under names of ours @throws TransferError for a broken archive */
  static async read(tar: AsyncIterable<Uint8Array>, dir: string): Promise<TarTree> {
    const tree = new TarTree(dir);
    for await (const entry of readTar(tar)) await tree.add(entry);
    return tree;
  }

  async lstat(path: BytePath): Promise<TreeNode | null> {
    return this.nodes.get(path)?.node ?? null;
  }

  async list(path: BytePath): Promise<BytePath[]> {
    return [...(this.children.get(path) ?? [])].sort((a, b) => (a < b ? -1 : Number(a > b)));
  }

  hostPath(path: BytePath): Buffer {
    const found = this.nodes.get(path);
    if (found === undefined) throw new RangeError(`no ${textOf(path)} in the archive of the stage`);
    return found.host ?? Buffer.from('/nonexistent');
  }

  /** Another name for what the sandbox had behind links; a name that the archive has itself stays what it is. */
  alias(path: BytePath, real: BytePath): void {
    if (!this.nodes.has(path))
      this.place(path, { node: { ...PLAIN_DIRECTORY, type: 'symlink', target: real }, host: null });
  }

  private async add(entry: TarEntry): Promise<void> {
    const path = pathOf(entry.name);
    const { mode, uid, gid, mtimeNs } = entry;
    const node: TreeNode = { ...PLAIN_DIRECTORY, mode, uid, gid, mtimeNs };
    switch (entry.type) {
      case 'directory':
        return this.place(path, { node, host: null });
      case 'symlink':
        return this.place(path, {
          node: { ...node, type: 'symlink', target: entry.link.toString('latin1') },
          host: null,
        });
      case 'hardlink': {
        const first = pathOf(entry.link);
        const there = this.nodes.get(first);
        if (there === undefined) return; // its first name is of a kind that is not copied
        const linked = { ...there, node: { ...there.node, linkId: there.node.linkId ?? first } };
        this.nodes.set(first, linked);
        return this.place(path, linked);
      }
      case 'file': {
        const host = join(this.dir, String(this.nodes.size));
        await pipeline(Readable.from(entry.body), createWriteStream(host));
        return this.place(path, { node: { ...node, type: 'file', size: entry.size }, host: Buffer.from(host) });
      }
      case 'other': // BuildKit leaves out pipes, and devices are not made by a build
    }
  }

  private place(path: BytePath, placed: Placed): void {
    if (path !== '/' && !this.nodes.has(parentOf(path)))
      this.place(parentOf(path), { node: PLAIN_DIRECTORY, host: null });
    this.nodes.set(path, placed);
    if (placed.node.type === 'directory') this.children.set(path, this.children.get(path) ?? new Set());
    if (path !== '/') this.children.get(parentOf(path))?.add(baseOf(path));
  }
}

/** @throws TransferError for `..` */
function pathOf(name: Buffer): BytePath {
  return components(name).reduce((path, part) => joinPath(path, part.toString('latin1')), '/');
}
