/** What the provider says while an attempt runs: its states, and what it recovered from. */
import type { Recovery } from '../model/provider.js';
import type { Phase } from '../model/words.js';
import { type Attempt, note, warn } from './attempt.js';

/** Phases in which nothing but the provider works, so that a recovery is worth showing at once. */
const AWAITING: ReadonlySet<Phase> = new Set(['prepare_image', 'create']);

/**
 * For `onEvent` of prepare and create. A state is kept for messages and told to listeners once; a recovery is counted, and is no
 * state: two sandboxes that were stuck alike are one cause, however often a call about them failed. It belongs to the phase
 * in which it happens, which may be any later one.
 */
export function hearProvider(attempt: Attempt, state: string, recovery?: Recovery): void {
  if (attempt.over) return;
  if (recovery === undefined) {
    if (attempt.providerState === state) return;
    attempt.providerState = state;
  } else {
    const key = `${recovery.what} after ${recovery.after}`;
    attempt.recoveries.set(key, (attempt.recoveries.get(key) ?? 0) + 1);
  }
  const { phase } = attempt;
  if (recovery === undefined || AWAITING.has(phase)) {
    attempt.input.emit({ type: 'provider_state', trial: attempt.key, phase, state });
  }
  note(attempt, `provider: ${state}`);
}

/** One warning for all recoveries, in the order in which they first happened. */
export function warnOfRecoveries(attempt: Attempt): void {
  if (attempt.recoveries.size === 0) return;
  const kinds = [...attempt.recoveries].map(([key, count]) => (count === 1 ? key : `${key}, ${count} times`));
  warn(attempt, 'ProviderRetried', `calls were made again: ${kinds.join('; ')}`);
}
