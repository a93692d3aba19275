/** Files into and out of a remote sandbox: one tar each way, its bytes checked before anything is unpacked. */
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DiskFullError, PlumblineError, TransferError } from '../../exception/errors.js';
import type { DownloadOptions, ProviderContext, TransferOptions } from '../../model/provider.js';
import { errorMessage } from '../../util/cause-chain.js';
import { createExcluder } from '../docker/exclude.js';
import { components, extractTar, type Placement } from '../docker/tar-extract.js';
import type { TarEntry } from '../docker/tar-reader.js';
import { writeTar } from '../docker/tar-writer.js';
import { isTransient } from './exec.js';
import { quote } from './quote.js';
import { DEFAULT_POLICY, type RetryPolicy, retrying } from './retry.js';
import { REMOTE_DIR, type RemoteShell } from './shell.js';

export interface FileTarget {
  readonly shell: RemoteShell;
  readonly policy?: RetryPolicy;
  /** What the next exec may remove. */
  readonly finished?: string[];
  /** Hears of every recovery. */
  readonly onEvent?: ProviderContext['onEvent'] | undefined;
  /** Bytes of one upload request; larger archives go in parts. */
  readonly chunkBytes?: number;
}

const CHUNK_BYTES = 32 * 1024 * 1024;
/** Exit codes of our scripts; none of tar's or the shell's own. */
const NOT_A_FILE = 71;
const NO_TAR = 72;
const NO_SPACE = 73;
const BROKEN = 74;
const MISSING = 75;

