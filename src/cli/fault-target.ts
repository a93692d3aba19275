/** Which calls a scripted fault is meant for, beside the name of the call: those about a task, a sandbox, a text. */
import type { CallAbout, SandboxFacts } from '../emulator/core/faults.js';
import { LABEL_TASK } from '../provider/labels.js';
import { toRegExp } from '../task/fnmatch.js';

export interface FaultTarget {
  /** Pattern over the id of the task that Plumbline made the sandbox for. */
  readonly task: string | null;
  /** Pattern over the sandbox's name and the values of its labels. */
  readonly sandbox: string | null;
  /** Text that the client sends with the call. */
  readonly contains: string | null;
}

/** Null when every call is meant. */
export function targetTest({ task, sandbox, contains }: FaultTarget): ((about: CallAbout) => boolean) | null {
  if (task === null && sandbox === null && contains === null) return null;
  const isTask = task === null ? null : taskTest(task);
  const label = sandbox === null ? null : toRegExp(sandbox);
  return (about) =>
    (isTask === null || (about.sandbox !== null && isTask(about.sandbox))) &&
    (label === null || (about.sandbox !== null && wordsOf(about.sandbox).some((word) => label.test(word)))) &&
    (contains === null || about.text.includes(contains));
}

function wordsOf({ name, labels }: SandboxFacts): string[] {
  return [...(name === null ? [] : [name]), ...Object.values(labels)];
}

/** Providers allow labels of 63 characters, and trial/start.ts keeps the end of a longer id. */
const LABEL_LENGTH = 63;
/** Of the task's id in the name of a trial (harbor-semantics 10). */
const TRIAL_LENGTH = 32;

function taskTest(pattern: string): (sandbox: SandboxFacts) => boolean {
  const label = toRegExp(pattern.slice(-LABEL_LENGTH));
  const segment = pattern.slice(pattern.lastIndexOf('/') + 1);
  const head = /^[^*?[]*/.exec(segment)?.[0] ?? '';
  const slug = slugPattern(head.length < TRIAL_LENGTH ? segment : head.slice(0, TRIAL_LENGTH));
  // trial/start.ts: pl-<task>-<7 of the trial>-<10 hex>; tensorlake/names.ts: plb-<expiry>-<that, cut>-<8 hex>
  const named = new RegExp(`^(?:plb-[0-9a-z]+-)?pl-${slug}-[a-z0-9]{6,7}(?:-[0-9a-f]{0,10})?(?:-[0-9a-f]{8})?$`, 's');
  return ({ name, labels }) => {
    const known = labels[LABEL_TASK];
    if (known !== undefined) return label.test(known);
    return name !== null && named.test(name); // Tensorlake keeps no labels
  };
}

/** The pattern, as the source of an expression, over names in which everything but letters and digits has become `-`. */
function slugPattern(pattern: string): string {
  const parts = pattern.toLowerCase().match(/\[!?[a-z0-9-]+\]|[*?]|[^*?[]+|\[/g) ?? [];
  const glob = parts
    .map((part) => (/^\[.|^[*?]/.test(part) ? part : part.replace(/[^a-z0-9]+/g, '-')))
    .join('')
    .replace(/^-+|-+$/g, '');
  return toRegExp(glob).source.slice(1, -1); // without ^ and $
}
