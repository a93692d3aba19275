/**
 * The directory that the SDK is told to build: the rewritten Dockerfile, and the context as one tar in which nothing is lost. The SDK's
 * own upload keeps regular files only and reads .dockerignore by other rules (tensorlake 0.5.89).
 */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { readDockerfile } from '../../image/context-digest.js';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import type { Platform } from '../../model/image.js';
import { CONTEXT_TAR, stageContext } from '../remote/context-stage.js';
import { contextFacts, readContext, writeContextTar } from '../remote/context-tar.js';
import type { Bases, DockerfileSource } from '../remote/image-identity.js';
import { pinBases } from '../remote/pin-bases.js';
import { flattenHeredocs, type InlineFile } from './heredocs.js';

export interface StagedBuild extends AsyncDisposable {
  /** Path of the Dockerfile; its directory is the context. */
  readonly dockerfile: string;
}

/** The rewriting alone: nothing is written. @throws EnvironmentDefinitionError for a Dockerfile that cannot be passed on */
export async function translated({ contextDir, dockerfile }: DockerfileSource, platform: Platform, bases: Bases) {
  const file = basename(dockerfile);
  const text = pinBases((await readDockerfile(contextDir, dockerfile)).toString('utf8'), file, platform, bases);
  const flat = flattenHeredocs(text, file);
  const entries = await readContext(contextDir, dockerfile);
  const staged = await stageContext(flat.text, parseDockerfile(flat.text, file), contextFacts(entries));
  return { entries, staged, inline: flat.inline };
}

/** @throws EnvironmentDefinitionError for a Dockerfile or context that cannot be passed on */
export async function stageBuild(source: DockerfileSource, platform: Platform, bases: Bases): Promise<StagedBuild> {
  const { contextDir } = source;
  const { entries, staged, inline } = await translated(source, platform, bases);
  const root = await mkdtemp(join(tmpdir(), 'plumbline-tensorlake-'));
  try {
    const context = join(root, 'context');
    await mkdir(context);
    for (const file of staged.plainFiles) {
      await mkdir(dirname(join(context, file)), { recursive: true });
      await copyFile(join(contextDir, file), join(context, file));
    }
    if (staged.needsContext) {
      const more = await inlineEntries(join(root, 'inline'), inline);
      await writeContextTar([...entries, ...more], join(context, CONTEXT_TAR));
    }
    await writeFile(join(context, 'Dockerfile'), staged.text);
    return {
      dockerfile: join(context, 'Dockerfile'),
      [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    throw error;
  }
}

/** Files of the Dockerfile itself, as if the context had them. */
async function inlineEntries(dir: string, inline: readonly InlineFile[]) {
  await mkdir(dir);
  for (const { path, content } of inline) {
    await mkdir(join(dir, dirname(path)), { recursive: true });
    await writeFile(join(dir, path), content, { mode: 0o644 });
  }
  return readContext(dir, join(dir, 'Dockerfile'));
}
