/**
 * The shell text of an exec in a sandbox whose API streams text, cuts connections or forgets exit codes. It needs a POSIX
 * shell, coreutils or busybox, and setpriv of util-linux or GNU chroot for another user.
 *
 * - `mkdir` of the exec's directory is its latch: whoever makes it decides whether the command runs, so it runs at most once.
 * - The command writes into FIFOs, as Docker gives it pipes: a daemon may keep them, and /dev/stdout can be opened by name. Copiers
 *   move the bytes into files; a follower sends the files as base64 lines. After the command a mark goes through both FIFOs,
 *   so what came before it is known to be complete.
 * - A follower can be started again from any offset by another connection.
 */
import { BECOME } from './become.js';
import { quote, quoteAll } from './quote.js';
import { REMOTE_DIR } from './shell.js';
import { WHO } from './who.js';

export interface ExecJob {
  /** [0-9a-f]; names the directory. */
  readonly id: string;
  /** A second random word; ends both streams. */
  readonly mark: string;
  /** 1 to 7, different from those of other running commands; 0 is none. */
  readonly tag: number;
  readonly argv: readonly string[];
  readonly cwd: string;
  /** As in USER: name, uid, name:group, uid:gid. */
  readonly user: string;
  /** The whole environment but HOME and HOSTNAME, which are found out inside unless they are given. */
  readonly env: Readonly<Record<string, string>>;
  /** Bytes per stream that are kept. */
  readonly cap: number;
  /** True: `<dir>.in` holds the stdin. */
  readonly stdin: boolean;
  /** Files and directories of finished work that may go now. */
  readonly forget: readonly string[];
}

export function jobDir(id: string): string {
  return `${REMOTE_DIR}/${id}`;
}

/** Bytes of one base64 line at most; a multiple of 3, so that lines can also be joined. */
const CHUNK = 393_216;

/** Kernel counters of processes killed for memory: cgroup v2, cgroup v1, the whole machine. */
const OOM = `oom() { v=; for f in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control /proc/vmstat; do [ -n "$v" ] && break; [ -r "$f" ] && while read -r k n; do [ "$k" = oom_kill ] && v=$n; done < "$f"; done; }`;

/**
 * `follow DIR MARK CAP OUT ERR`: sends `o <base64>` and `e <base64>` from the offsets on, `.` now and then, and `E <code> <oom>`
 * at the end. `t` after a letter says that the stream was cut at the cap. The mark is looked for without NUL bytes: for BusyBox's grep
 * a line ends at one.
 */
const FOLLOW = `cut() { :; }
follow() { d=$1 m=$2 cap=$3 oo=$4 eo=$5 od= ed= q=0
sz() { n=$(wc -c < "$1") || n=0; n=$((n)); }
part() { tail -c +$(($2+1)) "$1" | head -c $3 | base64 | tr -d '\\n'; }
pump() { s=$1 f=$2 o=$3 k=$4; end=; sz "$f"; moved=
if [ $n -gt $cap ]; then lim=$cap; cut $s; else lim=$n; fi
while [ $o -lt $lim ]; do c=$((lim-o)); [ $c -gt ${CHUNK} ] && c=${CHUNK}; printf '%s ' $s; part "$f" $o $c; echo; o=$((o+c)); moved=1; done
if [ $n -gt $cap ]; then end=1; echo "$s"t; elif [ -n "$k" ]; then b=$((o-\${#m}-64)); [ $b -lt 0 ] && b=0; tail -c +$((b+1)) "$f" | head -c $((o-b)) | tr -d '\\000' | LC_ALL=C grep -qF "$m" && end=1; fi; }
while :; do k=; [ -f "$d/code" ] && k=1; moved1=
if [ -z "$od" ]; then pump o "$d/out" $oo "$k"; oo=$o od=$end moved1=$moved; fi
if [ -z "$ed" ]; then pump e "$d/err" $eo "$k"; eo=$o ed=$end; [ -n "$moved" ] && moved1=1; fi
if [ -n "$k" ] && [ -n "$od" ] && [ -n "$ed" ]; then read -r c x < "$d/code"; echo "E $c $x"; return 0; fi
[ -n "$moved1" ] && { q=0; continue; }
q=$((q+1)); [ $((q % 50)) = 0 ] && echo .
sleep 0.1 2>/dev/null || sleep 1; done; }`;

