/** Scripts and files in a Tensorlake sandbox: processes of its daemon, their output followed line by line. */
import { randomBytes } from 'node:crypto';
import {
  ExecError,
  NetworkError,
  type PlumblineError,
  SandboxLostError,
  TransferError,
} from '../../exception/errors.js';
import { bounded } from '../bounded.js';
import type { RemoteShell, ScriptEnd, ScriptHooks } from '../remote/shell.js';
import { type Doing, isNotFound, mapError } from './errors.js';
import type { Sdk, SdkSandbox } from './sdk.js';

export interface ShellOptions {
  readonly sdk: Sdk;
  readonly sandboxId: string;
  /** Let a script's process stay for as long as something that it started is running. */
  readonly keepBackground: boolean;
  /** Seconds that one call to the daemon may take; a file of 32 MB must fit. */
  readonly requestSec: number;
}

/** Bytes of a script that fit into one variable: Linux allows 128 KiB. */
const INLINE_LIMIT = 100_000;
const MAX_STDERR = 64 * 1024;
const LOOK_LIMIT_MS = 15_000;

/** In the arguments of each process that runs a script. */
const UNIT = 'plumbline-unit';

/** Seconds after which what ignores SIGTERM at the limit of a script is killed. */
const GRACE_SEC = 5;

/**
 * $1 is the word that ends the output, $2 what comes after the script, $3 its limit in seconds or nothing: the daemon has one
 * only for calls that hold their connection. At the limit the script's process group is killed, and the process ends with it:
 * then the daemon kills what is left (see STAY). An image without a `timeout` that takes -k goes without.
 * The script travels as a variable, so that nobody finds the words of a command in a process list once it has ended.
 */
const RUN = `s=$PLUMBLINE_SCRIPT; unset PLUMBLINE_SCRIPT; t=; up() { read -r u x 2>/dev/null < /proc/uptime && u=\${u%%.*}; }
[ -n "$3" ] && timeout -k 1 1 true 2>/dev/null && up && { t="timeout -k ${GRACE_SEC} $3"; end=$((u+$3)); }
$t /bin/sh -c "$s"; r=$?; printf '\\n%s %s\\n' "$1" "$r"
[ -n "$t" ] && up && [ "$u" -ge "$end" ] && exit "$r"
exec /bin/sh -c "$2" ${UNIT}`;

/**
 * The process of a script stays while something that it may have left behind is running: the daemon kills that, processes with
 * a session of their own among it, as soon as the process has ended (Tensorlake's CLI says so), while `docker exec` lets it
 * live. What is older, or belongs to the process of another script, was not left by this one; without a command line it is the
 * kernel's or dead. It looks twice, because a process that forks and ends during the first look is in neither half of it.
 */
const STAY = `exec >/dev/null 2>&1 </dev/null
stat() { s=; read -r s < "/proc/$1/stat" || [ -n "$s" ] || return 1; s=\${s##*) }; set -- $s; pp=$2; shift 19; t=$1; }
args() { a=; l=; while read -r l || [ -n "$l" ]; do a="$a $l"; l=; done < "/proc/$1/cmdline"; [ -n "$a" ]; }
stat $$ || exit 0; mine=$t; above=" $$ "; while [ "$pp" -gt 0 ]; do above="$above$pp "; stat "$pp" || break; done
others() { q=$1; while [ "$q" -gt 1 ]; do args "$q" || return 0; case $a in *${UNIT}*) return 0;; esac; stat "$q" || return 0; q=$pp; done; return 1; }
left() { for d in /proc/[0-9]*; do p=\${d#/proc/}; case $above in *" $p "*) continue;; esac
stat "$p" && [ "$t" -ge "$mine" ] && args "$p" || continue
others "$p" || return 0; done; return 1; }
while left || left; do sleep 2; done`;

export interface TensorlakeShell extends RemoteShell {
  /** Runs `/bin/sh -c script` as the image has it: its user, directory and environment. @returns what it printed */
  asImage(script: string, signal?: AbortSignal): Promise<string>;
}

