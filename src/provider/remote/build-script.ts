/** Shell text of build steps. Each runs as root with any environment, and makes for its command the one that Docker would. */
import { BECOME } from './become.js';
import { FOLLOW } from './follow.js';
import { ownedDirs } from './owned-dirs.js';
import { quote, quoteAll } from './quote.js';
import { REMOTE_DIR } from './shell.js';
import { WHO } from './who.js';

export interface RunStep {
  readonly argv: readonly string[];
  /** A heredoc that brings its own interpreter: argv[0] is where Docker puts it, `/dev/pipes/<name>`. */
  readonly script: { readonly name: string; readonly content: string } | null;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: string;
  /** Mounts: what stands at `target` while the command runs, made by the shell text `fill`, is not part of the image; a directory that it needed is. */
  readonly temporary: readonly { readonly target: string; readonly fill: string }[];
}

export function runStepScript(step: RunStep): string {
  const { script, temporary } = step;
  const file = script === null ? null : `${REMOTE_DIR}/pipes/${script.name}`;
  const argv = file === null ? step.argv : [file, ...step.argv.slice(1)];
  const home = Object.hasOwn(step.env, 'HOME') ? '' : '"HOME=$home" ';
  const env = quoteAll(Object.entries(step.env).map(([name, value]) => `${name}=${value}`));
  return `umask 022
${WHO}
who ${quote(step.user)} || { echo "unable to find user ${step.user.replace(/[^\w:.-]/g, '?')}" >&2; exit 1; }
mkdir -p ${quote(step.cwd)} && cd ${quote(step.cwd)} || exit 1
${BECOME}
become || { echo 'the image has neither setpriv of util-linux nor GNU chroot to become another user' >&2; exit 1; }
${file === null ? ':' : `mkdir -p -m 755 ${REMOTE_DIR}/pipes && printf %s ${quote(script?.content ?? '')} > ${quote(file)} && chmod 755 ${quote(file)}`}
${temporary.length === 0 ? ':' : FOLLOW}
${temporary.map(({ target, fill }, index) => putAside(target, fill, index)).join('\n') || ':'}
$as env -i ${home}${env} ${quoteAll(argv)} </dev/null
r=$?
${
  temporary
    .map((_, index) => putBack(index))
    .reverse()
    .join('\n') || ':'
}
${file === null ? ':' : `rm -rf ${REMOTE_DIR}/pipes`}
exit $r
`;
}

/** What the image has at the target waits aside. */
function putAside(target: string, fill: string, index: number): string {
  return `mkdir -p ${REMOTE_DIR}/aside; follow ${quote(target)} && target=$real t${index}=$real || exit 1
[ -e "$target" ] || [ -L "$target" ] && { mv -T "$target" ${REMOTE_DIR}/aside/${index} || exit 1; }
mkdir -p "\${target%/*}/" && ${fill} || exit 1; [ -d "$target" ]; d${index}=$?`;
}

/**
 * A mount point that the image lacks stays behind as an empty directory, as an engine leaves it in the step's layer; of one for a file
 * only the parents stay (BuildKit of engine 20.10, as in image/builder/mount-points.ts).
 */
function putBack(index: number): string {
  return `rm -rf "$t${index}"
if [ -e ${REMOTE_DIR}/aside/${index} ] || [ -L ${REMOTE_DIR}/aside/${index} ]; then mv -T ${REMOTE_DIR}/aside/${index} "$t${index}"
elif [ $d${index} = 0 ]; then mkdir "$t${index}"; fi
rmdir ${REMOTE_DIR}/aside 2>/dev/null`;
}

/** WORKDIR makes its directory, and the parents that are missing, for the USER in force. */
export function workdirScript(path: string, user: string): string {
  return `umask 022
${ownedDirs(user === '' ? null : user)}
follow ${quote(path)} && dirs "$real"
`;
}
