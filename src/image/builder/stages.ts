/** Builds stages in the order in which they are needed, each once. */
import type { Platform } from '../../model/image.js';
import type { BuildArgs } from '../dockerfile/args.js';
import type { CopyInstruction, Dockerfile, Instruction, RunInstruction, Stage } from '../dockerfile/model.js';
import { located, parseTrigger } from '../dockerfile/parse.js';
import { findStage, stageBase, stageReferences } from '../dockerfile/requirements.js';
import { expandWord } from '../dockerfile/shell-lexer.js';
import { expandInstruction } from './expand.js';
import { failureAt, shorten } from './failure.js';
import type { BuildLog } from './log.js';
import { type ArgScope, applyMetadata } from './metadata.js';
import { runCommand } from './run-command.js';
import { addHistory, type StageState } from './state.js';

/** What all stages of a build share. */
export interface StageContext {
  readonly model: Dockerfile;
  readonly platform: Platform;
  readonly buildArgs: BuildArgs;
  readonly globals: ReadonlyMap<string, string>;
  readonly log: BuildLog;
  /** ISO 8601: one time for the whole build. */
  readonly created: string;
}

/** Where the files of a stage are and how steps change them: layers of a store, or scripts for a provider's sandbox. */
export interface StageEngine<S extends StageState> {
  scratch(platform: Platform): Promise<S>;
  image(ref: string, platform: Platform, label: string): Promise<{ state: S; triggers: readonly string[] }>;
  /** A stage that goes on from a finished one, which itself must stay as it is. */
  inherit(finished: S): Promise<S>;
  run(state: S, run: RunInstruction, stage: number, title: string): Promise<void>;
  /** `from` is null for the build context. */
  copy(state: S, copy: CopyInstruction, from: S | null, title: string): Promise<void>;
  /** The directory of `state`'s WORKDIR. */
  workdir(state: S, title: string): Promise<void>;
}

export interface StageBuilder<S extends StageState> {
  /** The finished stage of an index, built once. */
  build(index: number): Promise<S>;
  /** The stage or image that `--from` means in stage `before`. */
  source(from: string, before: number): Promise<S>;
}

const WITH_FILES = ['RUN', 'COPY', 'ADD', 'WORKDIR'];

export function createStageBuilder<S extends StageState>(
  context: StageContext,
  engine: StageEngine<S>,
): StageBuilder<S> {
  const built = new Map<number, Promise<S>>();
  const builder: StageBuilder<S> = {
    build(index) {
      const known = built.get(index);
      if (known) return known;
      const work = new StageRun(context, engine, builder, index).build();
      built.set(index, work);
      return work;
    },
    async source(from, before) {
      const { model, platform } = context;
      const stage = findStage(model, from, before);
      if (stage !== null) return builder.build(stage);
      if (from === 'scratch') return engine.scratch(platform);
      return (await engine.image(from, platform, `[source ${from}]`)).state;
    },
  };
  return builder;
}

/** One pass over one stage. */
class StageRun<S extends StageState> {
  private readonly stage: Stage;

  constructor(
    private readonly context: StageContext,
    private readonly engine: StageEngine<S>,
    private readonly builder: StageBuilder<S>,
    private readonly index: number,
  ) {
    const stage = context.model.stages[index];
    if (stage === undefined) throw new RangeError(`no stage ${index}`);
    this.stage = stage;
  }

  async build(): Promise<S> {
    const { stage, index } = this;
    const { state, instructions } = await this.at(stage.line, stage.text, async () => {
      const base = await this.base();
      const triggers = base.triggers.map((trigger) => parseTrigger(trigger, stage.line));
      return { state: base.state, instructions: [...triggers, ...stage.instructions] };
    });
    const total = instructions.filter(({ keyword }) => WITH_FILES.includes(keyword)).length;
    let position = 0;
    for (const instruction of instructions) {
      if (WITH_FILES.includes(instruction.keyword)) position += 1;
      const label = `[${stage.name ?? `stage-${index}`} ${position}/${total}]`;
      await this.at(instruction.line, instruction.text, () => this.carryOut(state, instruction, label));
    }
    return state;
  }

