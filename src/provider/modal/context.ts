/**
 * The build context. Modal mounts plain files beside a Dockerfile, as its Python client does, and a mount knows names, bytes and
 * modes of files. What it cannot hold (links, empty directories, modes of directories) travels as a tar that a stage of its own
 * unpacks, and COPY takes it from there (dockerfile.ts).
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import type { ContextEntry } from '../../image/context-entries.js';
import { readContext, writeContextTar } from '../remote/context-tar.js';

export interface ContextFile {
  /** Slash-separated, relative to the context. */
  readonly name: string;
  readonly hostPath: Buffer | string;
  readonly sha256: string;
  readonly size: number;
  readonly mode: number;
}

export interface BuildContext {
  readonly files: readonly ContextFile[];
  /** Null where the files say everything. */
  readonly tar: ContextFile | null;
}

export const CONTEXT_TAR = '.plumbline-context.tar';
/** Of one message: 100 MiB, with room for the rest of it. */
const MAX_FILE_BYTES = 99 * 1024 * 1024;

/** What is known of a context without reading its files. */
export interface ScannedContext {
  readonly entries: readonly ContextEntry[];
  readonly needsTar: boolean;
  /** Whether a source of COPY or ADD names one plain file. */
  isFile(source: string): boolean;
}

/**
 * @throws EnvironmentDefinitionError for what cannot be read, and, with origin `provider`, for a file above MAX_FILE_BYTES
 */
export async function scanContext(contextDir: string, dockerfile: string): Promise<ScannedContext> {
  const entries = await readContext(contextDir, dockerfile);
  const needsTar = entries.some((entry) => entryNeedsTar(entry, entries));
  const large = entries.find(({ size }) => size > MAX_FILE_BYTES);
  if (large !== undefined) throw tooLarge(large.name, large.size);
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (needsTar && total > MAX_FILE_BYTES) throw tooLarge('the tar that it needs', total);
  const names = new Set(entries.filter(isPlainFile).map((entry) => entry.name));
  return { entries, needsTar, isFile: (source) => names.has(posix.normalize(`/${source}`).slice(1)) };
}

function tooLarge(what: string, bytes: number): EnvironmentDefinitionError {
  return new EnvironmentDefinitionError(
    `the build context cannot be sent to Modal: ${what} has ${bytes} bytes, at most ${MAX_FILE_BYTES} go into a call`,
    { origin: 'provider' },
  );
}

/** @param tmp directory for the tar @throws EnvironmentDefinitionError for what cannot be read */
export async function buildContext({ entries, needsTar }: ScannedContext, tmp: string): Promise<BuildContext> {
  const files: ContextFile[] = [];
  for (const entry of entries) if (isPlainFile(entry)) files.push(await fileOf(entry));
  if (!needsTar) return { files, tar: null };
  const path = join(tmp, CONTEXT_TAR);
  // a mount is known by its bytes: with its own times, every checkout of a task would be another image
  await writeContextTar(entries, path, 'fixed');
  const { size } = await stat(path);
  const tar = { name: CONTEXT_TAR, hostPath: path, sha256: await sha256(path), size, mode: 0o644 };
  // a .dockerignore has had its say; a builder that reads it again must not lose the tar
  return { files: files.filter((file) => !file.name.endsWith('.dockerignore')), tar };
}

function entryNeedsTar(entry: ContextEntry, all: readonly ContextEntry[]): boolean {
  if (!isPlainName(entry)) return true;
  if (entry.type === 'file') return (entry.mode & 0o7000) !== 0 || entry.linkGroup !== null;
  if (entry.type !== 'directory') return true;
  if (entry.mode !== 0o755) return true;
  const below = Buffer.concat([entry.path, Buffer.from('/')]);
  return !all.some((other) => other.path.subarray(0, below.length).equals(below));
}

function isPlainFile(entry: ContextEntry): boolean {
  return entry.type === 'file' && isPlainName(entry);
}

function isPlainName(entry: ContextEntry): boolean {
  return Buffer.from(entry.name).equals(entry.path);
}

async function fileOf(entry: ContextEntry): Promise<ContextFile> {
  const { name, hostPath, size, mode } = entry;
  return { name, hostPath, size, mode: mode & 0o777, sha256: await sha256(hostPath) };
}

async function sha256(path: Buffer | string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  } catch (cause) {
    throw new EnvironmentDefinitionError(`${path.toString()} cannot be read`, { cause });
  }
  return hash.digest('hex');
}
