/** The files of a finished stage, for `COPY --from`: a sandbox of it gives them as a tree on this machine. */
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TransferError } from '../../exception/errors.js';
import {
  absolutePath,
  type BytePath,
  bytesOf,
  type FileTree,
  joinPath,
  textOf,
} from '../../image/builder/copy/tree.js';
import { goPattern, hasGlob } from '../../image/dockerfile/go-path.js';
import { createTagPool, type ExecTarget, execRemote, isTransient } from './exec.js';
import { DEFAULT_POLICY, type RetryPolicy, retrying } from './retry.js';
import { REMOTE_DIR, type RemoteShell } from './shell.js';
import { TarTree } from './tar-tree.js';

/** What stands for `sources` in a sandbox, links on the way included; a source that is not there is not in the tree. @param dir for the files */
export async function filesFrom(
  shell: RemoteShell,
  sources: readonly string[],
  dir: string,
  { policy, signal }: { readonly policy: RetryPolicy; readonly signal: AbortSignal },
): Promise<FileTree> {
  const target = { shell, policy, workdir: '/', user: 'root', env: {}, tags: createTagPool(), finished: [] };
  const found = new Map<BytePath, BytePath>();
  for (const source of sources) {
    for (const [path, real] of await resolved(target, await matching(target, source, signal), signal))
      found.set(path, real);
  }
  const contents = join(dir, 'files');
  await mkdir(contents, { recursive: true });
  const local = join(dir, 'stage.tar');
  await packed(target, [...new Set(found.values())], local, signal);
  const tree = await TarTree.read(createReadStream(local), contents);
  for (const [path, real] of found) if (path !== real) tree.alias(path, real);
  return tree;
}

/** Paths that a source means, by the builder's rules; the sandbox lists the depth at which a pattern can match. */
async function matching(target: ExecTarget, source: string, signal: AbortSignal): Promise<BytePath[]> {
  const parts = absolutePath(bytesOf(source)).split('/').filter(Boolean);
  const first = parts.findIndex((part) => hasGlob(textOf(part)));
  if (first < 0) return [`/${parts.join('/')}`];
  const base = `/${parts.slice(0, first).join('/')}`;
  const pattern = goPattern(textOf(parts.slice(first).join('/')));
  const depth = String(parts.length - first);
  const script = 'cd "$1" 2>/dev/null || exit 0; find . -mindepth "$2" -maxdepth "$2" -print0';
  const names = await lines(target, script, [textOf(base), depth], signal);
  const paths = names.map((name) => name.replace(/^\.\//, '')).filter((name) => pattern.test(textOf(name)));
  return paths.map((path) => joinPath(base, path));
}

/** Where the links of each path lead. */
async function resolved(
  target: ExecTarget,
  paths: readonly BytePath[],
  signal: AbortSignal,
): Promise<[BytePath, BytePath][]> {
  const script = 'for p; do if [ -e "$p" ]; then readlink -f -- "$p" || exit 1; else echo; fi; printf "\\0"; done';
  const reals = await lines(target, script, paths.map(textOf), signal);
  return paths.flatMap((path, index) => {
    const real = reals[index]?.replace(/\n$/, '') ?? '';
    return real === '' ? [] : [[path, real] as [BytePath, BytePath]];
  });
}

/** GNU tar tells times below a second in its posix format, and stays out of /proc and the like; other programs have neither. */
const PACK = `t=$1; shift; cd / && mkdir -p -m 711 ${REMOTE_DIR} || exit 1
if tar --version 2>/dev/null | grep -q GNU; then tar --format=posix --one-file-system --exclude=./${REMOTE_DIR.slice(1)} -cf "$t" -- "$@"
else tar -cf "$t" "$@"; fi
r=$?; [ $r -le 1 ] || exit $r
echo $(($(wc -c < "$t")))`;

async function packed(
  target: ExecTarget,
  paths: readonly BytePath[],
  local: string,
  signal: AbortSignal,
): Promise<void> {
  const remote = `${REMOTE_DIR}/stage-${randomBytes(6).toString('hex')}.tar`;
  const { policy = DEFAULT_POLICY, shell } = target;
  // with no path at all tar would refuse: an archive of nothing is a fine answer
  const names = paths.length === 0 ? ['-T', '/dev/null'] : paths.map((path) => `.${textOf(path)}`);
  const size = Number((await run(target, PACK, [remote, ...names], signal)).toString());
  await retrying({ what: 'download', policy, signal, mayRetry: isTransient }, async () => {
    await pipeline(Readable.from(shell.read(remote, signal)), createWriteStream(local));
    const got = (await stat(local)).size;
    if (got !== size) throw new TransferError(`files of a stage: ${got} of ${size} bytes arrived`);
  });
}

/** Fields that a script ends with NUL. */
async function lines(
  target: ExecTarget,
  script: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<BytePath[]> {
  return (await run(target, script, args, signal)).toString('latin1').split('\0').slice(0, -1);
}

async function run(target: ExecTarget, script: string, args: readonly string[], signal: AbortSignal): Promise<Buffer> {
  const result = await execRemote(target, ['/bin/sh', '-c', script, 'sh', ...args], { signal });
  if (result.exitCode !== 0) {
    const said = Buffer.from(result.stderr).toString('utf8').trim().slice(-2_000);
    throw new TransferError(`the files of a stage cannot be read (exit code ${result.exitCode}): ${said}`);
  }
  return Buffer.from(result.stdout);
}
