/** One finished trial as one line that is complete in itself and can be grepped. */
import { describeRewards } from '../compare/groups.js';
import { placeOf } from '../compare/provider-title.js';
import type { AttemptSummary, TrialRecord } from '../model/record.js';
import type { Outcome } from '../model/words.js';
import type { Palette } from './screen.js';
import { cutEnd, formatSeconds, plain } from './text.js';
import { trialTitle } from './verdict.js';

const MAX_DETAIL = 200;

/** `pass  reference/hello-world  e2b (emulated)  12.4s`; a non-pass adds type, phase and fingerprint. */
export function trialLine(trial: TrialRecord, paint: Palette): string {
  const word = colorOf(trial.outcome, paint)(trial.outcome.replace('_', ' ').padEnd(5));
  const tries = trial.attempts.length > 1 ? `attempt ${trial.attempts.length}` : '';
  const parts = [trialTitle(trial), placeOf(trial), formatSeconds(trial.duration_sec), tries, detailOf(trial)];
  return `${word} ${parts.filter((part) => part !== '').join('  ')}`;
}

/** An attempt that failed and will be made again. @param provider its title */
export function retryLine(title: string, provider: string, attempt: AttemptSummary, paint: Palette): string {
  const exception = attempt.exception;
  const why = exception
    ? `${exception.type}  ${exception.phase}  ${cutEnd(plain(exception.fingerprint), MAX_DETAIL)}`
    : attempt.outcome;
  return `${paint.warn('retry')} ${title}  ${provider}  after attempt ${attempt.n}  ${why}`;
}

export function colorOf(outcome: Outcome, paint: Palette): (text: string) => string {
  if (outcome === 'pass') return paint.good;
  return outcome === 'fail' || outcome === 'error' ? paint.bad : paint.warn;
}

function detailOf(trial: TrialRecord): string {
  if (trial.outcome === 'unsupported') return plain(trial.unsupported_reason ?? '');
  const exception = trial.exception;
  if (exception && trial.outcome !== 'pass') {
    return `${exception.type}  ${exception.phase}  ${cutEnd(plain(exception.fingerprint), MAX_DETAIL)}`;
  }
  return trial.outcome === 'fail' ? `RewardBelowOne  verifier  ${plain(describeRewards(trial.rewards))}` : '';
}
