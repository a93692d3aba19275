/** `run --dry-run`: the plan and its arithmetic; nothing is created and nothing is written. */
import { countPlan } from '../job/plan.js';
import { planRun } from '../job/plan-run.js';
import { preflightAll } from '../job/preflight.js';
import type { Assembly } from './assemble.js';
import type { CliIo } from './io-types.js';
import { describeSpending, plannedSpending } from './spending.js';

const PREFLIGHT_LIMIT_MS = 30_000;

/** Exit 0 with a plan, 3 when no provider can be used. */
export async function dryRun(assembly: Assembly, io: CliIo): Promise<number> {
  const signal = new AbortController().signal;
  const deps = assembly.deps([], signal);
  const checked = await preflightAll(assembly.providers, assembly.options, PREFLIGHT_LIMIT_MS, signal);
  for (const { status } of checked) {
    if (status.status === 'unavailable') io.stderr(`${status.name} is unavailable: ${status.reason}\n`);
  }
  const usable = checked.filter(({ status }) => status.status === 'ran');
  const plan = await planRun(
    assembly.options,
    assembly.tasks,
    deps,
    usable.map(({ provider }) => provider),
    [],
  );
  for (const { planned, loaded } of plan) {
    const remark =
      planned.unsupported_reason !== null ? `unsupported: ${planned.unsupported_reason}` : loaded.ok ? '' : 'invalid';
    const agent = planned.control ? ' (nop)' : '';
    io.stdout(`${planned.provider.padEnd(11)}${planned.task}${agent}  ${remark}`.trimEnd().concat('\n'));
  }
  const counts = countPlan(plan);
  const perProvider = Object.entries(counts.per_provider).map(([name, count]) => `${name} ${count}`);
  io.stdout(
    `${counts.tasks} tasks x ${usable.length} providers x ${assembly.options.repeats} repeats = ${counts.trials} trials` +
      ` (${perProvider.join(', ') || 'none'}); ${counts.unsupported} unsupported, ${counts.invalid_tasks} invalid tasks, ${counts.controls} controls\n`,
  );
  const providers = usable.map(({ provider }) => provider);
  for (const entry of plannedSpending(plan, providers, assembly.options)) io.stdout(`${describeSpending(entry)}\n`);
  await assembly.close();
  return usable.length > 0 ? 0 : 3;
}
