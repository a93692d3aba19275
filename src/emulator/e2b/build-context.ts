/** The steps of a template build as a Dockerfile and its context, for the backend to build. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ImageSource } from '../../model/image.js';
import { HttpError } from '../core/routes.js';
import { type Cloud, findTemplate, readyBuild } from './state.js';

const run = promisify(execFile);

export interface RequestedStep {
  readonly type: string;
  readonly args?: readonly string[];
  readonly filesHash?: string;
}

export interface BuildRequest {
  readonly fromImage: string | null;
  readonly fromTemplate: string | null;
  readonly steps: readonly RequestedStep[];
}

export interface BuildContext {
  readonly source: ImageSource;
  /** Defaults of processes in the sandbox: the last USER and WORKDIR. */
  readonly user: string;
  readonly workdir: string;
}

/**
 * What systemd does to them when a machine boots: at the end of a build, and before a step when all before it are cached. Here it is done
 * before every step.
 */
const BOOT = 'find /tmp /run -xdev -mindepth 1 -delete; mkdir -p -m 1777 /run/lock';

/** Said in two parts: a builder's excerpt of the Dockerfile must not read like the refusal. */
const REFUSAL = 'unsupported base image';
/** The first thing that the builder does: distributions that it does not know end the build. */
export const PROVISION = `ID= ID_LIKE=; w='unsupported base'; [ -r /etc/os-release ] && . /etc/os-release
for i in $ID $ID_LIKE; do case $i in rhel|ol|amzn) break;; debian|ubuntu|fedora|centos|rocky|almalinux|arch|archarm|alpine) exit 0;; esac; done
echo "[provision] ERROR: $w image distribution: ID='\${ID:-unknown (image has no /etc/os-release)}'." >&2; exit 1`;

/** A base without a shell is refused in the same words. */
export function inWordsOfProvisioning(message: string): string {
  const shellless = /exec: "\/bin\/sh"|unable to find user 0: invalid argument|\/bin\/sh: no such file/i.test(message);
  return shellless
    ? `[provision] ERROR: ${REFUSAL} distribution: ID='unknown (image has no /etc/os-release)'.`
    : message;
}

/**
 * USER and WORKDIR of the base image are not taken over, and neither is ENTRYPOINT: a template starts as root in `/`, and
 * nothing of the image runs by itself. RUN goes through a login shell, as on the real builder.
 */
export async function buildContext(cloud: Cloud, request: BuildRequest): Promise<BuildContext> {
  const dir = cloud.temp.path();
  await mkdir(dir);
  const provisioning =
    request.fromImage === null ? [] : ['USER 0', `RUN ${JSON.stringify(['/bin/sh', '-c', PROVISION])}`];
  const lines = [`FROM ${baseOf(cloud, request)}`, ...provisioning, 'USER root', 'WORKDIR /'];
  let user = 'root';
  let workdir = '/';
  for (const [index, step] of request.steps.entries()) {
    const args = step.args ?? [];
    switch (step.type) {
      case 'ENV':
        for (let at = 0; at + 1 < args.length; at += 2)
          lines.push(`ENV ${quote(args[at] ?? '')}=${quote(args[at + 1] ?? '')}`);
        break;
      case 'USER':
        user = args[0] ?? 'root';
        lines.push(`USER ${user}`);
        break;
      case 'WORKDIR':
        workdir = args[0] ?? '/';
        lines.push(`WORKDIR ${quote(workdir)}`);
        break;
      case 'RUN':
        if (args[1]) lines.push(`USER ${args[1]}`);
        lines.push(`RUN ${JSON.stringify(['/bin/sh', '-c', `${BOOT}\nexec /bin/bash -l -c "$0"`, args[0] ?? ''])}`);
        if (args[1]) lines.push(`USER ${user}`);
        break;
      case 'COPY':
        lines.push(await copyLine(cloud, dir, index, step));
        break;
      default:
        throw new HttpError(400, { code: 400, message: `unknown build step ${step.type}` });
    }
  }
  lines.push('USER root', `RUN ${JSON.stringify(['/bin/sh', '-c', BOOT])}`, 'ENTRYPOINT []', '');
  const dockerfile = join(dir, 'Dockerfile');
  await writeFile(dockerfile, lines.join('\n'));
  return { source: { kind: 'dockerfile', contextDir: dir, dockerfile }, user, workdir };
}

function baseOf(cloud: Cloud, request: BuildRequest): string {
  if (request.fromImage !== null) return request.fromImage;
  const build = readyBuild(findTemplate(cloud, request.fromTemplate ?? ''));
  if (build === null) throw new HttpError(404, { code: 404, message: 'base template not found' });
  return build.result.image.ref;
}

/** Unpacks the uploaded archive into a folder of the context of its own. */
async function copyLine(cloud: Cloud, dir: string, index: number, step: RequestedStep): Promise<string> {
  const [source = '', destination = '', owner = '', mode = ''] = step.args ?? [];
  const archive = cloud.uploads.get(step.filesHash ?? '');
  if (archive === undefined)
    throw new HttpError(400, { code: 400, message: `files of COPY ${source} were not uploaded` });
  const folder = `step-${index}`;
  await mkdir(join(dir, folder));
  await run('tar', ['-xf', archive, '-C', join(dir, folder)]);
  const inner = source === '.' || source === '' ? `${folder}/` : `${folder}/${source}`;
  if ((await readdir(join(dir, folder))).length === 0) {
    throw new HttpError(400, { code: 400, message: `no files for COPY ${source}` });
  }
  const flags = [...(owner === '' ? [] : [`--chown=${owner}`]), ...(mode === '' ? [] : [`--chmod=${mode}`])];
  return `COPY ${flags.join(' ')} ${JSON.stringify([inner, destination])}`;
}

/** A Dockerfile word. A newline cannot be in one. */
function quote(text: string): string {
  if (text.includes('\n')) throw new HttpError(400, { code: 400, message: 'a newline in ENV or WORKDIR' });
  return `"${text.replace(/[\\"$]/g, '\\$&')}"`;
}
