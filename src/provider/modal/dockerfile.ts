/**
 * The Dockerfile that Modal is given: the task's own, line by line, or, where the context travels as a tar, with a stage before the
 * first FROM that unpacks it, and every COPY taking its sources from there. What cannot be said that way is refused.
 */
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import type { CopyInstruction, Dockerfile, Instruction, RunInstruction } from '../../image/dockerfile/model.js';
import { writeOutTriggers } from '../remote/own-triggers.js';
import { CONTEXT_TAR } from './context.js';

export const CONTEXT_STAGE = 'plumbline-context';

/**
 * Lines for `dockerfile_commands`.
 * @param tar whether the context is in a tar; @param isFile whether a source names one plain file of the context
 * @throws EnvironmentDefinitionError with the line that cannot be translated
 */
export function dockerfileLines(
  text: string,
  model: Dockerfile,
  tar: boolean,
  isFile: (source: string) => boolean,
): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (!tar) return lines;
  const all = model.stages.flatMap(({ instructions }) => instructions);
  for (const instruction of all) translate(model, lines, instruction, isFile);
  const triggers = all.filter(({ keyword }) => keyword === 'ONBUILD');
  const whole = triggers.some(readsFromContext) ? writeOutTriggers(lines, model) : lines;
  if (whole === null) throw untranslatable(model, triggers[0] ?? model.stages[0], 'this ONBUILD');
  const first = (model.stages[0]?.line ?? 1) - 1;
  return [...whole.slice(0, first), `FROM scratch AS ${CONTEXT_STAGE}`, `ADD ${CONTEXT_TAR} /`, ...whole.slice(first)];
}

/** Whether the image gets files of the build context, for good or while a RUN lasts. */
export function readsContext({ stages }: Dockerfile): boolean {
  return stages.some((stage) => stage.instructions.some(readsFromContext));
}

function readsFromContext(instruction: Instruction): boolean {
  switch (instruction.keyword) {
    case 'COPY':
    case 'ADD':
      return instruction.from === null && instruction.sources.some((source) => !isRemote(source));
    case 'RUN':
      return instruction.mounts.some((mount) => bindSource(mount) === 'context');
    case 'ONBUILD':
      return readsFromContext(instruction.instruction);
    default:
      return false;
  }
}

function isRemote(source: string): boolean {
  return /^(https?|git|ssh):|^git@/i.test(source);
}

function translate(
  model: Dockerfile,
  lines: string[],
  instruction: Instruction,
  isFile: (source: string) => boolean,
): void {
  const refuse = (why: string): never => {
    throw untranslatable(model, instruction, why);
  };
  switch (instruction.keyword) {
    case 'COPY':
      copy(lines, instruction, refuse);
      break;
    case 'ADD':
      add(lines, instruction, isFile, refuse);
      break;
    case 'RUN':
      run(lines, instruction, refuse);
      break;
    case 'ONBUILD':
      translate(model, lines, instruction.instruction, isFile);
      break;
    default:
  }
}

function untranslatable(model: Dockerfile, at: { readonly line: number } | undefined, what: string): Error {
  return new EnvironmentDefinitionError(
    `${model.file}:${at?.line ?? 1}: ${what} cannot be built on Modal from a context with links, empty directories or special modes`,
    { origin: 'provider' },
  );
}

function copy(lines: string[], instruction: CopyInstruction, refuse: (why: string) => never): void {
  const { from, sources, inline } = instruction;
  if (from !== null) {
    // the stage in front moves every index by one
    if (/^\d+$/.test(from)) replaceOnce(lines, instruction, `--from=${from}`, `--from=${Number(from) + 1}`, refuse);
    return;
  }
  if (sources.length === 0) return;
  if (inline.length > 0) refuse('COPY of files and a heredoc in one instruction');
  insertFrom(lines, instruction, 'COPY', refuse);
}

/** An ADD of anything but archives and addresses is a COPY. */
function add(
  lines: string[],
  instruction: CopyInstruction,
  isFile: (source: string) => boolean,
  refuse: (why: string) => never,
): void {
  const local = instruction.sources.filter((source) => !isRemote(source));
  if (local.length === 0 || local.every(isFile)) return;
  if (local.length !== instruction.sources.length || local.some(isFile)) refuse('ADD of files and other sources');
  if (local.some((source) => /[*?[$]/.test(source))) refuse('ADD with a pattern');
  insertFrom(lines, instruction, 'ADD', refuse);
}

function run(lines: string[], instruction: RunInstruction, refuse: (why: string) => never): void {
  for (const mount of instruction.mounts) {
    const source = bindSource(mount);
    if (source === 'context') {
      replaceOnce(lines, instruction, `--mount=${mount}`, `--mount=${mount},from=${CONTEXT_STAGE}`, refuse);
    } else if (source !== null && /^\d+$/.test(source)) {
      replaceOnce(lines, instruction, `from=${source}`, `from=${Number(source) + 1}`, refuse);
    }
  }
}

/** What a mount shows: the context, a stage by name or number, an image; null for one without a source. */
function bindSource(mount: string): string | null {
  const from = /(?:^|,)from=([^,]+)/.exec(mount)?.[1];
  if (from !== undefined) return from;
  return (/(?:^|,)type=([a-z]+)/.exec(mount)?.[1] ?? 'bind') === 'bind' ? 'context' : null;
}

function insertFrom(lines: string[], at: Instruction, keyword: string, refuse: (why: string) => never): void {
  const index = at.line - 1;
  const line = lines[index] ?? '';
  const changed = line.replace(/^(\s*(?:ONBUILD\s+)?)(?:COPY|ADD)(?=\s|\\|`|$)/i, `$1COPY --from=${CONTEXT_STAGE} `);
  if (changed === line) refuse(`this ${keyword}`);
  lines[index] = changed;
}

function replaceOnce(lines: string[], at: Instruction, text: string, by: string, refuse: (why: string) => never): void {
  for (let index = at.line - 1; index < at.endLine; index += 1) {
    const line = lines[index] ?? '';
    if (!line.includes(text)) continue;
    lines[index] = line.replace(text, () => by);
    return;
  }
  refuse(`this ${at.keyword}`);
}
