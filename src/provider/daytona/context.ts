/**
 * What is sent for a build. The SDK's own way (`Image.fromDockerfile`) drops ADD and patterns and does not know .dockerignore, and the
 * server's builder drops empty directories and links: so the Dockerfile is rewritten to take everything from one tar.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import { readDockerfile } from '../../image/context-digest.js';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import type { ImageSource, Platform } from '../../model/image.js';
import { CONTEXT_TAR, stageContext } from '../remote/context-stage.js';
import { contextFacts, readContext, writeContextTar } from '../remote/context-tar.js';
import type { Bases, DockerfileSource } from '../remote/image-identity.js';
import { pinBases, pinnedName } from '../remote/pin-bases.js';
import type { ContextItem } from './sdk.js';

export interface BuildInput {
  readonly dockerfile: string;
  readonly context: readonly ContextItem[];
}

/**
 * Commands run as the image's USER and no call takes another; Daytona would also start the ENTRYPOINT, without Harbor's keep-alive
 * command. Both are ours to do (exec.ts, main-process.ts), which needs root and no second start.
 */
const EPILOGUE = 'USER root\nENTRYPOINT []\n';

/** @param tmp for the tar and copies @throws EnvironmentDefinitionError with the line that cannot be passed on */
export async function buildInput(
  source: ImageSource,
  platform: Platform,
  bases: Bases,
  tmp: string,
): Promise<BuildInput> {
  if (source.kind === 'prebuilt') {
    const base = pinnedName(source.ref, bases.get(source.ref) ?? null);
    return { dockerfile: `FROM ${base}\n${EPILOGUE}`, context: [] };
  }
  const { entries, staged, dockerfile } = await stagedDockerfile(source, platform, bases);
  const context: ContextItem[] = [];
  if (staged.needsContext) {
    await writeContextTar(entries, join(tmp, CONTEXT_TAR));
    context.push({ sourcePath: join(tmp, CONTEXT_TAR), archivePath: CONTEXT_TAR });
  }
  for (const name of staged.plainFiles) {
    const copy = join(tmp, 'plain', name);
    await mkdir(dirname(copy), { recursive: true });
    await copyFile(join(source.contextDir, name), copy);
    context.push({ sourcePath: copy, archivePath: name });
  }
  return { dockerfile, context };
}

/** The rewriting alone: nothing is written. @throws EnvironmentDefinitionError */
export async function stagedDockerfile(
  { contextDir, dockerfile: path }: DockerfileSource,
  platform: Platform,
  bases: Bases,
) {
  const file = basename(path);
  const text = pinBases((await readDockerfile(contextDir, path)).toString('utf8'), file, platform, bases);
  const model = parseDockerfile(text, file);
  const entries = await readContext(contextDir, path);
  const staged = await stageContext(text, model, contextFacts(entries));
  return { entries, staged, dockerfile: withEpilogue(staged.text, file) };
}

/** A last line that goes on (a backslash, an open heredoc) must not swallow what follows it. */
function withEpilogue(text: string, file: string): string {
  const whole = `${text.replace(/[\\`\s]+$/, '')}\n${EPILOGUE}`;
  const [user, entrypoint] = parseDockerfile(whole, file).stages.at(-1)?.instructions.slice(-2) ?? [];
  if (user?.keyword === 'USER' && entrypoint?.keyword === 'ENTRYPOINT' && entrypoint.args.length === 0) return whole;
  throw new EnvironmentDefinitionError(`${file}: its last instruction does not end`);
}
