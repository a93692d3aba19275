/** The files of a finished stage, for `COPY --from`: a short-lived sandbox of its template gives them as a tree on this machine. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { type FileTree, HostTree } from '../../image/builder/copy/tree.js';
import type { Owner } from '../../model/provider.js';
import { LABEL_NAME, ownerLabels } from '../labels.js';
import { createTagPool, execRemote } from '../remote/exec.js';
import { downloadRemote } from '../remote/files.js';
import { again, type Cloud } from './calls.js';
import { kill } from './list.js';
import { e2bShell } from './shell.js';

const STAGE_LIFETIME_MS = 10 * 60_000;

export async function stageFiles(
  cloud: Cloud,
  template: string,
  sources: readonly string[],
  dir: string,
  owner: Owner,
  signal: AbortSignal,
): Promise<FileTree> {
  const { client, policy } = cloud;
  const metadata = { ...ownerLabels(owner), [LABEL_NAME]: `stage-${randomBytes(6).toString('hex')}` };
  const sandbox = await again(cloud, { what: 'create', call: 'create', signal }, () =>
    client.Sandbox.create(template, { metadata, timeoutMs: STAGE_LIFETIME_MS, signal }),
  );
  const root = join(dir, 'files');
  await mkdir(root, { recursive: true });
  const shell = e2bShell(sandbox);
  const target = { shell, policy, workdir: '/', user: 'root', env: {}, tags: createTagPool(), finished: [] };
  try {
    for (const source of sources) {
      for (const path of await matching(target, posix.join('/', source), signal)) {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await downloadRemote({ shell, policy }, path, join(root, path), { signal });
      }
    }
    return new HostTree(root);
  } finally {
    await kill(cloud, sandbox.sandboxId);
  }
}

/** A source may be a pattern; the sandbox's shell knows what it matches. */
async function matching(
  target: Parameters<typeof execRemote>[0],
  pattern: string,
  signal: AbortSignal,
): Promise<string[]> {
  if (!/[*?[]/.test(pattern)) return [pattern];
  const argv = ['/bin/sh', '-c', 'IFS=; for p in $1; do [ -e "$p" ] && printf "%s\\0" "$p"; done', 'sh', pattern];
  const { stdout } = await execRemote(target, argv, { signal });
  return Buffer.from(stdout).toString('utf8').split('\0').filter(Boolean);
}