  private async base(): Promise<{ state: S; triggers: readonly string[] }> {
    const { context, engine, builder, stage } = this;
    const base = stageBase(context.model, stage.index, context.globals);
    if (typeof base === 'number') {
      const finished = await builder.build(base);
      return { state: await engine.inherit(finished), triggers: finished.config.config.OnBuild ?? [] };
    }
    const platform = this.platform();
    if (base === 'scratch') return { state: await engine.scratch(platform), triggers: [] };
    return engine.image(base, platform, `[${stage.name ?? `stage-${stage.index}`}] FROM ${base}`);
  }

  /** `--platform` of FROM, or the build's. */
  private platform(): Platform {
    const { platform: written, line } = this.stage;
    if (written === null) return this.context.platform;
    return located(line, () => {
      const { model, globals } = this.context;
      const value = expandWord(written, (name) => globals.get(name), { escape: model.directives.escape });
      if (value === '') throw new SyntaxError(`empty platform value from expression ${written}`);
      const full = value.includes('/') ? value : `linux/${value}`;
      if (!full.startsWith('linux/')) throw new SyntaxError(`platform ${value} is not supported: only linux is`);
      return full as Platform;
    });
  }

  private async carryOut(state: S, written: Instruction, label: string): Promise<void> {
    const { created, model, globals, buildArgs } = this.context;
    const escapeChar = model.directives.escape;
    const instruction = expandInstruction(written, (name) => state.env.get(name), escapeChar);
    const title = `${label} ${shorten(written.text)}`;
    const scope: ArgScope = { buildArgs, globals, escape: escapeChar };
    switch (instruction.keyword) {
      case 'RUN': {
        await this.engine.run(state, instruction, this.index, title);
        const command = runCommand(state, instruction).argv.join(' ');
        addHistory(state, `RUN ${argsNote(state)}${command}`, { layer: true, created });
        return;
      }
      case 'COPY':
      case 'ADD': {
        const [from] = stageReferences(instruction);
        const source = from === undefined ? null : await this.builder.source(from, this.index);
        await this.engine.copy(state, instruction, source, title);
        addHistory(state, copyNote(instruction), { layer: true, created });
        return;
      }
      case 'WORKDIR': {
        applyMetadata(state, instruction, scope, created);
        const path = state.config.config.WorkingDir ?? '/';
        if (path !== '/') await this.engine.workdir(state, title);
        addHistory(state, `WORKDIR ${path}`, { layer: path !== '/', created });
        return;
      }
      default:
        applyMetadata(state, instruction, scope, created);
    }
  }

  private async at<T>(line: number, text: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw failureAt(error, { file: this.context.model.file, line, text }, this.context.log.text());
    }
  }
}

/** `|2 A=1 B= `, as the history of a RUN shows the build args in force. */
function argsNote(state: StageState): string {
  const values = new Map(state.args.map(({ key, value }) => [key, state.env.get(key) ?? value ?? '']));
  if (values.size === 0) return '';
  return `|${values.size} ${[...values].map(([key, value]) => `${key}=${value}`).join(' ')} `;
}

function copyNote(copy: Extract<Instruction, { keyword: 'COPY' | 'ADD' }>): string {
  const flags = [
    ...(copy.parents ? ['--parents'] : []),
    ...(copy.chown === null ? [] : [`--chown=${copy.chown}`]),
    ...(copy.chmod === null ? [] : [`--chmod=${copy.chmod}`]),
  ];
  const inline = copy.inline.map((file) => `<<${file.name}`);
  return [copy.keyword, ...flags, ...copy.sources, ...inline, copy.destination].join(' ');
}
