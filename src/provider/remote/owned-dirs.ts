/** Shell text that makes directories as COPY, ADD and WORKDIR make those that are missing. */
import { FOLLOW } from './follow.js';
import { quote } from './quote.js';
import { WHO } from './who.js';

/**
 * Defines `follow`, and `dirs PATH`, which makes a directory and its missing parents for an owner, and sets u and g to that owner's
 * numbers: a number is its own group, a name that is not found is root, as in BuildKit. Null is nobody's wish: the directories are
 * root's, with the group of a setgid directory that they are made in, and u and g are not set.
 */
export function ownedDirs(owner: string | null): string {
  if (owner === null) return `${FOLLOW}\ndirs() { mkdir -p "$1"; }`;
  const numbers = /^(\d+)(?::(\d+))?$/.exec(owner)?.slice(1);
  const ids = numbers
    ? `u=${numbers[0]} g=${numbers[1] ?? numbers[0]}`
    : `${WHO}\nwho ${quote(owner)} || { u=0; g=0; }`;
  return `${ids}
${FOLLOW}
dirs() { [ -d "$1" ] && return 0; case $1 in */*/*) dirs "\${1%/*}" || return 1;; esac; mkdir "$1" && chown "$u:$g" "$1"; }`;
}
