/** Whether one trial of a gate is as it should be, and what a person reads of it. */
import { judgeExpectations } from '../compare/expectations.js';
import { placeOf } from '../compare/provider-title.js';
import { type GateOptions, trialKeyOf } from '../model/event.js';
import type { PlannedTrial, TrialRecord } from '../model/record.js';

/** A pass that nobody expected to fail, or a non-pass exactly as it was written down. With `-a nop`: no pass. */
export function isAccepted(record: TrialRecord, gate: GateOptions): boolean {
  if (gate.agent === 'nop') return record.outcome !== 'pass';
  const judged = judge(record, gate);
  if (record.outcome === 'pass') return judged.record.surprise_pass.length === 0;
  return judged.excused.has(trialKeyOf(record));
}

/** `AgentTimeoutError in oracle (task): …`, the log's tail, and what was expected instead; behind the name of an emulator. */
export function describeNonPass(record: TrialRecord, gate: GateOptions): string {
  const { exception } = record;
  const place = record.emulated ? `on ${placeOf(record)}: ` : '';
  const lines = [
    exception
      ? `${place}${exception.type} in ${exception.phase} (origin ${exception.origin}): ${exception.message}`
      : `${place}${record.outcome}, rewards ${JSON.stringify(record.rewards)}`,
  ];
  for (const { expected } of judge(record, gate).record.mismatched) lines.push(`expected: ${expected}`);
  for (const [name, log] of Object.entries(record.logs)) {
    if (log?.tail) lines.push(`--- ${name} log (${log.path}) ---`, log.tail.split('\n').slice(-15).join('\n'));
  }
  return lines.join('\n');
}

/** What an emulator says is never listed under the name of the service. */
export function testName(planned: PlannedTrial, plan: readonly PlannedTrial[], emulated: boolean): string {
  const repeats = plan.some(({ repeat }) => repeat > 1);
  return `${planned.task} on ${placeOf({ provider: planned.provider, emulated })}${repeats ? ` [${planned.repeat}]` : ''}`;
}

function judge(record: TrialRecord, gate: GateOptions): ReturnType<typeof judgeExpectations> {
  const date = new Date().toISOString().slice(0, 10);
  return judgeExpectations(gate.expectations ?? [], { trials: [record], date, partial: true });
}
