/** `plumbline image build`: the builder of the embedded provider, for any directory with a Dockerfile. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EnvironmentDefinitionError, HarnessError } from '../exception/errors.js';
import { buildImage } from '../image/builder/build.js';
import { obtainImage } from '../image/obtain.js';
import { hostPlatform } from '../image/platform.js';
import { parseReference } from '../image/reference.js';
import { registryAccess } from '../image/registry/access.js';
import { hostFacts } from '../provider/embedded/host.js';
import { buildMachine, type EmbeddedMachine } from '../provider/embedded/machine.js';
import { seccompFilter } from '../provider/embedded/seccomp.js';
import { webAccess } from '../util/web.js';
import { printed } from './image.js';
import { platformOption, withImageStore } from './image-session.js';
import type { CliIo } from './io-types.js';
import { UsageError } from './usage-error.js';

/** Exit 1 when a step fails or the Dockerfile is wrong, 3 when this machine cannot build. */
export async function imageBuild(
  [context = '']: string[],
  options: Record<string, unknown>,
  io: CliIo,
): Promise<number> {
  const contextDir = resolve(io.cwd, context);
  if (!existsSync(contextDir)) throw new UsageError(`${context} does not exist`);
  const tags = options['tag'] as string[];
  for (const tag of tags) checkName(tag); // now, not after a build of an hour
  const file = options['file'];
  const onLog = options['quiet'] === true ? () => undefined : (chunk: string) => io.stderr(chunk);
  return withImageStore(
    io,
    async ({ store, signal }) => {
      const machine = machineOf(io);
      const result = await buildImage({
        store,
        machine,
        host: await machine.host(),
        contextDir,
        dockerfile: typeof file === 'string' ? resolve(io.cwd, file) : 'Dockerfile',
        hostPlatform: hostPlatform(),
        ...platformOption(options['platform']),
        ...(typeof options['target'] === 'string' && { target: options['target'] }),
        buildArgs: buildArgs((options['buildArg'] as string[] | undefined) ?? [], io.env),
        secrets: await secrets((options['secret'] as string[] | undefined) ?? [], io),
        refs: tags,
        noCache: options['cache'] === false,
        web: webAccess(io.env),
        signal,
        onLog,
        async resolveImage(ref, platform, stop) {
          const found = await obtainImage(store, ref, { ...registryAccess(io.env), platform, signal: stop, onLog });
          for (const { message } of found.warnings) io.stderr(`warning: ${message}\n`);
          return found.image;
        },
      });
      for (const warning of result.warnings) io.stderr(`warning: ${warning}\n`);
      return printed(result.image, options, io);
    },
    { quiet: options['quiet'] === true },
  );
}

/** @throws UsageError (exit 3) that says what the machine lacks */
function machineOf(io: CliIo): EmbeddedMachine {
  const facts = hostFacts(io.env);
  if (facts.missing !== null && facts.missing !== undefined) {
    throw new UsageError(`this machine cannot build: ${facts.missing.what}`, facts.missing.fix, 3);
  }
  if (facts.cgroups === null) throw new HarnessError('cgroups were not found, and preflight did not say so');
  return buildMachine({
    cgroups: facts.cgroups,
    canConnect: facts.canConnect,
    seccomp: seccompFilter(process.arch),
  });
}

function checkName(tag: string): void {
  try {
    parseReference(tag);
  } catch (error) {
    if (error instanceof EnvironmentDefinitionError) throw new UsageError(error.message, '-t takes NAME or NAME:TAG');
    throw error;
  }
}

/** `KEY=value`, or `KEY` for the value that the environment has (and no argument when it has none), as docker build. */
function buildArgs(items: readonly string[], env: CliIo['env']): Record<string, string> {
  const args: Record<string, string> = {};
  for (const item of items) {
    const equals = item.indexOf('=');
    const key = equals === -1 ? item : item.slice(0, equals);
    if (key === '') throw new UsageError(`"${item}" is not a build argument`, '--build-arg takes KEY=value or KEY');
    const value = equals === -1 ? env[key] : item.slice(equals + 1);
    if (value !== undefined) args[key] = value;
  }
  return args;
}

async function secrets(items: readonly string[], io: CliIo): Promise<Record<string, Uint8Array>> {
  const found: Record<string, Uint8Array> = {};
  for (const item of items) {
    const fields = new Map(item.split(',').map((field) => field.split('=', 2) as [string, string]));
    const id = fields.get('id');
    const source = fields.get('src') ?? fields.get('source');
    const variable = fields.get('env');
    if (id === undefined || (source === undefined) === (variable === undefined)) {
      throw new UsageError('--secret takes id=NAME,src=FILE or id=NAME,env=VARIABLE');
    }
    found[id] =
      source === undefined ? Buffer.from(io.env[variable ?? ''] ?? '') : await readFile(resolve(io.cwd, source));
  }
  return found;
}
