/**
 * A Dockerfile as a base image and a list of root shell scripts and archives: what every remote builder can do, whatever it
 * does to heredocs, escapes, globs, ARG, SHELL, --chmod or several stages when it is given the Dockerfile itself.
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import { ContextTree, type FileTree, textOf } from '../../image/builder/copy/tree.js';
import { checkCopy, copyDestination } from '../../image/builder/copy-rules.js';
import { createBuildLog } from '../../image/builder/log.js';
import { inWorkdir } from '../../image/builder/metadata.js';
import { runCommand } from '../../image/builder/run-command.js';
import { createStageBuilder, type StageEngine } from '../../image/builder/stages.js';
import { inheritState, type StageState, stateOfConfig } from '../../image/builder/state.js';
import { contextEntries } from '../../image/context-entries.js';
import { globalArgs, platformArgs } from '../../image/dockerfile/args.js';
import { LineError } from '../../image/dockerfile/lines.js';
import type { CopyInstruction, RunInstruction } from '../../image/dockerfile/model.js';
import { type Mount, parseMount } from '../../image/dockerfile/mount.js';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import { targetStage } from '../../image/dockerfile/requirements.js';
import { expandWord } from '../../image/dockerfile/shell-lexer.js';
import { loadIgnore } from '../../image/dockerignore.js';
import type { OciImageConfig, OciRuntimeConfig } from '../../image/types.js';
import type { Platform } from '../../model/image.js';
import type { Web } from '../../util/web.js';
import type { BaseConfigs } from './base-config.js';
import { runStepScript, workdirScript } from './build-script.js';
import { type CopyArchive, planCopyArchives } from './image-copy.js';
import { pinnedName } from './pin-bases.js';
import { blamed, Untranslatable } from './unsupported-image.js';

export interface PlannedStep {
  readonly kind: 'run' | 'copy' | 'workdir';
  readonly title: string;
  /** Each is put at its `remotePath` in the image before the script runs, which also removes it. */
  readonly archives: readonly CopyArchive[];
  readonly script: string;
}

export interface ImagePlan {
  /** A registry's name. */
  readonly base: string;
  readonly steps: readonly PlannedStep[];
  /** Of the finished image, as Docker would write it. */
  readonly config: OciImageConfig & { readonly config: OciRuntimeConfig };
  readonly warnings: readonly { code: string; message: string }[];
}

export interface PlanInput {
  readonly contextDir: string;
  readonly dockerfile: string;
  readonly platform: Platform;
  readonly baseConfigs: BaseConfigs;
  /** For ADD of a URL. Default: Node's fetch, without a proxy. */
  readonly web?: Web;
  readonly signal: AbortSignal;
  /** Directory for archives; null when only the config is wanted: then nothing is read of the context. */
  readonly tmp: string | null;
  /** The files of a finished stage or of an image, for `COPY --from`, with their owners. */
  readonly filesOf: (plan: ImagePlan, sources: readonly string[]) => Promise<FileTree>;
}

interface PlanState extends StageState {
  readonly base: string;
  readonly steps: PlannedStep[];
}

