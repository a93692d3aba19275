/** Reads a tar stream: ustar, GNU long names, pax. Names stay bytes; nothing is believed about them here. */
import { TransferError } from '../../exception/errors.js';

const BLOCK = 512;
/** Names and pax records are short; a header that claims more is broken or hostile. */
const MAX_META = 1024 * 1024;

export type TarType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';

export interface TarEntry {
  readonly type: TarType;
  readonly name: Buffer;
  readonly link: Buffer;
  readonly mode: number;
  /** By number; names are not looked at. */
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds. */
  readonly mtime: number;
  readonly mtimeNs: bigint;
  /** The content; what is not read is skipped before the next entry. */
  readonly body: AsyncGenerator<Buffer>;
}

/** @throws TransferError when the stream is cut off or is no tar archive */
export async function* readTar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const bytes = byteReader(stream);
  let longName: Buffer | null = null;
  let longLink: Buffer | null = null;
  let pax: Map<string, Buffer> = new Map();
  for (;;) {
    const block = await bytes.take(BLOCK);
    if (block === null || block.every((byte) => byte === 0)) {
      await bytes.drain(); // a writer that is not read to the end dies of SIGPIPE
      return;
    }
    assertChecksum(block);
    const type = block.toString('latin1', 156, 157);
    const size = number(block, 124, 12);
    if (type === 'L' || type === 'K' || type === 'x' || type === 'g') {
      if (size > MAX_META) throw broken(`a header of ${size} bytes`);
      const data = await bytes.need(size);
      await bytes.need(padding(size));
      if (type === 'L') longName = withoutNul(data);
      else if (type === 'K') longLink = withoutNul(data);
      else if (type === 'x') pax = paxRecords(data);
      continue;
    }
    const realSize = pax.has('size') ? Number(pax.get('size')) : size;
    if (!Number.isSafeInteger(realSize) || realSize < 0) throw broken(`an entry of ${realSize} bytes`);
    const content = typeOf(type) === 'file' || typeOf(type) === 'other' ? realSize : 0;
    const body = bytes.chunks(content);
    yield {
      type: typeOf(type),
      name: pax.get('path') ?? longName ?? ustarName(block),
      link: pax.get('linkpath') ?? longLink ?? withoutNul(block.subarray(157, 257)),
      mode: number(block, 100, 8) & 0o7777,
      uid: pax.has('uid') ? Number(pax.get('uid')) : number(block, 108, 8),
      gid: pax.has('gid') ? Number(pax.get('gid')) : number(block, 116, 8),
      size: content,
      mtime: pax.has('mtime') ? Number(pax.get('mtime')) : number(block, 136, 12),
      mtimeNs: nanoseconds(pax.get('mtime')?.toString('latin1') ?? String(number(block, 136, 12))),
      body,
    };
    for await (const _ of body);
    await bytes.need(padding(content));
    longName = null;
    longLink = null;
    pax = new Map();
  }
}

function typeOf(flag: string): TarType {
  if (flag === '0' || flag === '\0' || flag === '7') return 'file';
  if (flag === '5') return 'directory';
  if (flag === '2') return 'symlink';
  return flag === '1' ? 'hardlink' : 'other';
}

function byteReader(stream: AsyncIterable<Uint8Array>) {
  const iterator = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);

  const more = async (): Promise<boolean> => {
    const next = await iterator.next();
    if (next.done) return false;
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    return true;
  };
  const cut = (size: number): Buffer => {
    const part = rest.subarray(0, size);
    rest = rest.subarray(size);
    return part;
  };
  const take = async (size: number): Promise<Buffer | null> => {
    while (rest.length < size) {
      if (await more()) continue;
      if (rest.length === 0 && size > 0) return null;
      throw broken('it ends within an entry');
    }
    return cut(size);
  };
  return {
    /** Exactly `size` bytes, or null at the end of the stream. */
    take,
    async need(size: number): Promise<Buffer> {
      const part = await take(size);
      if (part === null) throw broken('it ends within an entry');
      return part;
    },
    async *chunks(size: number): AsyncGenerator<Buffer> {
      let left = size;
      while (left > 0) {
        if (rest.length === 0 && !(await more())) throw broken('it ends within a file');
        const part = cut(Math.min(left, rest.length));
        left -= part.length;
        yield part;
      }
    },
    async drain(): Promise<void> {
      rest = Buffer.alloc(0);
      while (await more()) rest = Buffer.alloc(0);
    },
  };
}

function broken(what: string): TransferError {
  return new TransferError(`the archive from the sandbox is broken: ${what}`);
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function withoutNul(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end));
}

/** The prefix field belongs to POSIX ustar; GNU's header has other things there. */
function ustarName(block: Buffer): Buffer {
  const name = withoutNul(block.subarray(0, 100));
  const prefix = withoutNul(block.subarray(345, 500));
  const posix = block.toString('latin1', 257, 263) === 'ustar\0';
  return posix && prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name;
}

/** Octal text, or GNU's base-256 when the first bit is set. */
function number(block: Buffer, at: number, width: number): number {
  const field = block.subarray(at, at + width);
  const first = field[0] ?? 0;
  if (first & 0x80) {
    let value = BigInt(first & 0x7f);
    for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte);
    return Number(value);
  }
  const text = field
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw broken(`"${text}" where a number should be`);
  return text === '' ? 0 : Number.parseInt(text, 8);
}

/** Of seconds with a fraction, which has more digits than a number keeps. */
function nanoseconds(text: string): bigint {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text) ?? [];
  if (whole === '') throw broken(`"${text}" where a time should be`);
  const ns = BigInt(whole) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -ns : ns;
}

function assertChecksum(block: Buffer): void {
  let sum = 0;
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
  if (sum !== number(block, 148, 8)) throw broken('a header’s checksum is wrong');
}

/** `<length> <key>=<value>\n` records; the length counts itself. */
function paxRecords(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.toString('latin1', at, space < 0 ? at : space));
    const record = data.subarray(at, at + length);
    const equals = record.indexOf(0x3d);
    if (space < 0 || !(length > 0) || record.length !== length || equals < 0) throw broken('a pax record');
    const key = record.toString('utf8', space - at + 1, equals);
    records.set(key, Buffer.from(record.subarray(equals + 1, record.length - 1)));
    at += length;
  }
  return records;
}
