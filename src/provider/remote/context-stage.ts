/**
 * A Dockerfile for a builder that is a BuildKit, but whose context upload loses things (empty directories, links, modes, what
 * .dockerignore says). The context travels as one tar, unpacked by a stage in front of the others, and COPY and bind mounts read from
 * there. Everything else stays as it is written. What cannot be said that way is refused.
 */
import { posix } from 'node:path';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import type { CopyInstruction, Dockerfile, Instruction } from '../../image/dockerfile/model.js';
import { writeOutTriggers } from './own-triggers.js';

export const CONTEXT_STAGE = 'plumbline-context';
export const CONTEXT_TAR = 'plumbline-context.tar';

export interface StagedDockerfile {
  readonly text: string;
  /** Whether the build reads the tar. */
  readonly needsContext: boolean;
  /** Files that ADD unpacks, which it does only for files of the build context itself. */
  readonly plainFiles: readonly string[];
}

export interface ContextFacts {
  /** What a source of ADD is in the context, .dockerignore applied. */
  kindOf(source: string): Promise<'archive' | 'other' | 'missing'>;
  /** Whether a file that the pattern of a source matches is an archive. */
  hasArchive(pattern: string): Promise<boolean>;
}

/** @throws EnvironmentDefinitionError with the line that cannot be passed on */
export async function stageContext(text: string, model: Dockerfile, facts: ContextFacts): Promise<StagedDockerfile> {
  return await new ContextStager(text, model, facts).run();
}

class ContextStager {
  private lines: string[];
  private readonly plainFiles = new Set<string>();
  private needsContext = false;
  private hasTriggers = false;

  constructor(
    text: string,
    private readonly model: Dockerfile,
    private readonly facts: ContextFacts,
  ) {
    this.lines = text.split(/\r?\n/);
  }

  async run(): Promise<StagedDockerfile> {
    const all = this.model.stages.flatMap((stage) => stage.instructions);
    for (const instruction of all) await this.translate(instruction);
    if (this.needsContext) {
      for (const instruction of all) this.shift(instruction);
      if (this.hasTriggers) this.writeOut(all);
      const first = (this.model.stages[0]?.line ?? 1) - 1;
      this.lines.splice(first, 0, `FROM scratch AS ${CONTEXT_STAGE}`, `ADD ${CONTEXT_TAR} /`);
    }
    return { text: this.lines.join('\n'), needsContext: this.needsContext, plainFiles: [...this.plainFiles] };
  }

  private async translate(instruction: Instruction): Promise<void> {
    switch (instruction.keyword) {
      case 'COPY':
        if (instruction.from !== null || instruction.sources.length === 0) return;
        if (instruction.inline.length > 0) this.refuse(instruction, 'a COPY of files and a heredoc together');
        this.readFromStage(instruction);
        return;
      case 'ADD':
        await this.add(instruction);
        return;
      case 'RUN':
        for (const mount of instruction.mounts) {
          if (typeOf(mount) !== 'bind' || /(?:^|,)from=/.test(mount)) continue;
          this.needsContext = true;
          this.replace(instruction, `--mount=${mount}`, `--mount=${mount},from=${CONTEXT_STAGE}`);
        }
        return;
      case 'ONBUILD': {
        const before = this.lines.slice(instruction.line - 1, instruction.endLine).join('\n');
        await this.translate(instruction.instruction);
        const after = this.lines.slice(instruction.line - 1, instruction.endLine).join('\n');
        this.hasTriggers ||= before !== after;
        return;
      }
      default:
    }
  }

  private async add(add: CopyInstruction): Promise<void> {
    const local = add.sources.filter((source) => !/^(?:https?|git|ssh):|^git@/i.test(source));
    if (local.length === 0) return;
    if (local.length < add.sources.length || add.inline.length > 0) {
      this.refuse(add, 'an ADD of files and other sources together');
    }
    if (add.unpack !== null) this.refuse(add, 'ADD --unpack');
    if (local.some((source) => source.includes('$'))) this.refuse(add, 'an ADD with variables');
    const kinds: ('archive' | 'other' | 'missing')[] = [];
    for (const source of local) {
      const pattern = /[*?[]/.test(source);
      if (pattern && (await this.facts.hasArchive(clean(source)))) {
        this.refuse(add, 'an ADD of archives by a pattern');
      }
      kinds.push(pattern ? 'other' : await this.facts.kindOf(clean(source)));
    }
    if (!kinds.includes('archive')) {
      this.readFromStage(add);
      return;
    }
    if (kinds.some((kind) => kind !== 'archive')) this.refuse(add, 'an ADD of archives and other files together');
    for (const source of local) this.plainFiles.add(clean(source));
  }

  private readFromStage(instruction: CopyInstruction): void {
    this.needsContext = true;
    const index = instruction.line - 1;
    const line = this.lines[index] ?? '';
    const changed = line.replace(/^(\s*(?:ONBUILD\s+)?)(?:COPY|ADD)(?=\s|\\|`|$)/i, `$1COPY --from=${CONTEXT_STAGE} `);
    if (changed === line) this.refuse(instruction, `this ${instruction.keyword}`);
    this.lines[index] = changed;
  }

  /** A stage named by number is one further down once ours is the first. */
  private shift(instruction: Instruction): void {
    if (instruction.keyword === 'ONBUILD') this.shift(instruction.instruction);
    if (instruction.keyword === 'COPY' && instruction.from !== null && /^\d+$/.test(instruction.from)) {
      this.replace(instruction, `--from=${instruction.from}`, `--from=${Number(instruction.from) + 1}`);
    }
    if (instruction.keyword !== 'RUN') return;
    for (const mount of instruction.mounts) {
      const from = /(?:^|,)from=(\d+)(?=,|$)/.exec(mount)?.[1];
      if (from === undefined) continue;
      this.replace(
        instruction,
        `--mount=${mount}`,
        `--mount=${mount.replace(`from=${from}`, `from=${Number(from) + 1}`)}`,
      );
    }
  }

  private writeOut(all: readonly Instruction[]): void {
    const written = writeOutTriggers(this.lines, this.model);
    const [onbuild] = all.filter(({ keyword }) => keyword === 'ONBUILD');
    if (written !== null) this.lines = written;
    else if (onbuild !== undefined) this.refuse(onbuild, 'this ONBUILD');
  }

  private replace(at: Instruction, text: string, by: string): void {
    for (let index = at.line - 1; index < at.endLine; index += 1) {
      const line = this.lines[index] ?? '';
      if (!line.includes(text)) continue;
      this.lines[index] = line.replace(text, () => by);
      return;
    }
    this.refuse(at, `this ${at.keyword}`);
  }

  private refuse(at: Instruction, what: string): never {
    throw new EnvironmentDefinitionError(`${this.model.file}:${at.line}: ${what} cannot be passed on to the builder`, {
      origin: 'provider',
    });
  }
}

function typeOf(mount: string): string {
  return /(?:^|,)type=([a-z]+)/.exec(mount)?.[1] ?? 'bind';
}

function clean(source: string): string {
  return posix.normalize(`/${source}`).slice(1).replace(/\/$/, '');
}
