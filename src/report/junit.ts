/**
 * junit.xml: one testsuite per suite and provider (an emulator's is another), exactly one child per non-pass. `failure` is the verifier's no, `error`
 * everything that was not measured. vitest's own JUnit output is not used: it counts waiting time and knows only failures.
 */
import { placeOf } from '../compare/provider-title.js';
import { groupBy } from '../compare/trials.js';
import type { ProviderRecord, Report, TrialRecord } from '../model/record.js';
import { providerTitle } from '../model/words.js';
import { stripControls } from './text.js';
import { createTrialJudge, type TrialVerdict } from './verdict.js';

interface Case {
  trial: TrialRecord;
  verdict: TrialVerdict;
}

export function renderJunit(report: Report): string {
  const judge = createTrialJudge(report);
  const suites = groupBy(
    report.trials.map((trial): Case => ({ trial, verdict: judge(trial) })),
    ({ trial }) => `${trial.suite ?? 'tasks'}.${placeOf(trial)}`,
  );
  const bodies = [...suites].map(([name, cases]) => renderSuite(name, cases));
  const absent = report.providers.filter((provider) => provider.status !== 'ran').map(renderAbsent);
  const all = [...suites.values()].flat();
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: report.run.name, ...totals(all, absent.length), time: seconds(report.run.wall_clock_sec) })}>`,
    ...bodies.flat(),
    ...absent.flat(),
    '</testsuites>',
    '',
  ].join('\n');
}

/** For readers that do not look into names. */
const EMULATED = ['    <properties>', '      <property name="emulated" value="true"/>', '    </properties>'];

function renderSuite(name: string, cases: readonly Case[]): string[] {
  const started = cases.map(({ trial }) => trial.started_at).filter((instant) => instant !== '');
  const timestamp = started.reduce<string | null>(
    (first, next) => (first === null || next < first ? next : first),
    null,
  );
  const time = cases.reduce((sum, { trial }) => sum + trial.duration_sec, 0);
  return [
    `  <testsuite${attributes({ name, ...totals(cases, 0), time: seconds(time), timestamp })}>`,
    ...(cases.every(({ trial }) => trial.emulated) ? EMULATED : []),
    ...cases.flatMap(({ trial, verdict }) => renderCase(name, trial, verdict)),
    '  </testsuite>',
  ];
}

function renderCase(classname: string, trial: TrialRecord, verdict: TrialVerdict): string[] {
  const name = `${trial.task}${trial.repeat > 1 ? ` [${trial.repeat}]` : ''}${trial.control ? ' (nop)' : ''}`;
  const open = `    <testcase${attributes({ classname, name, time: seconds(trial.duration_sec) })}`;
  if (verdict.kind === 'passed') return [`${open}/>`];
  if (verdict.kind === 'skipped') {
    return [`${open}>`, `      <skipped${attributes({ message: verdict.message })}/>`, '    </testcase>'];
  }
  const head = attributes({ type: verdict.type, message: firstLine(verdict.message) });
  return [
    `${open}>`,
    `      <${verdict.kind}${head}>${cdata(describe(trial, verdict))}</${verdict.kind}>`,
    ...systemOut(trial),
    '    </testcase>',
  ];
}

/** A provider that could not be used must be visible in CI, and is no failure of a task. */
function renderAbsent(provider: ProviderRecord): string[] {
  const message = `${provider.status}: ${provider.reason ?? 'no reason was given'}`;
  const name = providerTitle(provider);
  return [
    `  <testsuite${attributes({ name, tests: '1', failures: '0', errors: '0', skipped: '1', time: '0.000' })}>`,
    `    <testcase${attributes({ classname: name, name: 'provider', time: '0.000' })}>`,
    `      <skipped${attributes({ message })}/>`,
    '    </testcase>',
    '  </testsuite>',
  ];
}

function describe(trial: TrialRecord, verdict: TrialVerdict): string {
  const exception = trial.exception;
  const lines = [verdict.message];
  if (exception) {
    lines.push(
      `phase ${exception.phase}${exception.step === null ? '' : `, step ${exception.step}`}, origin ${exception.origin}`,
    );
    lines.push(...exception.cause.map((cause) => `caused by ${cause.type}: ${cause.message}`));
    if (exception.provider_state !== null) lines.push(`last state: ${exception.provider_state}`);
  }
  lines.push(
    `oracle exit code ${trial.oracle_exit_code ?? 'none'}, verifier exit code ${trial.verifier_exit_code ?? 'none'}`,
  );
  lines.push(`evidence: ${trial.dir}`);
  return lines.join('\n');
}

function systemOut(trial: TrialRecord): string[] {
  const parts = (['build', 'oracle', 'verifier'] as const).flatMap((name) => {
    const log = trial.logs[name];
    return log && log.tail !== '' ? [`--- ${name} (${log.path})\n${log.tail}`] : [];
  });
  return parts.length === 0 ? [] : [`      <system-out>${cdata(parts.join('\n'))}</system-out>`];
}

function totals(cases: readonly Case[], absent: number): Record<string, string> {
  const count = (kind: TrialVerdict['kind']) => cases.filter(({ verdict }) => verdict.kind === kind).length;
  return {
    tests: String(cases.length + absent),
    failures: String(count('failure')),
    errors: String(count('error')),
    skipped: String(count('skipped') + absent),
  };
}

function attributes(values: Record<string, string | null>): string {
  return Object.entries(values)
    .map(([name, value]) => (value === null ? '' : ` ${name}="${escapeAttribute(value)}"`))
    .join('');
}

function seconds(value: number | null): string | null {
  return value === null ? null : value.toFixed(3);
}

function firstLine(message: string): string {
  return stripControls(message).split('\n', 1)[0] ?? '';
}

function escapeAttribute(text: string): string {
  return stripControls(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;')
    .replaceAll('\t', '&#9;');
}

/** XML 1.0 (section 2.2) has no way to write what `stripControls` removes. */
function cdata(text: string): string {
  return `<![CDATA[${stripControls(text).replaceAll(']]>', ']]]]><![CDATA[>')}]]>`;
}
