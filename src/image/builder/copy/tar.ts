/** A plan as a tar stream: pax for what ustar cannot hold, names and attributes as raw bytes. */
import { createReadStream } from 'node:fs';
import type { PlannedEntry } from './target.js';
import type { BytePath } from './tree.js';
import type { Xattrs } from './xattrs.js';

const BLOCK = 512;
const TYPE_FLAGS = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const;

/**
 * @param now for entries without a time of their own
 * @throws Error when a file changes its size while it is read
 */
export async function* tarOf(
  entries: readonly PlannedEntry[],
  xattrs: ReadonlyMap<PlannedEntry, Xattrs>,
  now: bigint,
): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield* header(entry, xattrs.get(entry) ?? [], entry.mtimeNs ?? now);
    if (entry.content === null) continue;
    if (Buffer.isBuffer(entry.content)) yield entry.content;
    else yield* exactly(entry.content.hostPath, entry.content.size);
    yield padding(sizeOf(entry));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function sizeOf(entry: PlannedEntry): number {
  if (entry.content === null) return 0;
  return Buffer.isBuffer(entry.content) ? entry.content.length : entry.content.size;
}

async function* exactly(hostPath: Buffer, size: number): AsyncGenerator<Buffer> {
  let left = size;
  if (size > 0) {
    for await (const chunk of createReadStream(hostPath, { end: size - 1 }) as AsyncIterable<Buffer>) {
      left -= chunk.length;
      yield chunk;
    }
  }
  if (left !== 0) throw new Error(`${hostPath.toString('utf8')} changed while it was read`);
}

function* header(entry: PlannedEntry, xattrs: Xattrs, mtimeNs: bigint): Generator<Buffer> {
  const path = entry.path.slice(1) + (entry.type === 'directory' ? '/' : '');
  const link = entry.type === 'hardlink' ? (entry.target ?? '').slice(1) : (entry.target ?? '');
  const records: Buffer[] = [pax('mtime', seconds(mtimeNs))];
  if (path.length > 100) records.push(pax('path', path));
  if (link.length > 100) records.push(pax('linkpath', link));
  if (entry.uid > 0o7777777) records.push(pax('uid', String(entry.uid)));
  if (entry.gid > 0o7777777) records.push(pax('gid', String(entry.gid)));
  const size = sizeOf(entry);
  if (size > 0o77777777777) records.push(pax('size', String(size)));
  for (const { name, value } of xattrs) records.push(pax(`SCHILY.xattr.${name}`, value.toString('latin1')));
  const extended = Buffer.concat(records);
  yield block({
    name: 'PaxHeader',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: extended.length,
    flag: 'x',
    mtimeNs: 0n,
    link: '',
    device: null,
  });
  yield extended;
  yield padding(extended.length);
  const device = entry.type === 'char' || entry.type === 'block' ? entry.rdev : null;
  yield block({ ...entry, name: path, link, size, mtimeNs, flag: TYPE_FLAGS[entry.type], device });
}

/** Seconds since the epoch with nine decimals, also before it. */
function seconds(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const digits = String(ns < 0n ? -ns : ns).padStart(10, '0');
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** A record holds its own length in decimal. */
function pax(key: string, value: string): Buffer {
  const body = ` ${key}=${value}\n`;
  let length = body.length;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.from(`${length}${body}`, 'latin1');
}

interface Block {
  readonly name: BytePath;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly flag: string;
  readonly link: BytePath;
  readonly device: bigint | null;
}

function block({ name, mode, uid, gid, size, mtimeNs, flag, link, device }: Block): Buffer {
  const out = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number) => {
    const text = value.toString(8);
    if (text.length < width) out.write(text.padStart(width - 1, '0'), at, 'latin1'); // else a pax record has it
  };
  out.write(name.slice(0, 100), 0, 'latin1');
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  // BusyBox reads no time from pax.
  octal(mtimeNs < 0n ? 0 : Number(mtimeNs / 1_000_000_000n), 136, 12);
  out.write(flag, 156, 'latin1');
  out.write(link.slice(0, 100), 157, 'latin1');
  out.write('ustar\0' + '00', 257, 'latin1');
  if (device !== null) {
    octal(Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)), 329, 8);
    octal(Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)), 337, 8);
  }
  out.write(' '.repeat(8), 148, 'latin1');
  const sum = out.reduce((total, byte) => total + byte, 0);
  out.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return out;
}

function padding(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}
