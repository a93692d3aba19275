/**
 * /tmp of an image. E2B's machines empty /tmp (and /run) when they boot: at the end of every build, and before a step when the steps
 * before it came from the cache (e2b-dev/infra, August 2026). So each step leaves /tmp in an archive behind, the next one finds it
 * there, and so does a sandbox.
 */
import { SandboxCreateError } from '../../exception/errors.js';
import type { ProviderContext } from '../../model/provider.js';
import { isTransient } from '../remote/exec.js';
import { type RetryPolicy, retrying } from '../remote/retry.js';
import { REMOTE_DIR, type RemoteShell } from '../remote/shell.js';

/** What a Dockerfile put into /tmp was put there again before anything ran; not with `--raw`. */
export const TMP_INTERVENTION = 'tmp-restored';

const ARCHIVE = `${REMOTE_DIR}/tmp.tar`;
/** Gone after a boot. */
const SAME_BOOT = '/run/.plumbline-boot';
const RESTORE_LIMIT_MS = 10 * 60_000;

/** What E2B's COPY leaves in /tmp until the next boot: the files' hash with .tar, and a directory of that name. */
const LEFTOVERS = `for f in /tmp/*.tar; do d=\${f%.tar}; [ \${#d} = 69 ] && [ -d "$d/unpack" ] && rm -rf "$f" "$d"; done`;

/** The script of a step, with what the steps before it have left in /tmp. */
export function withTmp(script: string): string {
  return `${LEFTOVERS}
[ ! -s ${ARCHIVE} ] || [ -e ${SAME_BOOT} ] || tar -xpf ${ARCHIVE} --numeric-owner -C /tmp || exit 1
mkdir -p /run && : > ${SAME_BOOT}
(
${script}
)
r=$?; [ $r = 0 ] || exit $r
if [ -z "$(ls -A /tmp)" ] && [ "$(stat -c %a /tmp)" = 1777 ]; then rm -f ${ARCHIVE}; exit 0; fi
mkdir -p -m 711 ${REMOTE_DIR} && tar -cf ${ARCHIVE} -C /tmp .; r=$?; [ $r -le 1 ] || exit $r; exit 0
`;
}

/** May run twice: nothing has run in the sandbox before. */
const RESTORE = `[ -f ${ARCHIVE} ] || exit 0
if [ -s ${ARCHIVE} ]; then tar -xpf ${ARCHIVE} --numeric-owner -C /tmp && : > ${ARCHIVE} || exit 1; fi
echo ${TMP_INTERVENTION}
`;

/** @returns whether there was anything to put there */
export async function restoreTmp(
  shell: RemoteShell,
  policy: RetryPolicy,
  { signal, onEvent }: Pick<ProviderContext, 'signal'> & Partial<Pick<ProviderContext, 'onEvent'>>,
): Promise<boolean> {
  return await retrying({ what: 'fill /tmp', policy, signal, mayRetry: isTransient, onEvent }, async () => {
    let said = '';
    const end = await shell.script(RESTORE, {
      limitMs: RESTORE_LIMIT_MS,
      signal,
      onStdout(text) {
        said += text;
      },
    });
    if (end.exitCode !== 0) throw new SandboxCreateError(`/tmp of the image could not be filled: ${end.stderr.trim()}`);
    return said.includes(TMP_INTERVENTION);
  });
}
