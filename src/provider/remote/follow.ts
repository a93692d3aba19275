/**
 * Shell text: `follow PATH` sets `real` to where the links of an absolute path lead, as Docker's builders resolve a destination. Parts
 * that do not exist stay as they are written, also behind a link that leads nowhere. It fails for a loop.
 */
export const FOLLOW = `follow() { rest=\${1#/} real= n=0
while [ -n "$rest" ]; do
p=\${rest%%/*}; case $rest in */*) rest=\${rest#*/};; *) rest=;; esac
case $p in ''|.) continue;; ..) real=\${real%/*}; continue;; esac
if [ -L "$real/$p" ]; then n=$((n+1)); [ $n -le 255 ] || { echo "too many links in $1" >&2; return 1; }
l=$(readlink "$real/$p") || return 1; case $l in /*) real=;; esac; rest=$l\${rest:+/$rest}
else real=$real/$p; fi; done; real=\${real:-/}; }`;
