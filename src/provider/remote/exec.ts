/**
 * One command in a remote sandbox, through files (exec-script.ts): exact bytes and codes from an API that gives text, one start
 * whatever happens to the connection, and the whole process tree killed at the deadline.
 */
import { randomBytes } from 'node:crypto';
import { ExecError, PlumblineError, SandboxLostError, UnknownUserError } from '../../exception/errors.js';
import type { ExecOptions, ExecResult, ProviderContext } from '../../model/provider.js';
import { clampTimer, sleep } from '../../util/deadline.js';
import { createOutputCollector, DEFAULT_MAX_OUTPUT_BYTES } from '../output.js';
import { type ExecJob, followScript, jobDir, killScript, startScript } from './exec-script.js';
import { createMarkedBytes } from './marked-bytes.js';
import { DEFAULT_POLICY, pauseOf, type RetryPolicy, retrying, sayAgain } from './retry.js';
import type { RemoteShell } from './shell.js';

export interface ExecTarget {
  readonly shell: RemoteShell;
  /** Default cwd; absolute. */
  readonly workdir: string;
  /** Default user, as in USER. */
  readonly user: string;
  /** Environment of the image and of the sandbox, in this order of precedence already merged. */
  readonly env: Readonly<Record<string, string>>;
  readonly tags: TagPool;
  /** Files and directories of finished work that nobody reads any more; the next exec removes them. */
  readonly finished: string[];
  /** Hears of every recovery. */
  readonly onEvent?: ProviderContext['onEvent'] | undefined;
  readonly policy?: RetryPolicy;
  /** Milliseconds without a sign of life (the follower sends one every 5 s or so) after which a connection counts as dead. */
  readonly silenceMs?: number;
}

/** Milliseconds for which the end of killed processes is waited for. */
const DRAIN_MS = 3_000;
const KILL_LIMIT_MS = 12_000;
const SILENCE_MS = 30_000;
/** Starts that provably did not happen, before we give up. */
const MAX_STARTS = 4;

/** @throws UnknownUserError, ExecError, SandboxLostError, and what the connection failed with in the end */
export async function execRemote(
  target: ExecTarget,
  argv: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const { signal } = options;
  signal?.throwIfAborted();
  const startedAt = performance.now();
  const stop = stopper(options);
  const tag = target.tags.take();
  try {
    for (let start = 1; ; start += 1) {
      const run = new RemoteRun(target, argv, options, tag);
      const outcome = await run.go(stop, start === 1 ? 0 : start * 200);
      if (outcome === 'never') {
        if (start < MAX_STARTS && stop.cause() === null) continue;
        if (stop.cause() === null) throw run.lastError ?? new ExecError('the command could not be started');
      }
      target.finished.push(jobDir(run.id), `${jobDir(run.id)}.in`, `${jobDir(run.id)}.sh`);
      if (stop.cause() === 'abort') throw signal?.reason;
      const base = { ...run.output(), durationMs: performance.now() - startedAt };
      if (outcome === 'never' || outcome === 'stopped') {
        return { ...base, exitCode: null, timedOut: true, oomKilled: null };
      }
      return { ...base, exitCode: outcome.code, timedOut: false, oomKilled: outcome.oom };
    }
  } catch (error) {
    if (stop.cause() === 'abort') throw signal?.reason;
    throw error;
  } finally {
    stop.clear();
    target.tags.give(tag);
  }
}

type Outcome = { readonly code: number; readonly oom: boolean | null } | 'never' | 'stopped';

/** One start of one command. */
class RemoteRun {
  readonly id = randomBytes(12).toString('hex');
  lastError: PlumblineError | null = null;
  private readonly mark = randomBytes(16).toString('hex');
  private readonly cap: number;
  private readonly stdout;
  private readonly stderr;
  private readonly out;
  private readonly err;
  private cut = false;
  private outcome: Outcome | null = null;
  private refusal: string | null = null;

  constructor(
    private readonly target: ExecTarget,
    private readonly argv: readonly string[],
    private readonly options: ExecOptions,
    private readonly tag: number,
  ) {
    const { maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES, onOutput } = options;
    this.cap = maxOutputBytes + this.mark.length; // so that the mark of an output of exactly the limit still fits
    this.stdout = createOutputCollector(maxOutputBytes, (chunk) => onOutput?.('stdout', chunk));
    this.stderr = createOutputCollector(maxOutputBytes, (chunk) => onOutput?.('stderr', chunk));
    this.out = createMarkedBytes(this.mark, (chunk) => this.stdout.push(chunk));
    this.err = createMarkedBytes(this.mark, (chunk) => this.stderr.push(chunk));
  }

