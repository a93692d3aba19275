/**
 * What an image says about itself (ENV, WORKDIR, USER, ENTRYPOINT), for the commands that run in it, where a provider builds a Dockerfile
 * itself and does not tell. The Dockerfile is followed by our builder's own rules, with nothing done to any file.
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import { createBuildLog } from '../../image/builder/log.js';
import { createStageBuilder, type StageEngine } from '../../image/builder/stages.js';
import { emptyState, inheritState, type StageState, stateOfConfig } from '../../image/builder/state.js';
import { globalArgs, platformArgs } from '../../image/dockerfile/args.js';
import { LineError } from '../../image/dockerfile/lines.js';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import { baseImages, targetStage } from '../../image/dockerfile/requirements.js';
import type { ImageSource, Platform } from '../../model/image.js';
import type { BaseConfigs } from './base-config.js';
import { type RuntimeDefaults, runtimeDefaults } from './image-config.js';
import type { Bases } from './image-identity.js';
import { unknownBase } from './image-plan.js';

export interface ImageDefaults extends RuntimeDefaults {
  /** The image itself, or those that its Dockerfile takes from. */
  readonly bases: Bases;
  readonly warnings: readonly { code: string; message: string }[];
}

/** @throws EnvironmentDefinitionError for a Dockerfile that does not parse; what the registry of a base image answers */
export async function imageDefaults(
  source: ImageSource,
  platform: Platform,
  baseConfigs: BaseConfigs,
  signal: AbortSignal,
): Promise<ImageDefaults> {
  if (source.kind === 'prebuilt') {
    const { config, known, digest } = await baseConfigs(source.ref, platform, signal);
    const bases = new Map([[source.ref, digest]]);
    return { ...runtimeDefaults(config.config), bases, warnings: known ? [] : [unknownBase(source.ref)] };
  }
  const text = await readFile(source.dockerfile, 'utf8').catch((cause: unknown) => {
    throw new EnvironmentDefinitionError(`${source.dockerfile} cannot be read`, { cause });
  });
  const model = parseDockerfile(text, basename(source.dockerfile));
  const warnings: { code: string; message: string }[] = [];
  const bases = new Map<string, string | null>();
  const look = async (ref: string, wanted: Platform) => {
    const { config, known, digest } = await baseConfigs(ref, wanted, signal);
    if (!known && !bases.has(ref)) warnings.push(unknownBase(ref));
    bases.set(ref, digest);
    return config;
  };
  const nothing = async () => undefined;
  const engine: StageEngine<StageState> = {
    scratch: async (wanted) => emptyState(wanted),
    image: async (ref, wanted) => stateOfConfig(await look(ref, wanted)),
    inherit: async (finished) => inheritState(finished),
    run: nothing,
    copy: nothing,
    workdir: nothing,
  };
  const context = {
    model,
    platform,
    buildArgs: {},
    globals: globalArgs(model, {}, platformArgs(platform, platform, '')),
    log: createBuildLog(() => undefined),
    created: new Date(0).toISOString(),
  };
  try {
    const state = await createStageBuilder(context, engine).build(targetStage(model, undefined));
    // mounts of RUN take from images that no stage builds on
    for (const ref of baseImages(model, {}, { hostPlatform: platform, platform })) {
      if (!bases.has(ref)) await look(ref, platform);
    }
    return { ...runtimeDefaults(state.config.config), bases, warnings };
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    throw new EnvironmentDefinitionError(`${model.file}:${error.line}: ${error.message}`, { cause: error });
  }
}
