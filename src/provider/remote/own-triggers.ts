/**
 * ONBUILD of a Dockerfile's own stages, written out: builders look for the stages that an instruction needs before they know of the
 * triggers, so a trigger that takes from a stage stands where it would run, after the FROM of each child.
 */
import { globalArgs } from '../../image/dockerfile/args.js';
import type { Dockerfile, OnbuildInstruction, Stage } from '../../image/dockerfile/model.js';
import { expandWord } from '../../image/dockerfile/shell-lexer.js';

/**
 * @param lines of the Dockerfile; instructions may have changed, not where they stand
 * @returns other lines; null when an ONBUILD's own word stands alone on its line
 */
export function writeOutTriggers(lines: readonly string[], model: Dockerfile): string[] | null {
  const out = [...lines];
  const triggers = new Map<Stage, string[]>();
  for (const stage of model.stages) {
    const own = stage.instructions.filter((each): each is OnbuildInstruction => each.keyword === 'ONBUILD');
    const bare: string[] = [];
    for (const { line, endLine } of own) {
      const [first = '', ...rest] = lines.slice(line - 1, endLine);
      const trigger = first.replace(/^(\s*)ONBUILD\s+(?=[A-Za-z])/i, '$1');
      if (trigger === first) return null;
      bare.push(trigger, ...rest);
    }
    triggers.set(stage, bare);
    for (const { line, endLine } of own) out.fill('', line - 1, endLine);
  }
  for (const stage of [...model.stages].reverse()) {
    const parent = parentOf(model, stage);
    const first = stage.instructions[0]?.line ?? model.stages[stage.index + 1]?.line ?? lines.length + 1;
    if (parent !== undefined) out.splice(first - 1, 0, ...(triggers.get(parent) ?? []));
  }
  return out;
}

function parentOf(model: Dockerfile, stage: Stage): Stage | undefined {
  const globals = globalArgs(model, {}, {});
  const base = expandWord(stage.base, (name) => globals.get(name), { escape: model.directives.escape }).toLowerCase();
  return model.stages.slice(0, stage.index).findLast(({ name }) => name === base);
}
