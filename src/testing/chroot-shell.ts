/**
 * A remote sandbox that is a directory of this host: its scripts run in a chroot with namespaces of its own, so that /proc and /dev are
 * there and nothing that a script starts outlives it. Real files and real commands for tests, no isolation, root only.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RemoteShell } from '../provider/remote/shell.js';

/** The mounts are gone with the namespace. Everything but the script's own words is as unlike an image's as a provider can make it. */
const ENTER = `mount -n -t proc proc "$1/proc" && mount -n --rbind /dev "$1/dev" && cd "$1" && umask 077 &&
exec env -i HOME=/nowhere STRAY=provider "$(command -v chroot)" . /bin/sh -c "$2"`;

/** @param root its root directory, with /proc and /dev in it */
export function chrootShell(root: string): RemoteShell {
  return {
    inlineLimit: 60_000,
    async script(text, { onStdout, signal }) {
      const own = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'];
      const child = spawn('unshare', [...own, '--', 'sh', '-c', ENTER, 'sh', root, text], {
        stdio: ['ignore', 'pipe', 'pipe'],
        ...(signal && { signal }),
      });
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => onStdout?.(chunk));
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        stderr += chunk;
      });
      const [code] = (await once(child, 'close')) as [number | null];
      return { exitCode: code ?? 137, stderr };
    },
    async write(path, data) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), data);
    },
    read: (path) => createReadStream(join(root, path)),
  };
}
