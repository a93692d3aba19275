/**
 * A process of Tensorlake's daemon is a unit: when its command ends, everything that it left behind is killed, also what has
 * begun a session of its own (a comment of Tensorlake's CLI, 0.5.113). The backend's exec lets daemons live, as Docker does, so
 * the command runs under a shell that, where something is left, says so and waits to be killed with it.
 *
 * What belongs to a unit carries its number as soft limit of file locks, which Linux has not looked at since 2.4.25
 * (getrlimit(2)): every child inherits it whatever it does to its session, parent, environment or user, everyone may read it,
 * and unlike the core dump filter it is not what the client's own exec or the backend's marks its processes with.
 */
import { randomBytes, randomInt } from 'node:crypto';

/** `ours PID`: whether that process has the number $n and is not a zombie. */
const OURS = `ours() { s=; { read -r s || [ -n "$s" ]; } 2>/dev/null < "/proc/$1/stat" || return 1; case \${s##*) } in [ZX]*) return 1;; esac
while read -r a b c v s; do [ "$a $b $c" = 'Max file locks' ] && { [ "$v" = "$n" ]; return; }; done 2>/dev/null < "/proc/$1/limits"; return 1; }`;

/** $1 is the mark, $2 the number, the rest argv. Looks twice, for who forks and ends during the first look is in neither half. */
const SCRIPT = `_tl_m=$1 _tl_n=$2; shift 2; { ulimit -S -w "$_tl_n" || ulimit -S -x "$_tl_n"; } 2>/dev/null
(unset PWD OLDPWD SHLVL; exec "$@"); r=$?; n=$_tl_n
${OURS}
left() { for d in /proc/[0-9]*; do p=\${d#/proc/}; [ "$p" != $$ ] && ours "$p" && return 0; done; return 1; }
if left || left; then echo "$_tl_m $r" >&2; exec sleep 2147483647; fi
exit $r`;

/** $1 is the number. Status 0: everything that carried it is dead; 1: nothing did; 2: something would not die. */
const KILL = `n=$1; killed=1; i=0; while [ $i -lt 100 ]; do i=$((i+1)); seen=
${OURS}
for d in /proc/[0-9]*; do p=\${d#/proc/}; ours "$p" && kill -STOP "$p" 2>/dev/null && seen="$seen $p"; done
[ -n "$seen" ] || exit $killed
kill -KILL $seen 2>/dev/null; killed=0; done; exit 2`;

/** 31 bits fit into the limits of every architecture. */
const NUMBERS = 2 ** 31 - 1;

export interface Unit {
  readonly argv: readonly string[];
  /** Kills, as root in the same sandbox, all that belongs to the unit, its own shell among it. Status 0 when that has been done. */
  readonly killArgv: readonly string[];
  /** Takes the unit's stderr and gives the command's. */
  stderr(chunk: Uint8Array): Uint8Array;
  /** What was held back because it might have become a mark. */
  rest(): Uint8Array;
  /** Null until the command has ended and left something behind. */
  readonly exitCode: number | null;
}

/** ` <code>` and the newline after the mark. */
const TAIL = 5;

export function createUnit(argv: readonly string[]): Unit {
  const mark = randomBytes(16).toString('hex');
  const number = String(randomInt(1, NUMBERS));
  let held: Buffer = Buffer.alloc(0);
  let exitCode: number | null = null;
  return {
    argv: ['/bin/sh', '-c', SCRIPT, 'sh', mark, number, ...argv],
    killArgv: ['/bin/sh', '-c', KILL, 'sh', number],
    get exitCode() {
      return exitCode;
    },
    stderr(chunk) {
      if (exitCode !== null) return Buffer.alloc(0);
      const data = Buffer.concat([held, chunk]);
      const at = data.indexOf(mark);
      const end = at < 0 ? -1 : data.indexOf('\n', at);
      if (end >= 0) {
        exitCode = Number(data.toString('latin1', at + mark.length, end));
        held = Buffer.alloc(0);
        return data.subarray(0, at);
      }
      const safe = at >= 0 ? at : Math.max(0, data.length - mark.length - TAIL);
      held = data.subarray(safe);
      return data.subarray(0, safe);
    },
    rest: () => held,
  };
}
