/** `plumbline prepare`: every image of a suite, ahead of a run. Resumable, because what is made is found again. */
import { randomBytes } from 'node:crypto';
import { planRun } from '../job/plan-run.js';
import { preflightAll } from '../job/preflight.js';
import { providerTitle } from '../model/words.js';
import { imagesOf } from '../trial/image.js';
import { type Assembly, assemble, runName } from './assemble.js';
import type { CliIo } from './io-types.js';
import { lastSection, prepareImages } from './prepare-images.js';
import { resolveSettings } from './resolve-settings.js';
import type { RunSettings } from './run-settings.js';
import { type SignalWatch, watchSignals } from './signals.js';

const DEFAULT_PARALLEL = 2;
const PREFLIGHT_LIMIT_MS = 30_000;

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
  try {
    const atOnce = typeof nConcurrent === 'number' ? nConcurrent : DEFAULT_PARALLEL;
    const exitCode = await prepareAll(assembly, values, atOnce, watch, io);
    for (const line of assembly.faultsReport()) io.stderr(`${line}\n`);
    return watch.received === null ? exitCode : watch.received === 'SIGINT' ? 130 : 143;
  } finally {
    watch.close();
    await assembly.close();
  }
}

async function prepareAll(
  assembly: Assembly,
  { forceBuild, quiet }: RunSettings,
  atOnce: number,
  watch: SignalWatch,
  io: CliIo,
): Promise<number> {
  const { options, providers, tasks, session } = assembly;
  const { signal } = watch;
  const deps = assembly.deps([], signal);
  const stopped = (error: unknown) => {
    if (!signal.aborted) throw error;
    return null;
  };
  const checked = await preflightAll(providers, options, PREFLIGHT_LIMIT_MS, signal).catch(stopped);
  if (checked === null) return 0; // the signal says more
  const say = (line: string) => io.stderr(`${deps.redact(line)}\n`);
  for (const { status, warnings } of checked) {
    if (status.status === 'unavailable') say(`${providerTitle(status)} is unavailable: ${status.reason}`);
    for (const warning of warnings) say(`${providerTitle(status)}: warning: ${warning}`);
  }
  const usable = checked.filter(({ status }) => status.status === 'ran').map(({ provider }) => provider);
  const plan = await planRun(options, tasks, deps, usable, []).catch(stopped);
  if (plan === null) return 0;
  const outcomes = await prepareImages({
    providers: usable,
    plan,
    imagesOf: (task) => imagesOf(task, forceBuild),
    // sandboxes that help with a build are looked up by it, and swept: no other command's may be among them
    owner: session.ownerOf(`prepare-${runName(new Date())}-${randomBytes(4).toString('hex')}`),
    forceBuild,
    atOnce,
    signal,
    onProgress: quiet ? () => undefined : say,
    onResult: (line) => io.stdout(`${deps.redact(line)}\n`),
  });
  io.stdout(`\n${lastSection(outcomes).join('\n')}\n`);
  for (const { status } of checked) {
    if (status.status === 'unavailable')
      io.stdout(`${providerTitle(status)}: unavailable, none of its images was looked for\n`);
  }
  if (watch.received !== null) io.stdout(`stopped by ${watch.received}; the same command goes on from here\n`);
  if (usable.length < providers.length) return 3;
  return outcomes.some(({ status }) => status === 'failed') ? 1 : 0;
}
