/** What holds a container open while commands run in it. */

/** Harbor's main process; the image's ENTRYPOINT stays in front of it. */
export const KEEP_ALIVE: readonly string[] = ['sh', '-c', 'sleep infinity'];
/**
 * The same for a provider whose PID 1 it becomes, when the ENTRYPOINT hands over to it: the shell reaps what it is given while
 * it waits. Like Harbor's, and unlike an init above it, it outlives a `kill -9 -1` or `pkill sleep` of the task, because the
 * kernel lets no process of a PID namespace kill its PID 1 (pid_namespaces(7)). A `sleep` that fails by itself ends it.
 */
export const REAPING_KEEP_ALIVE: readonly string[] = [
  'sh',
  '-c',
  'trap "" HUP INT QUIT TERM; while :; do sleep infinity & wait "$!"; s=$?; [ "$s" -gt 128 ] || exit "$s"; done',
];
/** PID 1 reaps orphans, and is not only the command that Harbor gives; left out under `--raw` where PID 1 is ours to choose. */
export const INIT_INTERVENTION = 'init';
/** Commands leave files in a directory of ours inside the sandbox, because the API alone cannot run them to the contract. */
export const EXEC_INTERVENTION = 'exec-files';
