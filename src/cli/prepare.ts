/** `plumbline prepare`: every image of a suite, ahead of a run. Resumable, because what is made is found again. */

import type { ImageSpec } from '../model/image.js';
import type { SandboxProvider } from '../model/provider.js';
import { errorMessage, errorType } from '../util/cause-chain.js';
import { createLimiter } from '../util/limit.js';
import { assemble } from './assemble.js';
import type { CliIo } from './io-types.js';
import { resolveSettings } from './resolve-settings.js';
import { watchSignals } from './signals.js';

const DEFAULT_PARALLEL = 2;

/** Exit 0 when every image is there, 1 when one could not be made, 3 when a provider cannot be used, 130/143 on a signal. */
export async function prepareCommand(
  _args: string[],
  flags: Record<string, unknown>,
  io: CliIo,
  argv: readonly string[],
): Promise<number> {
  const { nConcurrent, ...rest } = flags;
  const { values } = await resolveSettings(rest);
  const assembly = await assemble(values, argv, io, (line) => io.stderr(`${line}\n`));
  const watch = watchSignals(io, assembly.session);
  const deps = assembly.deps([], watch.signal);
  const limiter = createLimiter(typeof nConcurrent === 'number' ? nConcurrent : DEFAULT_PARALLEL);
  let exitCode = 0;
  try {
    for (const provider of assembly.providers) {
      const preflight = await provider.preflight(watch.signal);
      if (preflight.status === 'missing') {
        io.stderr(`${provider.name}: ${preflight.what}; fix: ${preflight.fix}\n`);
        exitCode = 3;
        continue;
      }
      const wanted: { task: string; image: ImageSpec }[] = [];
      for (const loaded of assembly.tasks) {
        if (!loaded.ok) continue;
        for (const image of await deps.imagesOf(loaded.task, values.forceBuild))
          wanted.push({ task: loaded.task.id, image });
      }
      let done = 0;
      const results = await Promise.all(
        wanted.map(({ task, image }) =>
          limiter(async () => {
            const line = await prepareOne(provider, image, deps.ownerOf('prepare'), values.forceBuild, watch.signal);
            done += 1;
            io.stdout(`[${done}/${wanted.length}] ${provider.name}  ${task}  ${line.text}\n`);
            return line.ok;
          }),
        ),
      );
      const failed = results.filter((ok) => !ok).length;
      io.stdout(`${provider.name}: ${results.length - failed} of ${results.length} tasks have their image\n`);
      if (failed > 0) exitCode ||= 1;
    }
    for (const line of assembly.faultsReport()) io.stderr(`${line}\n`);
  } finally {
    watch.close();
    await assembly.close();
  }
  return watch.received === null ? exitCode : watch.received === 'SIGINT' ? 130 : 143;
}

async function prepareOne(
  provider: SandboxProvider,
  image: ImageSpec,
  owner: Parameters<SandboxProvider['prepare']>[1]['owner'],
  forceBuild: boolean,
  signal: AbortSignal,
): Promise<{ ok: boolean; text: string }> {
  const startedAt = performance.now();
  try {
    const made = await provider.prepare(image, { signal, owner, forceBuild, onEvent: () => {}, onLog: () => {} });
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    return { ok: true, text: `${made.cacheHit ? 'found' : `${made.source} in ${seconds} s`}  ${made.ref}` };
  } catch (error) {
    return { ok: false, text: `${errorType(error)}: ${errorMessage(error)}` };
  }
}