/** Starts the command and follows it. The last line before silence is `E …`, or one of `X latched`, `X user`, `X cwd`, `X setpriv`. */
export function startScript(job: ExecJob): string {
  const dir = jobDir(job.id);
  const given = Object.keys(job.env);
  const env = Object.entries(job.env).map(([name, value]) => quote(`${name}=${value}`));
  const own = [given.includes('HOME') ? '' : '"HOME=$home"', given.includes('HOSTNAME') ? '' : '"HOSTNAME=$host"'];
  return `umask 022; d=${quote(dir)} m=${job.mark}
mkdir -p -m 711 ${REMOTE_DIR}; ${job.forget.length > 0 ? `rm -rf ${quoteAll(job.forget)}` : ':'}
mkdir "$d" 2>/dev/null || { echo 'X latched'; exit 0; }
${OOM}
${FOLLOW}
${WHO}
refuse() { echo "X $1" > "$d/refused"; echo "X $1"; exit 0; }
who ${quote(job.user)} || refuse user
cd ${quote(job.cwd)} 2>/dev/null || refuse cwd
read -r host < /proc/sys/kernel/hostname
${BECOME}
become || refuse setpriv
mkfifo "$d/o" "$d/e" && chmod 666 "$d/o" "$d/e" && : > "$d/out" && : > "$d/err" || refuse disk
exec 8<>"$d/o" 9<>"$d/e" 6<"$d/o" 7<"$d/e"
cat <&6 >>"$d/out" 2>/dev/null 6<&- 7<&- 8<&- 9<&- & c1=$!
cat <&7 >>"$d/err" 2>/dev/null 6<&- 7<&- 8<&- 9<&- & c2=$!
cut() { if [ $1 = o ] && [ -n "$c1" ]; then kill $c1; c1=; cat <&6 >/dev/null 6<&- 7<&- & fi
if [ $1 = e ] && [ -n "$c2" ]; then kill $c2; c2=; cat <&7 >/dev/null 6<&- 7<&- & fi; }
{ follow "$d" "$m" ${job.cap} 0 0; } </dev/null 2>/dev/null 8<&- 9<&- & fp=$!
exec >/dev/null 2>/dev/null
oom; v0=$v
( exec 6<&- 7<&- 8<&- 9<&-
read -r x < /proc/self/stat; p=\${x%% *}; set -- \${x##*) }; shift 19; t=$1
[ ${job.tag} != 0 ] && read -r x < /proc/self/coredump_filter && echo $((0x$x & 63 | ${job.tag} << 6)) > /proc/self/coredump_filter
echo "$p $t" > "$d/pid"
[ -e "$d/stop" ] && exit 137
exec <${job.stdin ? '"$d.in"' : '/dev/null'} >"$d/o" 2>"$d/e"
exec $as env -i ${[...own, ...env].filter(Boolean).join(' ')} ${quoteAll(job.argv)} )
r=$?
oom; w=-; [ -n "$v0" ] && [ -n "$v" ] && w=$((v-v0))
printf %s "$m" >&8; printf %s "$m" >&9
echo "$r $w" > "$d/code.new"; mv "$d/code.new" "$d/code"
wait $fp
kill $c1 $c2
cat <&6 >/dev/null 6<&- 7<&- 8<&- 9<&- &
cat <&7 >/dev/null 6<&- 7<&- 8<&- 9<&- &
exit 0
`;
}

/** Follows an exec from these offsets on. `X never` means that it has not begun and, from now on, never will. */
export function followScript(job: Pick<ExecJob, 'id' | 'mark' | 'cap'>, out: number, err: number): string {
  const dir = jobDir(job.id);
  return `d=${quote(dir)}
mkdir -p -m 711 ${REMOTE_DIR}
mkdir "$d" 2>/dev/null && { echo 'X never' > "$d/refused"; echo 'X never'; exit 0; }
${FOLLOW}
i=0; while [ ! -f "$d/out" ] && [ ! -f "$d/refused" ] && [ $i -lt 50 ]; do i=$((i+1)); sleep 0.1 2>/dev/null || sleep 1; done
[ -f "$d/refused" ] && { cat "$d/refused"; exit 0; }
[ -f "$d/err" ] || { echo 'X lost'; exit 0; }
follow "$d" ${job.mark} ${job.cap} ${out} ${err}
`;
}

/**
 * Kills everything that the command started, and keeps one that has not begun from beginning, however long its start takes: it
 * writes its pid and then looks for `stop`, this writes `stop` and then looks for the pid, so one of them sees the other. A
 * process belongs to it when its parent does, or when it carries the tag and is not older: the core dump filter is inherited
 * whatever a process does to its session, parent, environment or user (core(5)). All are stopped before any is killed, so that
 * none forks away meanwhile.
 * Ends with `clean` or `left`.
 */
export function killScript(job: Pick<ExecJob, 'id' | 'tag'>): string {
  return `d=${quote(jobDir(job.id))}; tag=${job.tag}
mkdir -p -m 711 ${REMOTE_DIR}
mkdir "$d" 2>/dev/null && { echo 'X never' > "$d/refused"; echo clean; exit 0; }
true > "$d/stop"
[ -s "$d/pid" ] || { [ -e "$d/stop" ] && echo clean || echo 'left: no file can be made'; exit 0; }
read -r w ws < "$d/pid"; me=$$
stat() { s=; read -r s 2>/dev/null < "/proc/$1/stat" || [ -n "$s" ] || return 1; s=\${s##*) }; set -- $s; st=$1 pp=$2; shift 19; t=$1; }
tagof() { f=; { read -r f < "/proc/$1/coredump_filter"; } 2>/dev/null; f=$((0x\${f:-0} >> 6)); }
grow() { grown=0; for x in /proc/[0-9]*; do p=\${x#/proc/}
case "$seen" in *" $p "*) continue;; esac
[ "$p" = 1 ] && continue; [ "$p" = "$me" ] && continue; stat "$p" || continue
case $st in Z|X) continue;; esac
hit=0; [ "$p" = "$w" ] && [ "$t" = "$ws" ] && hit=1
case "$seen" in *" $pp "*) hit=1;; esac
if [ $hit = 0 ] && [ "$tag" != 0 ] && [ -n "$ws" ] && [ "$t" -ge "$ws" ]; then tagof "$p"; [ "$f" = "$tag" ] && hit=1; fi
[ $hit = 1 ] && { kill -STOP "$p" 2>/dev/null; seen="$seen$p "; grown=1; }
done; [ $grown = 1 ]; }
i=0; while [ $i -lt 100 ]; do i=$((i+1)); seen=' '; while grow; do :; done
[ "$seen" = ' ' ] && { echo clean; exit 0; }
kill -KILL $seen 2>/dev/null
done; echo "left $seen"
`;
}
