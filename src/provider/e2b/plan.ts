/** What a template is made of, and what it does not keep: the plan of the Dockerfile and the image's own defaults. */
import { createHash } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageSpec } from '../../model/image.js';
import type { Owner, PrepareContext, ProviderContext } from '../../model/provider.js';
import type { Web } from '../../util/web.js';
import { type BaseConfigs, usualConfig } from '../remote/base-config.js';
import { type DockerfileSource, imageName, sourceOf } from '../remote/image-identity.js';
import { type ImagePlan, planDockerfile, unknownBase } from '../remote/image-plan.js';
import { pinnedName } from '../remote/pin-bases.js';
import { remotePlatform } from '../remote/platform.js';
import type { Planner } from '../remote/replay.js';
import { buildTemplate } from './build.js';
import type { Cloud } from './calls.js';
import { templateSize } from './resources.js';
import { stageFiles } from './stage-files.js';
import { readyRef, templateExists } from './template.js';

/** Changes when the same definition would become another template: our scripts, or the SDK's major version. */
export const RECIPE = 'e2b-2/4';

export interface Preparer {
  readonly cloud: Cloud;
  readonly baseConfigs: BaseConfigs;
  readonly web: Web;
  readonly lockDir: string;
  readonly emulated: boolean;
  /** Of sandboxes that give the files of a stage. */
  readonly owner: Owner;
  readonly announce?: ProviderContext['announce'];
}

type Listener = Pick<PrepareContext, 'signal' | 'onEvent' | 'onLog'>;

/** For sandboxes: nobody listens to a stage that is built again for them. */
export function quietPlanner(preparer: Preparer): Planner {
  const silent = () => undefined;
  return (image, tmp, signal) => planOf(preparer, image, tmp, { signal, onEvent: silent, onLog: silent });
}

/** Throws what `planDockerfile` throws: nothing is looked up, read or built. */
export async function translate(source: DockerfileSource, emulated: boolean): Promise<void> {
  const signal = new AbortController().signal;
  const baseConfigs: BaseConfigs = async (_ref, platform) => ({
    config: usualConfig(platform),
    known: false,
    digest: null,
  });
  const filesOf = async (): Promise<never> => {
    throw new Error('unreachable: without a directory no file is asked for');
  };
  await planDockerfile({ ...source, platform: remotePlatform(emulated), baseConfigs, signal, tmp: null, filesOf });
}

/** @param tmp null: only the config is wanted, and nothing is read of the context */
export async function planOf(
  preparer: Preparer,
  spec: ImageSpec,
  tmp: string | null,
  ctx: Listener,
): Promise<ImagePlan> {
  const { baseConfigs, owner, announce } = preparer;
  const source = sourceOf(spec);
  const platform = spec.platform ?? remotePlatform(preparer.emulated);
  if (source.kind === 'prebuilt') {
    const { config, known, digest } = await baseConfigs(source.ref, platform, ctx.signal);
    const runtime = { ...config, config: config.config ?? {} };
    const base = pinnedName(source.ref, digest);
    return { base, steps: [], config: runtime, warnings: known ? [] : [unknownBase(source.ref)] };
  }
  return planDockerfile({
    ...source,
    platform,
    baseConfigs,
    web: preparer.web,
    signal: ctx.signal,
    tmp,
    async filesOf(plan, sources) {
      const dir = await mkdtemp(join(tmp ?? tmpdir(), 'stage-'));
      const name = await stageTemplate(preparer.cloud, plan, dir, ctx);
      return stageFiles(preparer.cloud, name, sources, dir, { ...ctx, owner, announce });
    },
  });
}

/** A stage that others copy from, as a template of its own, named by its steps. */
async function stageTemplate(cloud: Cloud, plan: ImagePlan, dir: string, ctx: Listener): Promise<string> {
  const size = templateSize({ cpus: null, memoryMb: 4096, storageMb: null, gpus: null });
  const hash = createHash('sha256').update(RECIPE).update(plan.base);
  for (const step of plan.steps) hash.update(step.script); // archives are named by their content
  const name = imageName(`sha256:${hash.digest('hex')}`).replace('plumbline-', 'plumbline-stage-');
  if (await templateExists(cloud, readyRef(name), ctx)) return readyRef(name);
  return await buildTemplate(cloud, name, { plan, size, force: false }, dir, ctx);
}
