/**
 * The way out when a provider's builder breaks down although the Dockerfile is right: its steps run in every fresh sandbox of the base
 * image, before anything of the task. Such a trial is shown as replayed.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentDefinitionError, ImageBuildError, PlumblineError } from '../../exception/errors.js';
import type { ImageSpec, PreparedImage } from '../../model/image.js';
import type { PrepareContext, ProviderContext } from '../../model/provider.js';
import type { Web } from '../../util/web.js';
import type { BaseConfigs } from './base-config.js';
import { isTransient } from './exec.js';
import { type RuntimeDefaults, runtimeDefaults } from './image-config.js';
import { type ImagePlan, planDockerfile } from './image-plan.js';
import { remotePlatform } from './platform.js';
import { type RetryPolicy, retrying } from './retry.js';
import type { RemoteShell } from './shell.js';

/** Bytes of a step's output that are kept for its error. */
const LOG_LIMIT = 64_000;

/** The steps of an image; archives go below `tmp`, null: nothing is read of the context. @throws EnvironmentDefinitionError */
export type Planner = (image: ImageSpec, tmp: string | null, signal: AbortSignal) => Promise<ImagePlan>;

/** Plans what a sandbox can do by itself: everything but taking files from another stage or image. */
export function createPlanner(baseConfigs: BaseConfigs, emulated: boolean, web: Web): Planner {
  return async ({ source, platform }, tmp, signal) => {
    if (source?.kind !== 'dockerfile') throw new EnvironmentDefinitionError('only a Dockerfile can be replayed');
    const filesOf = async (): Promise<never> => {
      throw new EnvironmentDefinitionError('COPY --from cannot be replayed', { origin: 'provider' });
    };
    const runs = platform ?? remotePlatform(emulated);
    return planDockerfile({ ...source, platform: runs, baseConfigs, web, signal, tmp, filesOf });
  };
}

export interface WayOut {
  readonly image: ImageSpec;
  readonly plan: Planner;
  /** Prepares the base image alone. */
  readonly prepareBase: (base: ImageSpec, ctx: PrepareContext) => Promise<{ readonly ref: string }>;
}

export interface ReplayBase {
  /** Of the base image. */
  readonly ref: string;
  /** For the report: it names what the builder said. */
  readonly warning: PreparedImage['warnings'][number];
}

/**
 * The base image, in place of one that was not built.
 * @throws `error`, where the task is to blame, the steps cannot be replayed, or the base cannot be had either
 */
export async function baseInstead(error: unknown, way: WayOut, ctx: PrepareContext): Promise<ReplayBase> {
  if (!(error instanceof PlumblineError) || !isBuildersFault(error) || way.image.source?.kind !== 'dockerfile') {
    throw error;
  }
  ctx.onEvent(`the provider's build failed (${error.type}): preparing the base image for a replay`);
  let ref: string;
  const tmp = await mkdtemp(join(tmpdir(), 'plumbline-replay-'));
  try {
    const { base } = await way.plan(way.image, tmp, ctx.signal);
    const baseImage: ImageSpec = { ...way.image, source: { kind: 'prebuilt', ref: base } };
    ref = (await way.prepareBase(baseImage, { ...ctx, forceBuild: false })).ref;
  } catch (cause) {
    ctx.signal.throwIfAborted();
    if (!(cause instanceof PlumblineError)) throw cause;
    ctx.onLog(`no replay: ${cause.message}\n`);
    throw error; // it says more than why there is no way out
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
  const message = `the provider's build failed (${error.type}: ${error.message}); its steps run in every sandbox`;
  return { ref, warning: { code: 'ReplayedImage', message } };
}

/** A step that failed would fail in a sandbox too; an API that asks to wait, or knows no such key, would not run a sandbox either. */
function isBuildersFault(error: PlumblineError): boolean {
  return error.origin === 'provider' && (error.type === 'ImageBuildError' || error.type === 'NetworkError');
}

export interface ReplayInput {
  readonly image: ImageSpec;
  readonly plan: Planner;
  readonly shell: RemoteShell;
  readonly policy: RetryPolicy;
}

/**
 * Runs all steps in a fresh sandbox. @returns what the finished image gives a process
 * @throws ImageBuildError for a step that fails, with its output; what the connection failed with
 */
export async function replayImage(input: ReplayInput, ctx: ProviderContext): Promise<RuntimeDefaults> {
  const tmp = await mkdtemp(join(tmpdir(), 'plumbline-replay-'));
  try {
    const plan = await input.plan(input.image, tmp, ctx.signal);
    await replaySteps(plan, input, ctx);
    return runtimeDefaults(plan.config.config);
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
}

async function replaySteps(plan: ImagePlan, { shell, policy }: ReplayInput, ctx: ProviderContext): Promise<void> {
  for (const [index, step] of plan.steps.entries()) {
    ctx.onEvent(`replay step ${index + 1}/${plan.steps.length}`);
    for (const archive of step.archives) {
      const data = await readFile(archive.hostPath);
      const retry = { what: 'upload', policy, signal: ctx.signal, mayRetry: isTransient, onEvent: ctx.onEvent };
      await retrying(retry, () => shell.write(archive.remotePath, data, ctx.signal));
    }
    let output = '';
    // Never twice: a step need not be repeatable, and a lost connection does not say whether it ran.
    const end = await shell.script(step.script, {
      limitMs: null,
      signal: ctx.signal,
      onStdout(text) {
        output = (output + text).slice(-LOG_LIMIT);
      },
    });
    if (end.exitCode === 0) continue;
    const log = `${output}${end.stderr}`;
    throw new ImageBuildError(`${step.title}: exit code ${end.exitCode} (replayed in a sandbox)`, { log });
  }
}
