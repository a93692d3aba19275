/** The few things that exec and transfer need of a remote sandbox; each provider makes them of its SDK. */
import { EXEC_INTERVENTION, INIT_INTERVENTION } from '../keep-alive.js';

export interface ScriptHooks {
  /** Text as it comes, cut anywhere. */
  readonly onStdout?: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** The server's own limit, a backstop of ours; null is none. Milliseconds. */
  readonly limitMs: number | null;
}

export interface ScriptEnd {
  readonly exitCode: number;
  /** Of the script itself, not of a user's command; for messages. */
  readonly stderr: string;
}

export interface RemoteShell {
  /** Most characters of a script that can be passed in a call; longer ones travel as a file. */
  readonly inlineLimit: number;
  /**
   * Runs a POSIX shell script as root in `/`, without profiles. When the connection breaks the script may go on: the error
   * says only that its end was not seen.
   * @throws PlumblineError; SandboxLostError only when the sandbox is known to be gone
   */
  script(text: string, hooks: ScriptHooks): Promise<ScriptEnd>;
  /** Writes a file as root, whole or not at all from the caller's view; parents exist. May be repeated. */
  write(path: string, data: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** A file's bytes. */
  read(path: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Directory of ours inside every remote sandbox; outside /tmp, which tasks empty, and on the disk, not in memory. */
export const REMOTE_DIR = '/var/tmp/.plumbline';

/** With `raw` too: PID 1 is the provider's own program, and REMOTE_DIR is needed for every command and transfer. */
export const REMOTE_INTERVENTIONS: readonly string[] = [INIT_INTERVENTION, EXEC_INTERVENTION];