/** @throws TransferError, DiskFullError, SandboxLostError */
export async function uploadRemote(
  target: FileTarget,
  hostPath: string,
  to: string,
  options: TransferOptions = {},
): Promise<void> {
  const what = `upload to ${to}`;
  const { signal } = options;
  const dir = await mkdtemp(join(tmpdir(), 'plumbline-upload-'));
  try {
    const stats = await lstat(hostPath);
    const single = !stats.isDirectory();
    const archive = join(dir, 'tar');
    const name = basename(posix.normalize(to));
    await pipeline(Readable.from(writeTar(hostPath, single ? name : '')), createWriteStream(archive));
    const parts = await sendParts(target, archive, signal);
    await runScript(target, 'upload', unpackScript(parts, to, single), what, signal);
    target.finished?.push(doneFile(parts));
  } catch (error) {
    signal?.throwIfAborted();
    throw asTransferError(error, what);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Parts {
  readonly paths: readonly string[];
  readonly bytes: number;
}

async function sendParts(target: FileTarget, archive: string, signal: AbortSignal | undefined): Promise<Parts> {
  const { shell, policy = DEFAULT_POLICY, onEvent, chunkBytes = CHUNK_BYTES } = target;
  const retry = { what: 'upload', policy, signal, mayRetry: isTransient, onEvent };
  const id = randomBytes(12).toString('hex');
  const paths: string[] = [];
  let bytes = 0;
  const file = await open(archive, 'r');
  try {
    for (;;) {
      const buffer = Buffer.alloc(chunkBytes);
      const { bytesRead } = await file.read(buffer, 0, chunkBytes, bytes);
      if (bytesRead === 0) break;
      const path = `${REMOTE_DIR}/${id}.${String(paths.length).padStart(5, '0')}`;
      const data = buffer.subarray(0, bytesRead);
      await retrying(retry, () => shell.write(path, data, signal));
      paths.push(path);
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
  return { paths, bytes };
}

/** Tells an unpacking that is sent again that it has been done. */
function doneFile({ paths }: Parts): string {
  return `${paths[0]}.done`;
}

/** May run twice: unpacking is repeatable as long as its parts are there, and it removes them only when it has succeeded. */
function unpackScript(parts: Parts, to: string, single: boolean): string {
  const list = parts.paths.map(quote).join(' ');
  return `umask 022; to=${quote(to)}
[ -f ${quote(doneFile(parts))} ] && exit 0
command -v tar >/dev/null 2>&1 || exit ${NO_TAR}
n=$(cat ${list} | wc -c); [ $((n)) = ${parts.bytes} ] || { echo "$((n)) of ${parts.bytes} bytes arrived" >&2; exit ${BROKEN}; }
${
  single
    ? `[ -d "$to" ] && { echo "$to is a directory" >&2; exit ${NOT_A_FILE}; }
d=\${to%/*}; d=\${d:-/}`
    : 'd=$to'
}
mkdir -p -- "$d" || exit ${NOT_A_FILE}
k=; tar --keep-directory-symlink --version >/dev/null 2>&1 && k=--keep-directory-symlink
cat ${list} | tar $k -xpf - -C "$d"; r=$?
[ $r = 0 ] || { [ "$(df -P "$d" 2>/dev/null | awk 'NR==2{print $4}' 2>/dev/null)" = 0 ] && exit ${NO_SPACE}; exit $r; }
: > ${quote(doneFile(parts))}; rm -f ${list}; exit 0
`;
}

/** @throws TransferError, DiskFullError, SandboxLostError */
export async function downloadRemote(
  target: FileTarget,
  from: string,
  hostPath: string,
  options: DownloadOptions = {},
): Promise<void> {
  const what = `download of ${from}`;
  const { signal } = options;
  const { shell, policy = DEFAULT_POLICY, onEvent } = target;
  const source = posix.normalize(from).replace(/(.)\/+$/, '$1');
  const remote = `${REMOTE_DIR}/${randomBytes(12).toString('hex')}.tar`;
  const dir = await mkdtemp(join(tmpdir(), 'plumbline-download-'));
  const local = join(dir, 'tar');
  try {
    const said = await runScript(target, 'download', packScript(source, remote), what, signal);
    const size = Number(/^size (\d+)$/m.exec(said)?.[1] ?? Number.NaN);
    await retrying({ what: 'download', policy, signal, mayRetry: isTransient, onEvent }, async () => {
      await pipeline(Readable.from(shell.read(remote, signal)), createWriteStream(local));
      const got = (await lstat(local)).size;
      if (got !== size) throw new TransferError(`${what}: ${got} of ${size} bytes arrived`);
    });
    const isDirectory = /^kind directory$/m.test(said);
    const excluded = createExcluder(options.exclude ?? []);
    const { missingLinks } = await extractTar(createReadStream(local), (first) =>
      begin(first, isDirectory, hostPath, excluded, what),
    );
    for (const { at, from: linked } of missingLinks) {
      // the name that the archive gives the content was excluded: fetch it under that name
      const again = posix.join(source, ...components(linked).map(String));
      await downloadRemote(target, again, join(hostPath, ...at.map(String)), signal === undefined ? {} : { signal });
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw asTransferError(error, what);
  } finally {
    await rm(dir, { recursive: true, force: true });
    // the directory of ours goes with the sandbox: a leftover is no fault of the transfer
    await shell.script(`rm -f ${quote(remote)}`, { limitMs: 20_000, signal }).catch(() => undefined);
  }
}

/** A directory's contents as `./…`, a file under its own name; a link as source is followed. Exit 1 of tar is "changed meanwhile". */
function packScript(source: string, remote: string): string {
  return `s=${quote(source)} t=${quote(remote)}
mkdir -p -m 711 ${REMOTE_DIR}
[ -e "$s" ] || { echo "$s does not exist" >&2; exit ${MISSING}; }
command -v tar >/dev/null 2>&1 || exit ${NO_TAR}
if [ -d "$s" ]; then echo 'kind directory'; tar -cf "$t" -C "$s" .
else echo 'kind file'; p=$(readlink -f -- "$s") || exit ${MISSING}; d=\${p%/*}; tar -cf "$t" -C "\${d:-/}" "./\${p##*/}"; fi
r=$?; [ $r -le 1 ] || exit $r
echo "size $(($(wc -c < "$t")))"
`;
}

async function begin(
  first: TarEntry,
  isDirectory: boolean,
  hostPath: string,
  excluded: (name: string) => boolean,
  what: string,
): Promise<Placement> {
  if (!isDirectory) {
    if (first.type === 'directory') throw new TransferError(`${what}: a file was asked for, and a directory came`);
    const there = await lstat(hostPath).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
      throw error;
    });
    if (there?.isDirectory()) throw new TransferError(`${what}: it is a file, and ${hostPath} is a directory`);
    await mkdir(dirname(hostPath), { recursive: true });
    return { into: dirname(hostPath), place: () => [Buffer.from(basename(hostPath))] };
  }
  await mkdir(hostPath, { recursive: true });
  return {
    into: hostPath,
    place: (parts) => (parts.length > 0 && excluded(parts.map(String).join('/')) ? null : parts),
  };
}

/** @returns what it printed */
async function runScript(
  target: FileTarget,
  kind: 'upload' | 'download',
  script: string,
  what: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { shell, policy = DEFAULT_POLICY, onEvent } = target;
  return await retrying({ what: kind, policy, signal, mayRetry: isTransient, onEvent }, async () => {
    let said = '';
    const end = await shell.script(script, {
      limitMs: null,
      signal,
      onStdout: (text) => {
        said += text;
      },
    });
    if (end.exitCode === 0) return said;
    const words = end.stderr.trim().slice(-2_000);
    if (end.exitCode === NO_SPACE || /No space left on device/.test(words)) {
      throw new DiskFullError(`${what}: no space left in the sandbox: ${words}`);
    }
    const reason = end.exitCode === NO_TAR ? 'the image has no tar' : words || `exit code ${end.exitCode}`;
    throw new TransferError(`${what}: ${reason}`, { retryable: end.exitCode === BROKEN });
  });
}

function asTransferError(error: unknown, what: string): unknown {
  if (error instanceof PlumblineError) return error;
  const message = errorMessage(error);
  if ((error as { code?: unknown }).code === 'ENOSPC') {
    return new DiskFullError(`${what}: ${message}`, { cause: error, origin: 'harness' });
  }
  return new TransferError(`${what}: ${message}`, { cause: error, retryable: false });
}
