/** The image's ENTRYPOINT with Harbor's keep-alive command, where a provider starts nothing of the image by itself. */
import { type PlumblineError, SandboxCreateError, UnknownUserError } from '../../exception/errors.js';
import type { ProviderContext } from '../../model/provider.js';
import { KEEP_ALIVE } from '../keep-alive.js';
import { BECOME } from './become.js';
import { isTransient } from './exec.js';
import type { RuntimeDefaults } from './image-config.js';
import { quote, quoteAll } from './quote.js';
import { type RetryPolicy, retrying } from './retry.js';
import { REMOTE_DIR, type RemoteShell, type ScriptEnd } from './shell.js';
import { WHO } from './who.js';

/** Exit codes of our script. */
const NO_USER = 71;
const CANNOT_BECOME = 72;
/** Milliseconds; the script returns at once. */
const START_LIMIT_MS = 60_000;

export interface MainProcess {
  readonly defaults: RuntimeDefaults;
  /** Of the sandbox; wins over the image's. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A script that starts it in a session of its own and returns at once, or does nothing where there is no ENTRYPOINT. It may be
 * sent again: a latch lets it start once.
 */
export function mainProcessScript({ defaults, env }: MainProcess): string {
  const prepare = `mkdir -p -m 711 ${REMOTE_DIR}`;
  if (defaults.entrypoint.length === 0) return prepare;
  const all = { ...defaults.env, ...env };
  const home = Object.hasOwn(all, 'HOME') ? '' : '"HOME=$home" ';
  const words = quoteAll(Object.entries(all).map(([name, value]) => `${name}=${value}`));
  return `${prepare}; umask 022
${WHO}
who ${quote(defaults.user)} || exit ${NO_USER}
${BECOME}
become || exit ${CANNOT_BECOME}
mkdir ${REMOTE_DIR}/main 2>/dev/null || exit 0
cd ${quote(defaults.workdir)} 2>/dev/null || cd /
s=; command -v setsid >/dev/null 2>&1 && s=setsid
$s $as env -i ${home}"HOSTNAME=$(cat /proc/sys/kernel/hostname)" ${words} ${quoteAll([...defaults.entrypoint, ...KEEP_ALIVE])} </dev/null >/dev/null 2>&1 &
exit 0
`;
}

/** Starts it once, however often the connection breaks. @throws UnknownUserError, SandboxCreateError when it cannot be started as its image says */
export async function startMainProcess(
  shell: RemoteShell,
  main: MainProcess,
  policy: RetryPolicy,
  { signal, onEvent }: ProviderContext,
): Promise<void> {
  const script = mainProcessScript(main);
  await retrying({ what: 'start', policy, signal, mayRetry: isTransient, onEvent }, async () => {
    const end = await shell.script(script, { limitMs: START_LIMIT_MS, signal });
    if (end.exitCode !== 0) throw notStarted(end, main.defaults.user);
  });
}

function notStarted({ exitCode, stderr }: ScriptEnd, user: string): PlumblineError {
  if (exitCode === NO_USER) return new UnknownUserError(`the image has no user ${JSON.stringify(user)}`);
  if (exitCode === CANNOT_BECOME) {
    const message = `ENTRYPOINT: the image has neither setpriv nor GNU chroot to become user ${user}`;
    return new SandboxCreateError(message, { retryable: false });
  }
  return new SandboxCreateError(`the sandbox cannot run a shell: ${stderr.trim()}`);
}
