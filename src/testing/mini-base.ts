/** A small base image for builder tests, made of the host's own shell and coreutils: no network, 10 MB, the same bytes for every engine. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const PROGRAMS =
  'sh cat ls mkdir chmod chown ln touch rm cp mv id env stat mknod readlink sort tr wc rmdir true false pwd sleep find grep sed head tail tar mktemp base64 mkfifo chroot setpriv'.split(
    ' ',
  );

/** Fills a directory; returns it. Times are fixed, so that two tars of it are alike. */
export function makeMiniBase(dir: string): string {
  for (const name of [
    'bin',
    'etc',
    'root',
    'tmp',
    'usr/bin',
    'var/tmp',
    'run',
    'home/user',
    'dev',
    'proc',
    'sys',
    'srv/real',
  ]) {
    mkdirSync(join(dir, name), { recursive: true });
  }
  const libraries = new Set<string>();
  for (const program of PROGRAMS) {
    const path = [`/usr/bin/${program}`, `/bin/${program}`, `/usr/sbin/${program}`].find(existsSync);
    if (path === undefined) throw new Error(`this host has no ${program}`);
    cpSync(realpathSync(path), join(dir, 'bin', program));
    for (const match of execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g))
      libraries.add(match[1] ?? '');
  }
  for (const library of libraries) {
    mkdirSync(join(dir, dirname(library)), { recursive: true });
    cpSync(realpathSync(library), join(dir, library));
  }
  writeFileSync(join(dir, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1001::/home/user:/bin/sh\n');
  writeFileSync(join(dir, 'etc/group'), 'root:x:0:\nuser:x:1001:\nextra:x:2000:user\n');
  for (const name of ['etc/hosts', 'etc/resolv.conf', 'etc/hostname']) writeFileSync(join(dir, name), '');
  symlinkSync('/srv/real', join(dir, 'srv/absolute'));
  symlinkSync('real', join(dir, 'srv/relative'));
  writeFileSync(join(dir, 'srv/real/old'), 'old\n');
  execFileSync('chmod', ['-R', 'u+rwX,go+rX,go-w', dir]);
  execFileSync('chmod', ['1777', join(dir, 'tmp'), join(dir, 'var/tmp')]);
  execFileSync('chown', ['1000:1001', join(dir, 'home/user')]);
  execFileSync('find', [dir, '-depth', '-exec', 'touch', '-h', '-d', '2020-01-02 03:04:05.678901234 UTC', '{}', '+']);
  return dir;
}

/** The directory as a layer tar. */
export function tarOfDirectory(dir: string, file: string): string {
  execFileSync('tar', ['--numeric-owner', '--format=posix', '--sort=name', '-cf', file, '-C', dir, '.']);
  return file;
}
