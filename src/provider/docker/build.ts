/** One `docker build` of one Dockerfile. */
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { globalArgs, platformArgs } from '../../image/dockerfile/args.js';
import { rewriteBases } from '../../image/dockerfile/base-rewrite.js';
import type { Dockerfile } from '../../image/dockerfile/model.js';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import { baseImages } from '../../image/dockerfile/requirements.js';
import { expandWord } from '../../image/dockerfile/shell-lexer.js';
import type { PrepareContext } from '../../model/provider.js';
import type { Labels } from '../labels.js';
import { classifyBuildFailure } from './build-log.js';
import { BUILDKIT_ENV, type Builder, CLASSIC_ENV } from './builder.js';
import { lacksFrontendImage, unknownToFrontend, unsupportedFrontend, withoutSyntax } from './frontend.js';
import { lowerHeredocs, withInlineFiles } from './heredoc.js';
import { type ImageAccess, obtainImage } from './pull.js';

/** Milliseconds that buildx gets to tell the engine that its build is off. */
const CANCEL_MS = 3_000;

export interface BuildSource {
  readonly contextDir: string;
  /** Absolute, or relative to the context. */
  readonly dockerfile: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** A stage; default is the last one. */
  readonly target?: string;
}

export interface BuildRequest extends BuildSource {
  readonly tag: string;
  readonly labels: Labels;
  readonly builder: Builder;
  /** The client has buildx, whose selected builder may keep its results to itself. */
  readonly buildx: boolean;
}

/** @throws ImageBuildError, EnvironmentDefinitionError, DiskFullError, and what obtaining a base image throws */
export async function buildImage(access: ImageAccess, request: BuildRequest, ctx: PrepareContext): Promise<void> {
  const path = resolve(request.contextDir, request.dockerfile);
  const original = await readFile(path, 'utf8');
  const model = parseDockerfile(original, relative(request.contextDir, path));
  const renamed = await obtainBases(access, model, request, ctx);
  let text = rewriteBases(original, model, renamed, globalWords(model, request, access.platform));
  const scratch = await mkdtemp(join(tmpdir(), 'plumbline-build-'));
  try {
    const attempt = async () => {
      const dockerfile = text === original ? path : await rewritten(scratch, path, text);
      return runBuild(access, { ...request, dockerfile }, scratch, ctx);
    };
    let log = await attempt();
    if (log !== null && lacksFrontendImage(log, model)) {
      ctx.onLog(`plumbline: ${model.directives.syntax} cannot be fetched; building with the engine's own frontend\n`);
      text = withoutSyntax(text);
      log = await attempt();
    }
    if (log === null) return;
    const unknown = unknownToFrontend(log, model);
    if (unknown.length === 0) throw classifyBuildFailure(log, model, model.file);
    const lowered = unknown.every((reason) => reason.feature === 'heredoc')
      ? lowerHeredocs(text, model, randomBytes(4).toString('hex'))
      : null;
    if (lowered === null) throw unsupportedFrontend(unknown, model.file);
    ctx.onLog("plumbline: this engine's frontend has no heredocs; building with the same in older words\n");
    text = lowered.text;
    log = await withInlineFiles(access.client, lowered, scratch, ctx.signal, attempt);
    if (log !== null) throw classifyBuildFailure(log, model, model.file);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Every base is fetched before the build, so that its failure is told apart from a failing step. */
async function obtainBases(
  access: ImageAccess,
  model: Dockerfile,
  source: BuildSource,
  ctx: PrepareContext,
): Promise<Map<string, string>> {
  const renamed = new Map<string, string>();
  const names = baseImages(model, source.buildArgs ?? {}, {
    hostPlatform: access.platform,
    platform: access.platform,
    ...(source.target === undefined ? {} : { target: source.target }),
  });
  for (const name of names) {
    const found = await obtainImage(access, name, ctx);
    if (found.ref !== name) renamed.set(name, found.ref);
  }
  return renamed;
}

/** Expands a word of a FROM line. */
function globalWords(model: Dockerfile, source: BuildSource, platform: string): (word: string) => string {
  const args = platformArgs(platform, platform, source.target ?? '');
  const globals = globalArgs(model, source.buildArgs ?? {}, args);
  return (word) => expandWord(word, (name) => globals.get(name), { escape: model.directives.escape });
}

async function rewritten(dir: string, path: string, text: string): Promise<string> {
  const target = join(dir, 'Dockerfile');
  await writeFile(target, text);
  // BuildKit reads <Dockerfile>.dockerignore beside the file that it is given
  const ignore = `${path}.dockerignore`;
  if (await isFile(ignore)) await copyFile(ignore, `${target}.dockerignore`);
  return target;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Null when it was built, else the whole log. */
async function runBuild(
  access: ImageAccess,
  request: BuildRequest,
  scratch: string,
  ctx: PrepareContext,
): Promise<string | null> {
  const buildkit = request.builder.kind === 'buildkit';
  ctx.onEvent('building');
  let log = '';
  const onOutput = (chunk: Buffer) => {
    const words = chunk.toString('utf8');
    log += words;
    ctx.onLog(words);
    const step = [...words.matchAll(/^(?:#\d+ \[([^\]]*\d+\/\d+)\]|Step (\d+\/\d+) :) ?(.*)$/gm)].at(-1);
    if (step) ctx.onEvent(`build step ${step[1] ?? step[2]}`);
  };
  const args = [
    'build',
    ...(buildkit ? ['--progress', 'plain', ...(request.buildx ? ['--load'] : [])] : ['--force-rm']),
    ...['-t', request.tag, '-f', request.dockerfile],
    ...(request.target === undefined ? [] : ['--target', request.target]),
    ...Object.entries(request.buildArgs ?? {}).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...Object.entries(request.labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]),
    request.contextDir,
  ];
  // The end of the client ends its session, and with it the build in the engine: nothing goes on in the background.
  const result = await access.client.call(args, {
    signal: ctx.signal,
    limitMs: null,
    graceMs: CANCEL_MS,
    // buildx copies a Dockerfile that is not in the context to a directory of its own, and leaves it there when it is killed
    env: { ...(buildkit ? BUILDKIT_ENV : CLASSIC_ENV), TMPDIR: scratch },
    onStdout: onOutput,
    onStderr: onOutput,
  });
  return result.ok ? null : log;
}