  output(): Pick<ExecResult, 'stdout' | 'stderr' | 'truncated'> {
    return {
      stdout: this.stdout.bytes(),
      stderr: this.stderr.bytes(),
      truncated: this.cut || this.stdout.truncated || this.stderr.truncated,
    };
  }

  async go(stop: Stopper, pauseMs: number): Promise<Outcome> {
    if (pauseMs > 0) await sleep(pauseMs);
    const running = this.firstScript().then((script) => this.attach(stop, script));
    const first = await Promise.race([running, stop.stopped]);
    if (first !== 'stop') return first;
    await this.kill();
    await this.drain();
    return this.outcome ?? 'stopped';
  }

  /** Uploads what does not fit into a call; failing here has started nothing. */
  private async firstScript(): Promise<string> {
    const { shell, finished, workdir, user, env, onEvent } = this.target;
    const { signal, stdin } = this.options;
    const job: ExecJob = {
      id: this.id,
      mark: this.mark,
      tag: this.tag,
      argv: this.argv,
      cwd: this.options.cwd ?? workdir,
      user: this.options.user === undefined ? user : String(this.options.user),
      env: { ...env, ...this.options.env },
      cap: this.cap,
      stdin: stdin !== undefined,
      forget: finished.splice(0),
    };
    const text = startScript(job);
    const upload = (path: string, data: Uint8Array) =>
      retrying({ what: 'upload', policy: this.policy, signal, mayRetry: isTransient, onEvent }, () =>
        shell.write(path, data, signal),
      );
    if (stdin !== undefined) await upload(`${jobDir(this.id)}.in`, stdin);
    if (text.length <= shell.inlineLimit) return text;
    await upload(`${jobDir(this.id)}.sh`, Buffer.from(text));
    return `exec /bin/sh ${jobDir(this.id)}.sh`;
  }

  private get policy(): RetryPolicy {
    return this.target.policy ?? DEFAULT_POLICY;
  }

  /** Runs the start script, and follow scripts after it as long as connections break. */
  private async attach(stop: Stopper, script: string): Promise<Outcome> {
    let text = script;
    for (let failures = 0; ; ) {
      const before = this.out.offset + this.err.offset;
      try {
        await this.listen(text, stop.closing);
        if (this.refusal === 'latched') {
          // The same start came twice: an SDK or a proxy sent it again. The other one runs, and is followed from here on.
          this.refusal = null;
          this.lastError = new ExecError('the command was started twice; the second start was refused');
        } else if (this.refusal !== null) return this.refused(this.refusal);
        else if (this.outcome !== null) return this.outcome;
        else this.lastError = new ExecError('the connection to the command ended before the command did');
      } catch (error) {
        if (!(error instanceof PlumblineError) || !isTransient(error)) throw error;
        this.lastError = error;
      }
      if (stop.cause() !== null) return 'stopped';
      failures = this.out.offset + this.err.offset > before ? 1 : failures + 1;
      if (failures >= this.policy.tries) throw this.lastError;
      const pauseMs = pauseOf(this.policy, failures, this.lastError.details.retryAfterMs);
      sayAgain(this.target.onEvent, 'exec', this.lastError, pauseMs, failures + 1);
      await sleep(pauseMs, stop.closing).catch(() => undefined);
      if (stop.cause() !== null) return 'stopped';
      text = followScript({ id: this.id, mark: this.mark, cap: this.cap }, this.out.offset, this.err.offset);
    }
  }

