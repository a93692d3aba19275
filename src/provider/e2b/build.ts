/** One template build through the SDK, and what its failures mean. */
import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  EnvironmentDefinitionError,
  ImageBuildError,
  NetworkError,
  type PlumblineError,
} from '../../exception/errors.js';
import type { PrepareContext } from '../../model/provider.js';
import { errorMessage } from '../../util/cause-chain.js';
import { knownBuildFailure } from '../remote/build-failure.js';
import type { ImagePlan, PlannedStep } from '../remote/image-plan.js';
import { quote } from '../remote/quote.js';
import { retrying } from '../remote/retry.js';
import type { Cloud } from './calls.js';
import { e2bError, statusOf } from './errors.js';
import type { TemplateSize } from './resources.js';
import { isRepeatable, markReady, newBuildTag, templateExists } from './template.js';
import { withTmp } from './tmp.js';

const LOG_LIMIT = 256 * 1024;

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
  for (const group of grouped(plan.steps)) {
    for (const archive of group.flatMap(({ archives }) => archives)) {
      const file = basename(archive.hostPath);
      if (archive.hostPath !== join(contextDir, file)) await copyFile(archive.hostPath, join(contextDir, file));
      template = template.copy(file, archive.remotePath);
    }
    const script = withTmp(group.map((step) => step.script).join(' &&\n'));
    template = template.runCmd(`exec /bin/sh -c ${quote(script)}`, { user: 'root' });
  }
  let log = '';
  const retry = { what: 'build', policy, signal: ctx.signal, mayRetry: isRepeatable, onEvent: ctx.onEvent };
  await retrying(retry, async (attempt) => {
    // A build whose start was answered with a broken connection may have gone on by itself; one that has not ended gives way.
    if (attempt > 1 && (await templateExists(cloud, `${name}:${tag}`, ctx))) return;
    log = '';
    ctx.onEvent('building');
    try {
      await client.Template.build(template, name, {
        ...size,
        skipCache: force,
        tags: [tag],
        signal: ctx.signal,
        onBuildLogs(entry) {
          if (log.length < LOG_LIMIT) log += `${entry.message}\n`;
          ctx.onLog(`${entry.message}\n`);
        },
      });
    } catch (error) {
      ctx.signal.throwIfAborted();
      throw buildError(error, name, log);
    }
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

/** What a base that is none of its distributions is refused with (e2b-dev/infra, distro.go, August 2026). */
const UNBOOTABLE =
  /unsupported base image distribution: ID='[^'\n]*'|base image distribution ID='[^'\n]*' is not supported\b/;

/** A step that failed is the task's; a base that cannot be pulled and a builder that gives up are not. */
export function buildError(error: unknown, name: string, log: string): PlumblineError {
  const isBuild = error instanceof Error && (error.name === 'BuildError' || error.name === 'FileUploadError');
  if (!isBuild) return e2bError(error, 'control', `build of ${name}`);
  const status = statusOf(error);
  // the account's, whichever class they come in
  if (status !== null && [401, 402, 403, 429].includes(status)) return e2bError(error, 'control', `build of ${name}`);
  const message = `the template build failed: ${errorMessage(error)}`;
  const details = { cause: error, log };
  if (status !== null && status >= 500) return new NetworkError(message, { ...details, origin: 'provider' });
  if (error.name === 'FileUploadError') {
    const broken = /TypeError: |Error: /.test(error.message);
    return new NetworkError(message, { ...details, origin: broken ? 'network' : 'provider' });
  }
  const refused = UNBOOTABLE.exec(`${errorMessage(error)}\n${log}`)?.[0];
  if (refused !== undefined) {
    // no step of the task's has run, and a replay would need the same base
    return new EnvironmentDefinitionError(`E2B cannot boot the base image: ${refused}`, {
      ...details,
      origin: 'provider',
    });
  }
  const known = knownBuildFailure(errorMessage(error), log, message, details);
  if (known !== null) return known;
  return new ImageBuildError(message, { ...details, ...(status === null ? {} : { origin: 'provider' }) });
}
