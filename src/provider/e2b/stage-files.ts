/** The files of a finished stage, for `COPY --from`: a short-lived sandbox of its template gives them. */
import type { FileTree } from '../../image/builder/copy/tree.js';
import { filesFrom } from '../remote/stage-files.js';
import type { Cloud } from './calls.js';
import { e2bShell } from './shell.js';
import { type StageContext, withStageSandbox } from './stage-sandbox.js';
import { restoreTmp } from './tmp.js';

export async function stageFiles(
  cloud: Cloud,
  template: string,
  sources: readonly string[],
  dir: string,
  ctx: StageContext,
): Promise<FileTree> {
  const { policy } = cloud;
  const { signal } = ctx;
  return await withStageSandbox(cloud, template, ctx, async (sandbox) => {
    const shell = e2bShell(sandbox);
    await restoreTmp(shell, policy, ctx);
    return filesFrom(shell, sources, dir, { policy, signal });
  });
}
