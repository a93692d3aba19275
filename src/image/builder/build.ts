/** Builds an image from a Dockerfile without a daemon. */

import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import type { Platform } from '../../model/image.js';
import { writeJsonAtomic } from '../../util/atomic-write.js';
import { contextDigest, readDockerfile } from '../context-digest.js';
import { contextEntries } from '../context-entries.js';
import { globalArgs, platformArgs } from '../dockerfile/args.js';
import { LineError } from '../dockerfile/lines.js';
import type { Dockerfile } from '../dockerfile/model.js';
import { parseDockerfile } from '../dockerfile/parse.js';
import { targetStage } from '../dockerfile/requirements.js';
import { loadIgnore } from '../dockerignore.js';
import type { Lease, StoredImage } from '../types.js';
import { ContextTree } from './copy/tree.js';
import { type Download, download } from './download.js';
import { layerEngine } from './layer-engine.js';
import { createBuildLog } from './log.js';
import type { BuildOptions, BuildResult } from './options.js';
import type { Session } from './session.js';
import { createStageBuilder, type StageContext } from './stages.js';
import { diffIds, type LayeredState } from './state.js';
import { BUILDER_VERSION } from './step.js';
import { openStepCache } from './step-cache.js';

/**
 * Builds the image, or finds it in the store: one build per digest at a time, whatever the number of processes.
 * @throws EnvironmentDefinitionError (a Dockerfile that is wrong as written), ImageBuildError (a step that failed; it names
 *   file, line, command and exit code, and carries the log), what `resolveImage` throws, and the signal's reason
 */
export async function buildImage(options: BuildOptions): Promise<BuildResult> {
  const { store, signal, contextDir, dockerfile } = options;
  const model = parseDockerfile((await readDockerfile(contextDir, dockerfile)).toString('utf8'), basename(dockerfile));
  const platform = options.platform ?? options.hostPlatform;
  const { digest } = await contextDigest({
    contextDir,
    dockerfile,
    platform,
    buildArgs: options.buildArgs ?? {},
    extra: { target: options.target ?? '' },
  });
  const warnings = model.warnings.map(({ line, message }) => `${model.file}:${line}: ${message}`);
  await using _lock = await store.lock(`build ${digest}`, signal);
  const known = options.noCache ? null : await findBuilt(options, digest);
  if (known !== null) {
    const { bases } = known;
    for (const ref of options.refs ?? []) await store.tag(known.image.digest, ref);
    options.onLog?.(`CACHED ${known.image.digest}\n`);
    const image = (await store.get(known.image.digest)) ?? known.image; // with its new names
    return { image, digest, cacheHit: true, log: '', bases, warnings };
  }
  const leases: Lease[] = [];
  try {
    const taken = new Map<string, string>();
    const session = openSession(options, model, platform, leases, taken);
    const state = await session.stage(at(model, () => targetStage(model, options.target)));
    const image = await store.putImage({
      config: imageConfig(state, session.created),
      refs: options.refs ?? [],
      provenance: 'build',
    });
    const bases = Object.fromEntries(taken);
    await writeJsonAtomic(recordFile(options, digest), { builder: BUILDER_VERSION, image: image.digest, bases });
    return { image, digest, cacheHit: session.ran === 0, log: session.log.text(), bases, warnings };
  } finally {
    for (const lease of leases) await lease.release();
  }
}

function openSession(
  options: BuildOptions,
  model: Dockerfile,
  platform: Platform,
  leases: Lease[],
  bases: Map<string, string>,
): Session & { stage(index: number): Promise<LayeredState> } {
  const { store, signal, contextDir, dockerfile } = options;
  let context: Promise<ContextTree> | null = null;
  const downloads = new Map<string, Promise<Download>>();
  const globals = at(model, () =>
    globalArgs(model, options.buildArgs ?? {}, platformArgs(options.hostPlatform, platform, options.target ?? '')),
  );
  const shared: StageContext = {
    model,
    platform,
    globals,
    buildArgs: options.buildArgs ?? {},
    log: createBuildLog(options.onLog ?? (() => undefined)),
    created: new Date().toISOString(),
  };
  const stages = createStageBuilder(
    shared,
    layerEngine(() => session),
  );
  const session: Session = {
    ...shared,
    options,
    cache: openStepCache(store),
    fileDigests: new Map(),
    leases,
    ran: 0,
    source: stages.source,
    context() {
      context ??= loadIgnore(contextDir, dockerfile).then((rules) =>
        ContextTree.read(contextEntries(contextDir, rules)),
      );
      return context;
    },
    async image(ref, wanted) {
      const image = await options.resolveImage(ref, wanted, signal);
      leases.push(await store.use(diffIds(image.layers)));
      bases.set(ref, image.digest);
      return image;
    },
    download(url, checksum) {
      const known = downloads.get(url);
      if (known) return known;
      const work = store.scratch('download').then((scratch) => {
        leases.push(scratch);
        return download(url, scratch.dir, checksum, signal, options.web);
      });
      downloads.set(url, work);
      return work;
    },
  };
  return Object.assign(session, { stage: stages.build });
}

/** A finished build of the same digest whose bases are still what their names mean here. */
async function findBuilt(
  options: BuildOptions,
  digest: string,
): Promise<{ image: StoredImage; bases: Record<string, string> } | null> {
  const { store } = options;
  let text: string;
  try {
    text = await readFile(recordFile(options, digest), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const record = JSON.parse(text) as { builder?: number; image: string; bases: Record<string, string> };
  if (record.builder !== BUILDER_VERSION) return null;
  for (const [ref, base] of Object.entries(record.bases)) {
    const now = await store.get(ref);
    if (now !== null && now.digest !== base) return null;
  }
  const image = await store.get(record.image);
  return image === null ? null : { image, bases: record.bases };
}

function recordFile(options: BuildOptions, digest: string): string {
  return join(resolve(options.store.root), 'build-cache', 'images', `${digest.replace('sha256:', '')}.json`);
}

function imageConfig(state: LayeredState, created: string): LayeredState['config'] {
  return { ...state.config, created, rootfs: { type: 'layers', diff_ids: diffIds(state.layers) } };
}

function at<T>(model: Dockerfile, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    throw new EnvironmentDefinitionError(`${model.file}:${error.line}: ${error.message}`, { cause: error });
  }
}
