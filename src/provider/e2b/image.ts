/**
 * From an environment's definition to a template. Its name holds the content and what E2B bakes in, so equal environments share
 * it, across trials, runs and hosts. The SDK's own Dockerfile converter is never used: it drops backslashes, collapses
 * heredocs and refuses stages.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageSpec, PreparedImage } from '../../model/image.js';
import type { PrepareContext } from '../../model/provider.js';
import { foundOrMade } from '../remote/found-or-made.js';
import { runtimeDefaults } from '../remote/image-config.js';
import { imageDefaults } from '../remote/image-defaults.js';
import { identify, imageName, preparedImage, sourceOf } from '../remote/image-identity.js';
import type { ImagePlan } from '../remote/image-plan.js';
import { assertPlatform, remotePlatform } from '../remote/platform.js';
import { baseInstead } from '../remote/replay.js';
import { buildTemplate } from './build.js';
import { type Preparer, planOf, quietPlanner, RECIPE } from './plan.js';
import { templateSize } from './resources.js';
import { readyRef, templateExists } from './template.js';

export async function prepareTemplate(
  preparer: Preparer,
  spec: ImageSpec,
  ctx: PrepareContext,
): Promise<PreparedImage> {
  assertPlatform(spec, 'E2B', preparer.emulated);
  const { cloud, emulated, baseConfigs } = preparer;
  const platform = remotePlatform(emulated);
  const size = templateSize(spec.resources);
  const extra = { recipe: RECIPE, cpus: String(size.cpuCount), memory: String(size.memoryMB) };
  const { bases } = await imageDefaults(sourceOf(spec), platform, baseConfigs, ctx.signal);
  const { digest, key } = await identify(spec, platform, bases, extra);
  const name = imageName(key);
  const result = (cacheHit: boolean, { warnings, config }: ImagePlan) => {
    const { healthcheck } = runtimeDefaults(config.config);
    return preparedImage(
      spec,
      { ref: readyRef(name), digest, cacheHit, healthcheck, warnings: [...warnings] },
      emulated,
    );
  };
  const find = async () => {
    if (ctx.forceBuild || !(await templateExists(cloud, readyRef(name), ctx))) return null;
    return result(true, await planOf(preparer, spec, null, ctx));
  };
  const make = async () => {
    const tmp = await mkdtemp(join(tmpdir(), 'plumbline-e2b-'));
    try {
      const plan = await planOf(preparer, spec, tmp, ctx);
      const recipe = { plan, size, force: ctx.forceBuild };
      const whole = result(false, plan);
      try {
        await buildTemplate(cloud, name, recipe, tmp, ctx);
        return whole;
      } catch (error) {
        const prepareBase = (base: ImageSpec, at: PrepareContext) => prepareTemplate(preparer, base, at);
        const { ref, warning } = await baseInstead(
          error,
          { image: spec, plan: quietPlanner(preparer), prepareBase },
          ctx,
        );
        return { ...whole, source: 'replayed' as const, ref, warnings: [...whole.warnings, warning] };
      }
    } finally {
      await rm(tmp, { recursive: true, force: true });
    }
  };
  return foundOrMade({ dir: preparer.lockDir, name }, ctx, find, make);
}