export async function createShell(options: ShellOptions): Promise<TensorlakeShell> {
  const { sdk, sandboxId, requestSec } = options;
  // One handle per kind of limit: the SDK's covers a followed stream from its first byte to its last.
  const calls = await sdk.connect(sandboxId, requestSec);
  const streams = await sdk.connect(sandboxId, null);
  const state = { lost: null as SandboxLostError | null };

  /** The error of a call, after a look at whether the sandbox still lives: the daemon's own answers do not tell. */
  const explain = async (error: unknown, doing: Doing, what: string): Promise<PlumblineError> => {
    const mapped = mapError(error, doing, what);
    if (mapped.type !== 'SandboxLostError' && mapped.type !== 'NetworkError' && !mapped.retryable) return mapped;
    if (mapped.type === 'ProviderRateLimitError' || mapped.type === 'ProviderQuotaError') return mapped;
    const lost = await whyLost(sdk, sandboxId, what, mapped);
    if (lost !== null) state.lost = lost;
    if (lost !== null) return lost;
    if (mapped.type !== 'SandboxLostError') return mapped;
    // it lives, so this 404 was about a file or a process
    if (doing === 'transfer') return new TransferError(mapped.message, { cause: error, retryable: false });
    return new ExecError(mapped.message, { cause: error, retryable: true });
  };

  /** The native calls cannot be stopped: what is given up is no longer waited for. */
  const call = async <T>(doing: Doing, what: string, signal: AbortSignal | undefined, work: () => Promise<T>) => {
    if (state.lost !== null) throw state.lost;
    const onExpiry = () => new ExecError(`${what}: no answer within ${requestSec} s`);
    try {
      return await bounded({ ms: requestSec * 1000 + 2_000, onExpiry, signal }, work);
    } catch (error) {
      signal?.throwIfAborted();
      throw await explain(error, doing, what);
    }
  };

  const start = (script: string, word: string, last: string, asRoot: boolean, hooks: ScriptHooks) => {
    const { signal, limitMs } = hooks;
    const limit = limitMs === null ? '' : String(Math.ceil(limitMs / 1000));
    const args = ['-c', RUN, UNIT, word, last, limit];
    return call('exec', 'start of a process', signal, () =>
      calls.startProcess('/bin/sh', {
        args,
        env: { PLUMBLINE_SCRIPT: script },
        stdinMode: 'closed',
        ...(asRoot ? { user: 'root', workingDir: '/' } : {}),
      }),
    );
  };

  const listen = async (pid: number, word: string, hooks: ScriptHooks): Promise<ScriptEnd> => {
    let stderr = '';
    try {
      for await (const event of follow(calls, streams, pid, hooks.signal)) {
        if (event.stream === 'stderr') {
          if (stderr.length < MAX_STDERR) stderr += `${event.line}\n`;
        } else if (event.line.startsWith(`${word} `)) {
          return { exitCode: Number(event.line.slice(word.length + 1)), stderr };
        } else hooks.onStdout?.(`${event.line}\n`);
      }
    } catch (error) {
      hooks.signal?.throwIfAborted();
      throw await explain(error, 'exec', 'output of a process');
    }
    hooks.signal?.throwIfAborted();
    throw await explain(await endWithoutWord(calls, pid), 'exec', 'output of a process');
  };

  return {
    inlineLimit: INLINE_LIMIT,
    async script(text, hooks) {
      const word = randomBytes(12).toString('hex');
      const last = options.keepBackground ? STAY : 'exit 0';
      const { pid } = await start(text, word, last, true, hooks);
      return listen(pid, word, hooks);
    },
    write: (path, data, signal) => call('transfer', `writing ${path}`, signal, () => calls.writeFile(path, data)),
    async *read(path, signal) {
      yield await call('transfer', `reading ${path}`, signal, () => calls.readFile(path));
    },
    async asImage(text, signal) {
      const word = randomBytes(12).toString('hex');
      let words = '';
      const onStdout = (chunk: string) => {
        words += chunk;
      };
      const hooks = { limitMs: null, signal, onStdout };
      const { pid } = await start(text, word, 'exit 0', false, hooks);
      const end = await listen(pid, word, hooks);
      if (end.exitCode !== 0) throw new ExecError(`the sandbox could not be looked at: ${end.stderr.trim()}`);
      return words;
    },
  };
}

/** Milliseconds without a line after which it is asked whether the process still runs. */
const QUIET_MS = 10_000;
/** Milliseconds that the last lines of an ended process may take. */
const LAST_LINES_MS = 3_000;

/**
 * Lines until the stream ends or the signal aborts; the SDK's own loop notices an abort only with its next line. A stream that
 * gives nothing although its process has ended is dead: nothing else would tell, there being no limit on it.
 */
async function* follow(calls: SdkSandbox, streams: SdkSandbox, pid: number, signal: AbortSignal | undefined) {
  const done = new AbortController();
  const iterator = streams.followOutput(pid, { signal: done.signal })[Symbol.asyncIterator]();
  const dead = () => new NetworkError('the output of an ended process did not come', { origin: 'provider' });
  try {
    for (let ended = false; ; ) {
      const next = iterator.next();
      next.catch(() => undefined); // it may fail after we have stopped waiting for it
      for (;;) {
        const quiet = { ms: ended ? LAST_LINES_MS : QUIET_MS, onExpiry: () => new Quiet(), signal };
        const first = await bounded(quiet, () => next).catch(unlessQuiet);
        if (first === null) {
          if (ended) throw dead();
          ended =
            (await bounded({ ms: LOOK_LIMIT_MS, onExpiry: dead, signal }, () => calls.getProcess(pid))).status !==
            'running';
          continue;
        }
        if (first.done === true) return;
        yield first.value;
        break;
      }
    }
  } finally {
    // The SDK lets go of its side only; the request itself ends with the process or with the sandbox.
    done.abort(new Error('no longer followed'));
  }
}

/** Nothing came for a while: no failure yet. */
class Quiet extends Error {}

function unlessQuiet(error: unknown): null {
  if (error instanceof Quiet) return null;
  throw error;
}

async function endWithoutWord(sandbox: SdkSandbox, pid: number): Promise<Error> {
  try {
    const { status, signal, exitCode } = await sandbox.getProcess(pid);
    const how = signal == null ? `${status}, exit code ${exitCode ?? 'unknown'}` : `${status}, signal ${signal}`;
    return new ExecError(`the output of a process ended before its end was seen (${how})`);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Null: the sandbox is running, or nobody can say. */
async function whyLost(
  sdk: Sdk,
  sandboxId: string,
  what: string,
  cause: PlumblineError,
): Promise<SandboxLostError | null> {
  try {
    const onExpiry = () => new ExecError('no answer');
    const look = () => sdk.client(LOOK_LIMIT_MS / 1000).get(sandboxId);
    const info = await bounded({ ms: LOOK_LIMIT_MS, onExpiry }, look);
    if (info.status === 'running') return null;
    const reason = info.terminationReason ?? info.outcome ?? 'no reason given';
    return new SandboxLostError(`${what}: sandbox ${sandboxId} is ${info.status} (${reason})`, {
      cause,
      providerState: info.status,
    });
  } catch (error) {
    if (!isNotFound(error)) return null; // the API does not answer either: the first error stays the one to report
    return new SandboxLostError(`${what}: sandbox ${sandboxId} does not exist any more`, { cause });
  }
}
