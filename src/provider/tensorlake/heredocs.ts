/**
 * Heredocs for Tensorlake's builder, whose planner takes their lines for instructions (tensorlake 0.5.89): those that it would misread
 * become exec form, which says the same, and files written in the Dockerfile become files of the context. Every other instruction
 * stays on its line.
 */
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import type {
  CopyInstruction,
  Dockerfile,
  Heredoc,
  Instruction,
  RunInstruction,
} from '../../image/dockerfile/model.js';
import { parseDockerfile } from '../../image/dockerfile/parse.js';

/** Directory of the context for the files of COPY heredocs. */
const INLINE_DIR = '.plumbline-inline';

export interface InlineFile {
  /** Relative to the context. */
  readonly path: string;
  readonly content: string;
}

export interface Flattened {
  readonly text: string;
  readonly inline: readonly InlineFile[];
}

/** @throws EnvironmentDefinitionError for a text that does not parse, and, with origin `provider`, for what has no other form */
export function flattenHeredocs(source: string, file: string): Flattened {
  const model = parseDockerfile(source, file);
  const lines = source.replace(/\r\n/g, '\n').split('\n');
  const inline: InlineFile[] = [];
  const replace = ({ line, endLine }: Instruction, text: string) => {
    lines.fill('', line - 1, endLine);
    lines[line - 1] = text;
  };
  for (const stage of model.stages) {
    let shell: readonly string[] = ['/bin/sh', '-c'];
    for (const instruction of stage.instructions) {
      switch (instruction.keyword) {
        case 'SHELL':
          shell = instruction.args;
          break;
        case 'COPY':
        case 'ADD':
          if (instruction.inline.length > 0) replace(instruction, inlineCopy(model, instruction, inline));
          break;
        case 'RUN':
          if (instruction.heredocs.some(misread)) replace(instruction, execForm(model, instruction, shell));
          break;
        default:
      }
    }
  }
  return { text: lines.join('\n'), inline };
}

/** What the builder would expand in such a file stays with it. */
function inlineCopy(model: Dockerfile, copy: CopyInstruction, inline: InlineFile[]): string {
  const expanded = copy.inline.some((one) => one.expand && /[$\\]/.test(one.content));
  if (copy.sources.length > 0 || expanded) {
    throw refuse(model, copy, 'a heredoc with variables, or beside other sources, cannot be passed on');
  }
  const dir = `${INLINE_DIR}/${copy.line}`;
  for (const one of copy.inline) inline.push({ path: `${dir}/${one.name}`, content: one.content });
  const flags = copy.text.match(/--(?:chown|chmod|link|parents)\S*/g) ?? [];
  const words = [...copy.inline.map((one) => `/${dir}/${one.name}`), copy.destination];
  return ['COPY', ...flags, JSON.stringify(words)].join(' ');
}

/** The shell and the words that BuildKit would give it, as a JSON array on one line. */
function execForm(model: Dockerfile, run: RunInstruction, shell: readonly string[]): string {
  const command = run.args[0] ?? '';
  const bodies = run.heredocs.map((each) => `${each.content}${each.name}\n`).join('');
  const only = run.heredocs.length === 1 && /^<<-?\s*(["']?)[^\s"']+\1$/.test(command.trim());
  const body = only ? bodyOf(run.heredocs[0]) : null;
  if (run.json || body?.startsWith('#!')) {
    throw refuse(model, run, 'a heredoc whose lines look like instructions cannot be passed on in this form');
  }
  const flags = run.text.match(/^RUN((?:\s+--\S+)*)/i)?.[1] ?? '';
  return `RUN${flags} ${JSON.stringify([...shell, body ?? `${command}\n${bodies}`])}`;
}

function refuse(model: Dockerfile, instruction: Instruction, why: string): EnvironmentDefinitionError {
  const where = `${model.file}:${instruction.line}`;
  return new EnvironmentDefinitionError(`${where}: ${why} to Tensorlake’s image builder: ${instruction.text}`, {
    origin: 'provider',
  });
}

/** The planner looks at every line: FROM anywhere, and the references of COPY and RUN. */
function misread(heredoc: Heredoc): boolean {
  return /^\s*(?:from\s|copy\s.*--from|run\s.*--mount)/im.test(heredoc.content);
}

function bodyOf(heredoc: Heredoc | undefined): string {
  if (heredoc === undefined) return '';
  return heredoc.chomp ? heredoc.content.replace(/^\t+/gm, '') : heredoc.content;
}
