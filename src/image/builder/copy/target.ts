/**
 * The tree that COPY and ADD write to, as it will be: what lies on disk under what is planned but not yet written. The plan is
 * a list of entries that a tar can carry.
 */
import { CopyError } from './error.js';
import {
  type BytePath,
  baseOf,
  type FileTree,
  joinPath,
  type NodeType,
  parentOf,
  type TreeNode,
  textOf,
} from './tree.js';

const SETGID = 0o2000;

export interface PlannedEntry {
  readonly path: BytePath;
  readonly type: NodeType | 'hardlink';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Null: the time of writing. */
  readonly mtimeNs: bigint | null;
  /** Of a symlink; of a hard link, a path in the same plan. */
  readonly target: BytePath | null;
  readonly rdev: bigint;
  /** Of a file. */
  readonly content: { readonly hostPath: Buffer; readonly size: number } | Buffer | null;
  /** Host path whose extended attributes are taken over. */
  readonly xattrsOf: Buffer | null;
  readonly keepsCapabilities: boolean;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export class PlannedTree implements FileTree {
  readonly keepsCapabilities = true;
  readonly entries: PlannedEntry[] = [];
  private readonly nodes = new Map<BytePath, TreeNode>();
  private readonly names = new Map<BytePath, Set<BytePath>>();

  constructor(private readonly disk: FileTree) {}

  async lstat(path: BytePath): Promise<TreeNode | null> {
    return this.nodes.get(path) ?? (await this.disk.lstat(path));
  }

  async list(path: BytePath): Promise<BytePath[]> {
    const onDisk = (await this.disk.lstat(path))?.type === 'directory' ? await this.disk.list(path) : [];
    return [...new Set([...onDisk, ...(this.names.get(path) ?? [])])];
  }

  hostPath(path: BytePath): Buffer {
    return this.disk.hostPath(path);
  }

  isPlanned(path: BytePath): boolean {
    return this.nodes.has(path);
  }

  add(entry: PlannedEntry): void {
    this.entries.push(entry);
    this.note(entry);
  }

  /** Remembers an entry that somebody else writes. */
  note(entry: PlannedEntry): void {
    const type = entry.type === 'hardlink' ? 'file' : entry.type;
    const { mode, uid, gid, rdev } = entry;
    const target = type === 'symlink' ? entry.target : null;
    const node = { type, mode, uid, gid, rdev, target, size: 0, mtimeNs: entry.mtimeNs ?? 0n, linkId: null };
    this.nodes.set(entry.path, node);
    const parent = parentOf(entry.path);
    const names = this.names.get(parent) ?? new Set();
    this.names.set(parent, names.add(baseOf(entry.path)));
  }

  /**
   * Plans a directory and the parents that are missing. The path must be resolved. As mkdir(2) does it, below a directory with
   * the setgid bit they get this bit and its group.
   * @throws CopyError when a part of it is not a directory
   */
  async makeDirectories(path: BytePath, mode: number, owner: Owner | null): Promise<void> {
    let current: BytePath = '/';
    let parent = await this.lstat(current);
    for (const part of path.split('/').filter(Boolean)) {
      current = joinPath(current, part);
      let node = await this.lstat(current);
      if (node === null) {
        const setgid = (parent?.mode ?? 0) & SETGID;
        const inherited = setgid === 0 || parent === null ? null : { uid: 0, gid: parent.gid };
        this.add(directoryEntry(current, mode | setgid, owner ?? inherited));
        node = await this.lstat(current);
      } else if (node.type !== 'directory') throw new CopyError(`mkdir ${textOf(current)}: not a directory`);
      parent = node;
    }
  }
}

export function directoryEntry(path: BytePath, mode: number, owner: Owner | null): PlannedEntry {
  return {
    path,
    type: 'directory',
    mode,
    uid: owner?.uid ?? 0,
    gid: owner?.gid ?? 0,
    mtimeNs: null,
    target: null,
    rdev: 0n,
    content: null,
    xattrsOf: null,
    keepsCapabilities: false,
  };
}