/** @throws EnvironmentDefinitionError for what cannot be built as written, with the line; origin `provider` where the task is right */
export async function planDockerfile(input: PlanInput): Promise<ImagePlan> {
  const { contextDir, dockerfile, platform } = input;
  const text = await readFile(dockerfile, 'utf8').catch((cause: unknown) => {
    throw new EnvironmentDefinitionError(`${dockerfile} cannot be read`, { cause });
  });
  const model = parseDockerfile(text, basename(dockerfile));
  const warnings: { code: string; message: string }[] = [];
  let context: Promise<ContextTree> | null = null;
  const contextTree = () => {
    context ??= loadIgnore(contextDir, dockerfile).then((rules) => ContextTree.read(contextEntries(contextDir, rules)));
    return context;
  };

  const engine: StageEngine<PlanState> = {
    scratch() {
      throw new Untranslatable('FROM scratch cannot be built here: the provider needs a Linux distribution as base');
    },
    async image(ref, wanted) {
      const { config, known, digest } = await input.baseConfigs(ref, wanted, input.signal);
      if (!known) warnings.push(unknownBase(ref));
      const { state, triggers } = stateOfConfig(config);
      return { state: { ...state, base: pinnedName(ref, digest), steps: [] }, triggers };
    },
    async inherit(finished) {
      return { ...inheritState(finished), base: finished.base, steps: [...finished.steps] };
    },
    async run(state, run, stage, title) {
      const mounts = run.mounts.map((text) => {
        const options = { escape: model.directives.escape };
        return parseMount(text, (word) => expandWord(word, (name) => state.env.get(name), options));
      });
      const binds: BindMount[] = [];
      for (const mount of mounts.filter(({ type }) => type === 'bind')) binds.push(await bind(state, mount, stage));
      const script = runScript(state, run, mounts, binds);
      state.steps.push({ kind: 'run', title, archives: binds.flatMap(({ archives }) => archives), script });
    },
    async copy(state, copy, from, title) {
      checkCopy(copy);
      if (input.tmp === null) return;
      const tree = from === null ? await contextTree() : await input.filesOf(planOf(from, []), copy.sources);
      const archives = await planCopyArchives(tree, copy, textOf(copyDestination(state, copy.destination)), {
        dir: input.tmp,
        signal: input.signal,
        salt: String(state.steps.length),
        web: input.web,
      });
      const script = archives.map((archive) => `(\n${archive.script})`).join(' &&\n');
      state.steps.push({ kind: 'copy', title, archives, script });
    },
    async workdir(state, title) {
      const { WorkingDir: path = '/', User: user = '' } = state.config.config;
      state.steps.push({ kind: 'workdir', title, archives: [], script: workdirScript(path, user) });
    },
  };

  /** What a bind mount shows, as archives that are unpacked at its target for the time of the command. */
  const bind = async (state: PlanState, mount: Mount, stage: number): Promise<BindMount> => {
    const target = inWorkdir(state, mount.target);
    if (input.tmp === null) return { target, archives: [] };
    const from = mount.from === null ? null : await builder.source(mount.from, stage);
    const source = mount.source || '/';
    const tree = from === null ? await contextTree() : await input.filesOf(planOf(from, []), [source]);
    const copy: CopyInstruction = { ...PLAIN_COPY, sources: [source], destination: target };
    const salt = `${state.steps.length} ${target}`;
    const surroundings = { dir: input.tmp, signal: input.signal, salt };
    return { target, archives: await planCopyArchives(tree, copy, target, surroundings) };
  };

  const builder = createStageBuilder(
    {
      model,
      platform,
      buildArgs: {},
      globals: globalArgs(model, {}, platformArgs(platform, platform, '')),
      log: createBuildLog(() => undefined),
      created: new Date(0).toISOString(),
    },
    engine,
  );
  try {
    const state = await builder.build(targetStage(model, undefined));
    return planOf(state, warnings);
  } catch (error) {
    if (!(error instanceof LineError)) throw blamed(error);
    throw new EnvironmentDefinitionError(`${model.file}:${error.line}: ${error.message}`, { cause: error });
  }
}

export function unknownBase(ref: string): { code: string; message: string } {
  return {
    code: 'BaseConfigUnknown',
    message: `the registry of ${ref} cannot be reached from here: its ENV, USER, WORKDIR and ENTRYPOINT are taken to be the usual ones, and whether its tag has moved is not known: the digest of a prebuilt image is then that of its name`,
  };
}

function planOf(state: PlanState, warnings: ImagePlan['warnings']): ImagePlan {
  return { base: state.base, steps: state.steps, config: state.config, warnings };
}

interface BindMount {
  readonly target: string;
  readonly archives: readonly CopyArchive[];
}

const PLAIN_COPY: CopyInstruction = {
  keyword: 'COPY',
  line: 0,
  endLine: 0,
  text: '',
  sources: [],
  inline: [],
  destination: '',
  from: null,
  chown: null,
  chmod: null,
  link: false,
  parents: false,
  exclude: [],
  checksum: null,
  keepGitDir: false,
  unpack: false,
};

function runScript(
  state: PlanState,
  run: RunInstruction,
  mounts: readonly Mount[],
  binds: readonly BindMount[],
): string {
  const refuse = (what: string): never => {
    throw new Untranslatable(`RUN ${what} cannot be built here: the provider's builder has nothing like it`);
  };
  // A secret or an agent that is not required and not given is simply not there, in Docker too.
  const missing = mounts.find(({ type, required }) => (type === 'secret' || type === 'ssh') && required);
  if (missing !== undefined) refuse(`--mount=type=${missing.type},required`);
  if (run.network !== 'default') refuse(`--network=${run.network}`);
  if (run.security !== 'sandbox') refuse(`--security=${run.security}`);
  const { argv, script } = runCommand(state, run);
  const { WorkingDir: cwd, User: user = '' } = state.config.config;
  const temporary = [
    ...mounts
      .filter(({ type }) => type === 'cache' || type === 'tmpfs')
      .map(({ target }) => ({ target: inWorkdir(state, target), fill: 'mkdir -p "$target"' })),
    ...binds.map(({ target, archives }) => ({
      target,
      fill: archives.map((archive) => `(\n${archive.script})`).join(' &&\n') || ':',
    })),
  ];
  return runStepScript({ argv, script, env: Object.fromEntries(state.env), cwd: cwd || '/', user, temporary });
}
