/** How a trial stands in formats that know only passed, failed, error and skipped; and the one line about the whole run. */
import { formatRate } from '../compare/gate.js';
import { describeRewards } from '../compare/groups.js';
import { emulationNote } from '../compare/provider-title.js';
import { trialKeyOf } from '../model/event.js';
import type { Report, TrialRecord } from '../model/record.js';
import { REWARD_BELOW_ONE } from '../model/words.js';
import { plain } from './text.js';

export interface TrialVerdict {
  kind: 'passed' | 'failure' | 'error' | 'skipped';
  /** Exception type, or one of RewardBelowOne, SurprisePass, VacuousPass, NopPassed, NotRun, Cancelled, Unsupported, Expected; empty for a pass. */
  type: string;
  message: string;
}

/** Judges every trial of a report. A known non-pass is skipped, a pass where a non-pass is known is a failure: as the gate has it. */
export function createTrialJudge(report: Report): (trial: TrialRecord) => TrialVerdict {
  const expected = new Map(report.expectations?.expected.map((entry) => [entry.trial, entry]));
  const surprises = new Map(report.expectations?.surprise_pass.map((entry) => [entry.trial, entry]));
  return (trial) => {
    if (trial.agent === 'nop') return judgeNop(trial);
    const key = trialKeyOf(trial);
    const known = expected.get(key);
    if (known) {
      const link = known.link === null ? '' : ` (${known.link})`;
      return { kind: 'skipped', type: 'Expected', message: `expected ${known.exception_type}: ${known.reason}${link}` };
    }
    const surprise = surprises.get(key);
    if (surprise) {
      return {
        kind: 'failure',
        type: 'SurprisePass',
        message: `passes although a non-pass is expected: ${surprise.reason}`,
      };
    }
    if (trial.outcome === 'pass' && trial.vacuous) {
      return {
        kind: 'failure',
        type: 'VacuousPass',
        message: 'the nop control of this task passes, so its pass proves nothing',
      };
    }
    return judgeOutcome(trial);
  };
}

function judgeOutcome(trial: TrialRecord): TrialVerdict {
  switch (trial.outcome) {
    case 'pass':
      return { kind: 'passed', type: '', message: '' };
    case 'fail':
      return { kind: 'failure', type: REWARD_BELOW_ONE, message: describeRewards(trial.rewards) };
    case 'error':
      return { kind: 'error', type: trial.exception?.type ?? 'error', message: trial.exception?.message ?? '' };
    case 'unsupported':
      return { kind: 'skipped', type: 'Unsupported', message: trial.unsupported_reason ?? '' };
    case 'cancelled':
      return { kind: 'error', type: 'Cancelled', message: 'the trial was cancelled before it ended' };
    case 'not_run':
      return { kind: 'error', type: 'NotRun', message: 'the trial was planned and has no result' };
  }
}

/** The control is right when it does not pass, whatever stopped it. */
function judgeNop(trial: TrialRecord): TrialVerdict {
  if (trial.outcome === 'pass') {
    return { kind: 'failure', type: 'NopPassed', message: 'the verifier accepts the task although nothing was run' };
  }
  return trial.outcome === 'fail' || trial.outcome === 'error'
    ? { kind: 'passed', type: '', message: '' }
    : judgeOutcome(trial);
}

/** True when the run's agent was nop, so that the gate is inverted. */
export function isNopRun(report: Report): boolean {
  const planned = report.trials.filter((trial) => !trial.control);
  return planned.length > 0 && planned.every((trial) => trial.agent === 'nop');
}

/** `FAIL  pass rate 117/120 = 0.975, gate 1.000`: the first and the last line of every rendering. */
export function verdictLine(report: Report): string {
  const total = (field: 'passed' | 'planned' | 'unsupported' | 'measured') =>
    report.providers.reduce((sum, provider) => sum + provider[field], 0);
  const word = report.gate.met ? 'PASS' : 'FAIL';
  const passed = total('passed');
  const applicable = total('planned') - total('unsupported');
  const parts = [];
  if (applicable === 0) parts.push('nothing was measured');
  else if (isNopRun(report)) parts.push(`nop: ${passed} of ${applicable} trials pass, none may`);
  else
    parts.push(
      `pass rate ${passed}/${applicable} = ${formatRate(passed / applicable)}, gate ${formatRate(report.gate.min_pass_rate)}`,
    );
  if (total('measured') < applicable) parts.push(`measured ${total('measured')}/${applicable}`);
  if (total('unsupported') > 0) parts.push(`${total('unsupported')} unsupported`);
  const expected = report.expectations?.expected.length ?? 0;
  if (report.gate.met && expected > 0) parts.push(`${expected} expected`);
  if (report.run.interrupted) parts.push('interrupted');
  const emulation = emulationNote(report.providers);
  if (emulation !== null) parts.push(emulation);
  return `${word}  ${parts.join(', ')}`;
}

/** `reference/hello-world`, with the repeat where there are several and `(nop)` for a control. */
export function trialTitle(trial: TrialRecord): string {
  const suite = trial.suite === null || trial.task.includes('/') ? '' : `${trial.suite}/`;
  const repeat = trial.repeat > 1 ? ` [${trial.repeat}]` : '';
  return plain(`${suite}${trial.task}${repeat}${trial.control ? ' (nop)' : ''}`);
}
