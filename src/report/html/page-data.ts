/** What the page of report.html is given: the report with shorter logs, and per trial what only our code knows. */
import { type HistoryChange, historyChanges } from '../../compare/history.js';
import { unlikeResources } from '../../compare/like-for-like.js';
import { placeOf } from '../../compare/provider-title.js';
import { labelOf } from '../../compare/trials.js';
import { trialKeyOf } from '../../model/event.js';
import type { LogRecord, Report, TrialRecord } from '../../model/record.js';
import { providerTitle } from '../../model/words.js';
import { rerunTrial, shellLine } from '../rerun.js';
import { verdictLine } from '../verdict.js';

export interface PageTrial extends TrialRecord {
  /** `<provider>/<trial_name>`: its address in the page. */
  key: string;
  /** Its provider as it is shown. */
  place: string;
  /** `pass`, the exception type, RewardBelowOne, or the outcome. */
  label: string;
  expected: boolean;
  /** Why its resources are not like for like; empty when they are. */
  unlike: string[];
  rerun: string;
  diagnose: string;
}

export interface PageData {
  report: Omit<Report, 'trials'>;
  trials: PageTrial[];
  verdict: string;
  /** Providers of this run as they are shown, by name. */
  titles: Record<string, string>;
  /** What changed in the runs of the history, newest first. */
  changes: HistoryChange[];
}

/** A pass is rarely read: its logs are kept short so that a file of 1,000 trials still opens at once. */
const PASS_TAIL = 2 * 1024;

export function pageData(report: Report): PageData {
  const { trials, ...rest } = report;
  const unlike = unlikeResources(trials);
  const expected = new Set(report.expectations?.expected.map(({ trial }) => trial));
  return {
    report: rest,
    verdict: verdictLine(report),
    titles: Object.fromEntries(report.providers.map((provider) => [provider.name, providerTitle(provider)])),
    changes: historyChanges(report.history ?? []),
    trials: trials.map((trial) => {
      const key = trialKeyOf(trial);
      return {
        ...trial,
        key,
        place: placeOf(trial),
        label: labelOf(trial),
        expected: expected.has(key),
        unlike: unlike.get(key) ?? [],
        rerun: shellLine(rerunTrial(report, trial)),
        diagnose: shellLine(['plumbline', 'diagnose', `reports/${report.run.name}`, key]),
        logs: {
          build: shortLog(trial.logs.build, trial),
          oracle: shortLog(trial.logs.oracle, trial),
          verifier: shortLog(trial.logs.verifier, trial),
        },
      };
    }),
  };
}

function shortLog(log: LogRecord | null, trial: TrialRecord): LogRecord | null {
  if (log === null) return null;
  return { path: log.path, tail: trial.outcome === 'pass' ? log.tail.slice(-PASS_TAIL) : log.tail };
}
