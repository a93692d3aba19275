/** CTRF, the Common Test Report Format (https://github.com/ctrf-io/ctrf, schema/ctrf.schema.json): for viewers that know no JUnit. */
import { placeOf } from '../compare/provider-title.js';
import type { AttemptSummary, Report, TrialRecord } from '../model/record.js';
import { plain } from './text.js';
import { createTrialJudge, type TrialVerdict } from './verdict.js';

type Status = 'passed' | 'failed' | 'skipped' | 'other';

const SPEC_VERSION = '1.0.0';

/** Names, providers and outcomes go into labels, so that viewers can filter by them. Times are whole milliseconds. */
export function renderCtrf(report: Report): string {
  const judge = createTrialJudge(report);
  const tests = report.trials.map((trial) => testOf(trial, judge(trial)));
  const count = (status: Status) => tests.filter((test) => test.status === status).length;
  const start = Date.parse(report.run.started_at);
  const stop = report.run.finished_at === null ? lastEnd(report, start) : Date.parse(report.run.finished_at);
  const document = {
    reportFormat: 'CTRF',
    specVersion: SPEC_VERSION,
    generatedBy: `plumbline ${report.run.plumbline_version}`,
    results: {
      tool: { name: 'plumbline', version: report.run.plumbline_version },
      summary: {
        tests: tests.length,
        passed: count('passed'),
        failed: count('failed'),
        skipped: count('skipped'),
        pending: 0,
        other: count('other'),
        flaky: tests.filter((test) => test.flaky).length,
        start,
        stop,
        extra: {
          gate_met: report.gate.met,
          gate_reasons: report.gate.reasons,
          emulated_providers: report.providers.filter(({ emulated }) => emulated).map(({ name }) => name),
        },
      },
      tests,
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function testOf(trial: TrialRecord, verdict: TrialVerdict) {
  const exception = trial.exception;
  const message = verdict.kind === 'passed' ? {} : { message: plain(`${verdict.type}: ${verdict.message}`) };
  const trace =
    exception && exception.cause.length > 0
      ? { trace: exception.cause.map(({ type, message: text }) => plain(`${type}: ${text}`)).join('\n') }
      : {};
  return {
    name: `${plain(trial.task)}${trial.repeat > 1 ? ` [${trial.repeat}]` : ''}${trial.control ? ' (nop)' : ''}`,
    status: statusOf(trial, verdict),
    duration: milliseconds(trial.duration_sec),
    ...(trial.slot === null ? {} : { start: Date.parse(trial.started_at), stop: Date.parse(trial.finished_at) }),
    suite: [plain(trial.suite ?? 'tasks'), placeOf(trial)],
    ...(trial.emulated ? { tags: ['emulated'] } : {}),
    ...message,
    ...trace,
    rawStatus: trial.outcome,
    labels: {
      provider: trial.provider,
      outcome: trial.outcome,
      ...(trial.emulated ? { emulated: 'true' } : {}),
      ...(exception ? { exception_type: exception.type, phase: exception.phase, origin: exception.origin } : {}),
    },
    retries: Math.max(0, trial.attempts.length - 1),
    flaky: trial.outcome === 'pass' && trial.attempts.length > 1,
    ...(trial.attempts.length > 1 ? { retryAttempts: trial.attempts.map(attemptOf) } : {}),
  };
}

function attemptOf({ n, outcome, exception, duration_sec }: AttemptSummary) {
  return {
    attempt: n,
    status: outcome === 'pass' ? 'passed' : outcome === 'fail' || outcome === 'error' ? 'failed' : 'other',
    duration: milliseconds(duration_sec),
    ...(exception ? { message: plain(`${exception.type}: ${exception.message}`) } : {}),
  };
}

function statusOf(trial: TrialRecord, verdict: TrialVerdict): Status {
  if (trial.outcome === 'not_run' || trial.outcome === 'cancelled') return 'other';
  return verdict.kind === 'failure' || verdict.kind === 'error' ? 'failed' : verdict.kind;
}

function lastEnd(report: Report, start: number): number {
  return report.trials.reduce((last, trial) => Math.max(last, Date.parse(trial.finished_at)), start);
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000);
}