  private async listen(script: string, closing: AbortSignal): Promise<void> {
    const silence = new AbortController();
    const silenceMs = this.target.silenceMs ?? SILENCE_MS;
    let timer = setTimeout(() => silence.abort(silent(silenceMs)), silenceMs);
    let line = '';
    try {
      await this.target.shell.script(script, {
        limitMs: this.options.timeoutMs === undefined ? null : this.options.timeoutMs + 2 * KILL_LIMIT_MS,
        signal: AbortSignal.any([silence.signal, closing]),
        onStdout: (text) => {
          clearTimeout(timer);
          timer = setTimeout(() => silence.abort(silent(silenceMs)), silenceMs);
          const lines = (line + text).split('\n');
          line = lines.pop() ?? '';
          for (const whole of lines) this.read(whole);
        },
      });
    } catch (error) {
      if (silence.signal.aborted) throw silence.signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private read(line: string): void {
    const [word = '', first = '', second = ''] = line.split(' ');
    switch (word) {
      case 'o':
        this.out.push(Buffer.from(first, 'base64'));
        break;
      case 'e':
        this.err.push(Buffer.from(first, 'base64'));
        break;
      case 'ot':
      case 'et':
        this.cut = true; // more than the limit has been handed on already; the rest may be half a mark
        break;
      case 'E':
        this.outcome = { code: Number(first), oom: second === '-' ? null : Number(second) > 0 };
        break;
      case 'X':
        this.refusal = first;
        break;
      default: // a sign of life, or a warning of the sandbox's own shell
    }
  }

  private refused(why: string): Outcome {
    const user = String(this.options.user ?? this.target.user);
    const cwd = this.options.cwd ?? this.target.workdir;
    switch (why) {
      case 'never':
        return 'never';
      case 'user':
        throw new UnknownUserError(`the image has no user ${JSON.stringify(user)}`);
      case 'cwd':
        throw new ExecError(`the directory ${cwd} does not exist in the sandbox`, { origin: 'task', retryable: false });
      case 'lost':
        throw new SandboxLostError('the files of a running command disappeared from the sandbox');
      case 'setpriv':
        throw new ExecError(`the image has neither setpriv of util-linux nor GNU chroot to become user ${user}`);
      default:
        throw new ExecError(`the command could not be prepared in the sandbox: ${why}`);
    }
  }

  /** @throws SandboxLostError when it cannot be made sure that nothing of the command runs on */
  private async kill(): Promise<void> {
    const script = killScript({ id: this.id, tag: this.tag });
    const limit = AbortSignal.timeout(KILL_LIMIT_MS);
    let words = '';
    const kill = async () => {
      words = '';
      await this.target.shell.script(script, {
        limitMs: KILL_LIMIT_MS,
        signal: limit,
        onStdout: (text) => {
          words += text;
        },
      });
      if (!words.includes('clean')) throw new ExecError(`processes would not die: ${words.trim()}`);
    };
    const policy = { ...this.policy, longestPauseMs: 2_000 };
    const { onEvent } = this.target;
    try {
      await retrying({ what: 'kill', policy, signal: limit, mayRetry: () => true, onEvent }, kill);
    } catch (error) {
      if (error instanceof SandboxLostError) throw error;
      throw new SandboxLostError('a command past its deadline could not be killed', { cause: error });
    }
  }

  /** What the killed command wrote before it died. Not to get it is no failure: the deadline has passed. */
  private async drain(): Promise<void> {
    const limit = new AbortController(); // Node 20 forgets a timeout that only AbortSignal.any holds
    const timer = setTimeout(() => limit.abort(new ExecError('drained')), DRAIN_MS);
    const script = followScript({ id: this.id, mark: this.mark, cap: this.cap }, this.out.offset, this.err.offset);
    const saved = this.outcome;
    await this.listen(script, limit.signal).catch(() => undefined);
    clearTimeout(timer);
    this.outcome = saved ?? 'stopped';
    this.out.flush();
    this.err.flush();
  }
}

interface Stopper {
  readonly stopped: Promise<'stop'>;
  /** Aborts at the same moment: connections of the command are dropped, so that nothing is read twice. */
  readonly closing: AbortSignal;
  cause(): 'deadline' | 'abort' | null;
  clear(): void;
}

function stopper(options: ExecOptions): Stopper {
  const closing = new AbortController();
  let cause: 'deadline' | 'abort' | null = null;
  let resolve: (value: 'stop') => void = () => {};
  const stopped = new Promise<'stop'>((settle) => {
    resolve = settle;
  });
  const fire = (why: 'deadline' | 'abort') => {
    if (cause !== null) return;
    cause = why;
    resolve('stop');
    closing.abort(new ExecError(`stopped: ${why}`));
  };
  const onAbort = () => fire('abort');
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const { timeoutMs } = options;
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => fire('deadline'), clampTimer(timeoutMs));
  return {
    stopped,
    closing: closing.signal,
    cause: () => cause,
    clear() {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    },
  };
}

/** Numbers for commands that run at the same time; the one used longest ago comes first. */
export interface TagPool {
  take(): number;
  give(tag: number): void;
}

/** Three bits of the core dump filter: 1 to 7, and 0 when all are taken. */
export function createTagPool(): TagPool {
  const free = [1, 2, 3, 4, 5, 6, 7];
  return {
    take: () => free.shift() ?? 0,
    give(tag) {
      if (tag > 0) free.push(tag);
    },
  };
}

/** Failures of the connection, not of the sandbox or the account: the exec's own latch makes another try safe. */
export function isTransient(error: PlumblineError): boolean {
  return (
    error.type === 'NetworkError' ||
    error.type === 'ProviderRateLimitError' ||
    (error.type === 'ExecError' && error.retryable) ||
    (error.type === 'TransferError' && error.retryable)
  );
}

function silent(ms: number): Error {
  return new ExecError(`nothing was heard of the command's connection for ${ms / 1000} s`);
}
