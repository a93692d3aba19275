/** The rule that decides the exit code (docs/design.md sections 1, 5.12 and 6), with every reason as a sentence. */
import { type GateOptions, type TrialKey, trialKeyOf } from '../model/event.js';
import type {
  BaselineRecord,
  ExpectationRecord,
  GateRecord,
  ProviderRecord,
  TrialChange,
  TrialRecord,
} from '../model/record.js';
import { providerTitle } from '../model/words.js';
import { keyTitle, placeOf, providerTitles } from './provider-title.js';
import { compareText } from './trials.js';

export interface GateFacts {
  options: GateOptions;
  providers: readonly ProviderRecord[];
  trials: readonly TrialRecord[];
  excused: ReadonlySet<TrialKey>;
  expectations: ExpectationRecord | null;
  baseline: BaselineRecord | null;
}

/** Met when there is no reason against it. Reasons come in the order in which a reader should act on them. */
export function judgeGate(facts: GateFacts): GateRecord {
  const { options, providers } = facts;
  const reasons = [
    ...requiredReasons(options, providers),
    ...(options.incomplete ?? []),
    ...(options.agent === 'nop' ? nopReasons(facts) : [...rateReasons(facts), ...vacuousReasons(facts.trials)]),
    ...(facts.baseline ? baselineReasons(facts.baseline, facts) : []),
    ...(facts.expectations ? expectationReasons(facts.expectations, providers) : []),
  ];
  return { min_pass_rate: options.min_pass_rate, met: reasons.length === 0, reasons };
}

/** Three decimals, rounded down: 0.9996 must never read as 1. Uses nothing around it: report.html carries its source. */
export function formatRate(rate: number): string {
  return (Math.floor(rate * 1000 + 1e-9) / 1000).toFixed(3);
}

function requiredReasons(options: GateOptions, providers: readonly ProviderRecord[]): string[] {
  const reasons: string[] = [];
  for (const name of options.required_providers) {
    const provider = providers.find((candidate) => candidate.name === name);
    if (provider?.status === 'ran') continue;
    const why = provider?.reason ? `: ${provider.reason}` : '';
    reasons.push(`${name} is required and ${provider ? `was ${provider.status}` : 'took no part'}${why}`);
  }
  return reasons;
}

function rateReasons({ options, providers, trials, excused }: GateFacts): string[] {
  const reasons: string[] = [];
  const ran = providers.filter((provider) => provider.status === 'ran' && provider.planned > 0);
  if (ran.length === 0) return ['no trial was planned: nothing was measured'];
  for (const provider of ran) {
    const strict = options.fail_on_unsupported;
    const total = strict ? provider.planned : provider.planned - provider.unsupported;
    if (total === 0) {
      const { planned } = provider;
      reasons.push(`${providerTitle(provider)}: nothing was measured, every planned trial (${planned}) is unsupported`);
      continue;
    }
    const own = trials.filter((trial) => trial.provider === provider.name && !trial.control);
    const counts = (trial: TrialRecord) => strict || trial.outcome !== 'unsupported';
    const expected = own.filter((trial) => counts(trial) && excused.has(trialKeyOf(trial))).length;
    if ((provider.passed + expected) / total >= options.min_pass_rate) continue;
    reasons.push(rateSentence(provider, total, expected, options));
  }
  return reasons;
}

function rateSentence(provider: ProviderRecord, total: number, expected: number, options: GateOptions): string {
  const rate = formatRate(provider.passed / total);
  const parts = [
    part(provider.failed, 'failed'),
    part(provider.errored, 'errored'),
    part(provider.cancelled, 'cancelled'),
    part(provider.not_run, 'not run'),
    options.fail_on_unsupported ? part(provider.unsupported, 'unsupported, counted by --fail-on-unsupported') : '',
    part(expected, 'of them expected'),
  ].filter((text) => text !== '');
  return `${providerTitle(provider)}: pass rate ${provider.passed}/${total} = ${rate} is below ${options.min_pass_rate} (${parts.join(', ')})`;
}

/** The control runs nothing, so a pass says that the task's verifier proves nothing. */
function nopReasons({ providers, trials }: GateFacts): string[] {
  if (!providers.some((provider) => provider.planned - provider.unsupported > 0)) {
    return ['no trial was planned: nothing was measured'];
  }
  return trials
    .filter((trial) => trial.outcome === 'pass')
    .map((trial) => `${trial.task} passes on ${placeOf(trial)} although nothing was run (-a nop)`);
}

function vacuousReasons(trials: readonly TrialRecord[]): string[] {
  const tasks = new Set(trials.filter((trial) => trial.vacuous && !trial.control).map((trial) => trial.task));
  return [...tasks]
    .sort(compareText)
    .map((task) => `${task} is vacuous: its nop control passes, so its pass proves nothing`);
}

/** A regression that was written down is accepted already; it would otherwise have to be accepted in two files. */
function baselineReasons({ regressed, missing }: BaselineRecord, facts: GateFacts): string[] {
  const { trials, excused } = facts;
  const title = providerTitles(facts.providers);
  const isOpen = (change: TrialChange) =>
    trials.some(
      (trial) =>
        trial.task === change.task &&
        trial.provider === change.provider &&
        !trial.control &&
        trial.outcome !== 'pass' &&
        !excused.has(trialKeyOf(trial)),
    );
  return [
    ...regressed
      .filter(isOpen)
      .map(
        (change) =>
          `${change.task} on ${title(change.provider)} regressed: pass → ${change.after}${shareOf(change, trials)}`,
      ),
    ...missing.map(({ task, provider, after }) => {
      const what = after ? `was ${words(after)}` : 'is missing from this run';
      return `${task} on ${title(provider)} is in the baseline and ${what}`;
    }),
  ];
}

/** A task that only became flaky is to be looked for elsewhere than one that never passes. */
function shareOf({ task, provider }: TrialChange, trials: readonly TrialRecord[]): string {
  const repeats = trials.filter((trial) => trial.task === task && trial.provider === provider && !trial.control);
  const passed = repeats.filter((trial) => trial.outcome === 'pass').length;
  return passed === 0 ? '' : ` (flaky: ${passed} of ${repeats.length} repeats pass)`;
}

function expectationReasons(record: ExpectationRecord, providers: readonly ProviderRecord[]): string[] {
  const title = (trial: TrialKey) => keyTitle(trial, providers);
  return [
    ...record.surprise_pass.map(
      ({ trial, reason }) => `${title(trial)} passes although a non-pass is expected (${reason})`,
    ),
    ...record.mismatched.map(({ trial, expected, actual }) => `${title(trial)}: expected ${expected}, got ${actual}`),
    ...record.unmatched.map(({ pattern }) => `expectation ${pattern} matches no planned trial`),
    ...record.expired.map(({ pattern, expires }) => `expectation ${pattern} expired on ${expires}`),
  ];
}

function part(count: number, what: string): string {
  return count === 0 ? '' : `${count} ${what}`;
}

function words(outcome: string): string {
  return outcome.replace('_', ' ');
}
