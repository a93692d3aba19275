/** Non-passes under their cause: exception type, then phase, then fingerprint. The three first questions about any failed run. */
import { catalogueEntry } from '../exception/catalogue.js';
import { trialKeyOf } from '../model/event.js';
import type { GroupRecord, Rewards, TrialRecord } from '../model/record.js';
import { type Origin, PHASES, type Phase, REWARD_BELOW_ONE } from '../model/words.js';
import { compareText, groupBy, isNonPass, sortedEntries } from './trials.js';

const REWARD_ADVICE =
  'The oracle and the verifier ran, and the verifier said no. Read the verifier log for the first test that failed; ' +
  'if the task passes on another provider, compare versions, resources and network there.';
const UNKNOWN_ADVICE = 'Not in the catalogue of docs/exceptions.md: read the message and the logs.';

interface Cause {
  type: string;
  origin: Origin;
  phase: Phase;
  fingerprint: string;
  message: string;
  advice: string;
}

/** Groups of the graded and errored trials, controls left out; by count, then type, phase and fingerprint. */
export function groupTrials(trials: readonly TrialRecord[]): GroupRecord[] {
  const found = trials
    .filter((trial) => isNonPass(trial) && !trial.control)
    .map((trial) => ({ trial, cause: causeOf(trial) }));
  const keyed = groupBy(found, ({ cause }) =>
    JSON.stringify([cause.type, cause.phase, cause.fingerprint, cause.origin]),
  );
  const groups: GroupRecord[] = [];
  for (const members of keyed.values()) {
    const first = members[0];
    if (!first) continue;
    const { type, origin, phase, fingerprint, message, advice } = first.cause;
    const counts = groupBy(members, ({ trial }) => trial.provider);
    groups.push({
      exception_type: type,
      origin,
      phase,
      fingerprint,
      providers: Object.fromEntries(sortedEntries(counts).map(([name, list]) => [name, list.length])),
      count: members.length,
      trials: members.map(({ trial }) => trialKeyOf(trial)).sort(compareText),
      sample_message: message,
      ...commonState(members.map(({ trial }) => trial)),
      advice,
    });
  }
  return groups.sort(
    (a, b) =>
      b.count - a.count ||
      compareText(a.exception_type, b.exception_type) ||
      PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase) ||
      compareText(a.fingerprint, b.fingerprint) ||
      compareText(a.origin, b.origin),
  );
}

function commonState(trials: readonly TrialRecord[]): Pick<GroupRecord, 'provider_state'> {
  const [state, ...others] = new Set(trials.map(({ exception }) => exception?.provider_state ?? null));
  return typeof state === 'string' && others.length === 0 ? { provider_state: state } : {};
}

/** Groups by the provider's last state, when there are several: the states of one exception type, the most frequent first. */
export function groupsByState(groups: readonly GroupRecord[]): { state: string; groups: GroupRecord[] }[] {
  const known = groupBy(
    groups.filter((group) => group.provider_state !== undefined),
    (group) => group.provider_state ?? '',
  );
  if (known.size < 2) return [];
  const total = (list: readonly GroupRecord[]) => list.reduce((sum, { count }) => sum + count, 0);
  return [...known]
    .map(([state, list]) => ({ state, groups: list }))
    .sort((a, b) => total(b.groups) - total(a.groups) || compareText(a.state, b.state));
}

/** `reward 0`, or `reward: a=1, b=0.5` for a map. */
export function describeRewards(rewards: Rewards | null): string {
  if (rewards === null) return 'no reward';
  const entries = sortedEntries(Object.entries(rewards)).map(([name, value]) => ({
    name,
    text: value === null ? 'NaN' : String(value),
  }));
  const [only] = entries;
  if (only && entries.length === 1 && only.name === 'reward') return `reward ${only.text}`;
  return `rewards: ${entries.map(({ name, text }) => `${name}=${text}`).join(', ')}`;
}

function causeOf(trial: TrialRecord): Cause {
  const exception = trial.exception;
  if (trial.outcome === 'fail' || exception === null) {
    return {
      type: REWARD_BELOW_ONE,
      origin: 'task',
      phase: 'verifier',
      fingerprint: 'reward below 1',
      message: describeRewards(trial.rewards),
      advice: REWARD_ADVICE,
    };
  }
  const { type, origin, phase, fingerprint, message } = exception;
  return { type, origin, phase, fingerprint, message, advice: catalogueEntry(type)?.advice ?? UNKNOWN_ADVICE };
}
