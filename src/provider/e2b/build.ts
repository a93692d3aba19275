/** One template build through the SDK. */
import { copyFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { PrepareContext } from '../../model/provider.js';
import type { ImagePlan, PlannedStep } from '../remote/image-plan.js';
import { quote } from '../remote/quote.js';
import { retrying } from '../remote/retry.js';
import type { Cloud } from './calls.js';
import type { TemplateSize } from './resources.js';
import { isRepeatable, markReady, newBuildTag, templateExists } from './template.js';
import { withTmp } from './tmp.js';
import { runBuild } from './watch-build.js';

export interface Recipe {
  readonly plan: ImagePlan;
  readonly size: TemplateSize;
  /** Run every step again, whatever is cached. */
  readonly force: boolean;
}

/** @returns what a sandbox is created from */
export async function buildTemplate(
  cloud: Cloud,
  name: string,
  { plan, size, force }: Recipe,
  contextDir: string,
  ctx: Pick<PrepareContext, 'signal' | 'onEvent' | 'onLog'>,
): Promise<string> {
  const { client, policy } = cloud;
  const tag = newBuildTag();
  let template = client.Template({ fileContextPath: contextDir }).fromImage(plan.base).setUser('root').setWorkdir('/');
  let uploadBytes = 0;
  for (const group of grouped(plan.steps)) {
    for (const archive of group.flatMap(({ archives }) => archives)) {
      const file = basename(archive.hostPath);
      if (archive.hostPath !== join(contextDir, file)) await copyFile(archive.hostPath, join(contextDir, file));
      uploadBytes += (await stat(archive.hostPath)).size;
      template = template.copy(file, archive.remotePath);
    }
    const script = withTmp(group.map((step) => step.script).join(' &&\n'));
    template = template.runCmd(`exec /bin/sh -c ${quote(script)}`, { user: 'root' });
  }
  const retry = { what: 'build', policy, signal: ctx.signal, mayRetry: isRepeatable, onEvent: ctx.onEvent };
  await retrying(retry, async (attempt) => {
    // A build whose start was answered with a broken connection may have gone on by itself; one that has not ended gives way.
    if (attempt > 1 && (await templateExists(cloud, `${name}:${tag}`, ctx))) return;
    ctx.onEvent('building');
    await runBuild(cloud, template, name, { ...size, skipCache: force, tags: [tag] }, uploadBytes, ctx);
  });
  return await markReady(cloud, name, tag, ctx);
}

/** Every step of a template costs a snapshot: COPYs in a row are unpacked by one. */
function grouped(steps: readonly PlannedStep[]): PlannedStep[][] {
  const groups: PlannedStep[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (step.kind === 'copy' && last?.[0]?.kind === 'copy') last.push(step);
    else groups.push([step]);
  }
  return groups;
}
