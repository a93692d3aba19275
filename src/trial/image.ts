/** From an environment directory to an image (harbor-semantics 1.1, 8.2). */
import { join } from 'node:path';
import { EnvironmentDefinitionError, EnvironmentStartTimeoutError, PlumblineError } from '../exception/errors.js';
import type { ImageSpec, PreparedImage, ResourceRequest } from '../model/image.js';
import type { EnvironmentConfig, StepConfig, Task, TomlInteger } from '../model/task.js';
import { effectiveVerifier, stepsOf } from '../task/verifier-mode.js';
import { type Attempt, note, warn } from './attempt.js';
import { isDirectory, isFile, namesIn } from './host-files.js';
import { stepDir } from './plan.js';
import { hearProvider } from './provider-events.js';

export interface EnvironmentDefinition {
  readonly spec: ImageSpec;
  /** Uploaded into the working directory at the end of the start: files beside a prebuilt image that no Dockerfile copies. */
  readonly uploadDir: string | null;
}

/**
 * The image of a task's own environment. A prebuilt image wins over a Dockerfile, unless a build is forced and possible.
 * @throws EnvironmentDefinitionError when there is nothing to boot from
 */
export function mainDefinition(task: Task, forceBuild: boolean): Promise<EnvironmentDefinition> {
  return definition(join(task.dir, 'environment'), 'environment/', task.config.environment, forceBuild);
}

/**
 * The image of a separate verifier: the step's tests/ if it exists, else the task's. It is never force-built, as in Harbor.
 * @throws EnvironmentDefinitionError
 */
export async function verifierDefinition(
  task: Task,
  step: StepConfig | null,
  environment: EnvironmentConfig,
): Promise<EnvironmentDefinition> {
  const own = step === null ? null : join(stepDir(task, step), 'tests');
  const dir = own !== null && (await isDirectory(own)) ? own : join(task.dir, 'tests');
  return definition(dir, `${dir === own ? `steps/${step?.name}/` : ''}tests/`, environment, false);
}

/**
 * Every image that a trial will ask its provider for, the environment's own first, so that they can be made ahead.
 * @throws EnvironmentDefinitionError, TaskConfigError: the trial finds the same and reports it
 */
export async function imagesOf(task: Task, forceBuild: boolean): Promise<ImageSpec[]> {
  const definitions = [await mainDefinition(task, forceBuild)];
  for (const step of stepsOf(task.config)) {
    const verifier = effectiveVerifier(task.config, step);
    if (verifier.mode === 'separate') definitions.push(await verifierDefinition(task, step, verifier.environment));
  }
  return definitions.map(({ spec }) => spec);
}

async function definition(
  dir: string,
  shownDir: string,
  environment: EnvironmentConfig,
  forceBuild: boolean,
): Promise<EnvironmentDefinition> {
  const dockerfile = join(dir, 'Dockerfile');
  const composeFile = join(dir, 'docker-compose.yaml');
  const hasDockerfile = await isFile(dockerfile);
  const hasCompose = await isFile(composeFile);
  const ref = environment.docker_image;
  if (ref === null && !hasDockerfile && !hasCompose) {
    throw new EnvironmentDefinitionError(
      `${shownDir} has neither a Dockerfile nor a docker-compose.yaml, and no docker_image is set`,
    );
  }
  if (environment.workdir !== null && !environment.workdir.startsWith('/')) {
    throw new EnvironmentDefinitionError(`workdir ${JSON.stringify(environment.workdir)} is not an absolute path`);
  }
  const build = { kind: 'dockerfile', contextDir: dir, dockerfile } as const;
  const prebuilt = ref === null || (forceBuild && hasDockerfile) ? null : ({ kind: 'prebuilt', ref } as const);
  const plainPrebuilt = prebuilt !== null && !hasDockerfile && !hasCompose;
  return {
    spec: {
      source: prebuilt ?? (hasDockerfile ? build : null),
      compose: hasCompose ? { file: composeFile, projectDir: dir } : null,
      platform: null,
      resources: resourcesOf(environment),
    },
    uploadDir: plainPrebuilt && (await namesIn(dir)).length > 0 ? dir : null,
  };
}

export function resourcesOf(environment: EnvironmentConfig): ResourceRequest {
  return {
    cpus: toNumber(environment.cpus),
    memoryMb: toNumber(environment.memory_mb),
    storageMb: toNumber(environment.storage_mb),
    gpus: toNumber(environment.gpus),
  };
}

function toNumber(value: TomlInteger | null): number | null {
  return value === null ? null : Number(value);
}

export interface PrepareRequest {
  readonly spec: ImageSpec;
  readonly forceBuild: boolean;
  /** Milliseconds left; null is no limit. */
  readonly remainingMs: number | null;
  /** What this trial says when the image is not ready in time. */
  readonly expired: (cause: unknown) => EnvironmentStartTimeoutError;
}

/** Asks the provider for the image; its log goes to build.log as it is produced. */
export async function prepareImage(
  attempt: Attempt,
  request: PrepareRequest,
  signal: AbortSignal,
): Promise<PreparedImage> {
  const { provider, owner } = attempt.input;
  try {
    const image = await provider.prepare(request.spec, {
      signal,
      owner,
      forceBuild: request.forceBuild,
      onEvent: (state, recovery) => hearProvider(attempt, state, recovery),
      onLog: (chunk) => attempt.buildLog.write(chunk),
      ...(request.remainingMs === null ? {} : { timeoutMs: request.remainingMs }),
    });
    for (const { code, message } of image.warnings) warn(attempt, code, message);
    note(attempt, `  image ${image.ref} (${image.source}, ${image.cacheHit ? 'found' : 'made'}, ${image.digest})`);
    return image;
  } catch (error) {
    if (error instanceof PlumblineError && error.details.log && attempt.buildLog.empty) {
      attempt.buildLog.write(error.details.log);
    }
    // A build that others share expires by its own clock; said in the words of our own, its waiters are one group.
    throw error instanceof EnvironmentStartTimeoutError ? request.expired(error) : error;
  }
}

/** A slow build is the task's, a slow pull the network's. */
export function originOfSlowness(spec: ImageSpec): 'task' | 'network' {
  return spec.source?.kind === 'prebuilt' ? 'network' : 'task';
}
