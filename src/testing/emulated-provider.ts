/** A remote provider in front of its emulator in front of a local provider, for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScriptedFault } from '../emulator/core/faults.js';
import { type RunningEmulator, startEmulator } from '../emulator/index.js';
import type { SandboxProvider } from '../model/provider.js';
import type { ProviderName } from '../model/words.js';
import { guardProvider } from '../provider/guard.js';
import { openJournal } from '../provider/journal.js';
import { currentOwner } from '../provider/owner.js';
import { loadProvider } from '../provider/registry.js';

export interface EmulatedProvider {
  /** Unguarded. */
  readonly provider: SandboxProvider;
  readonly emulator: RunningEmulator;
  /** Guarded; what it lists is what the emulated cloud runs. */
  readonly backend: SandboxProvider;
  /** What the emulated cloud has made on the backend: an effect of a call that came twice is counted twice. */
  readonly effects: Effects;
  /** A provider of another process on the same host and account; the caller closes it. */
  another(): Promise<SandboxProvider>;
  close(): Promise<void>;
}

export interface Effects {
  /** Builds and pulls that were begun. */
  readonly built: number;
  readonly created: number;
}

export interface EmulatedOptions {
  /** Of the test process: DOCKER_HOST and what the local provider needs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly faults?: readonly ScriptedFault[];
  /** Default: docker where an engine answers, else embedded. */
  readonly backend?: SandboxProvider;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts both; a backend that was passed in is left alone by `close`. Null when this machine has no backend. */
export async function emulatedProvider(name: ProviderName, options: EmulatedOptions): Promise<EmulatedProvider | null> {
  const stateDir = await mkdtemp(join(tmpdir(), `plumbline-${name}-`));
  const journal = openJournal(join(stateDir, 'journal'), currentOwner());
  const backend = options.backend ?? (await localBackend(options.env, stateDir));
  if (backend === null) {
    await rm(stateDir, { recursive: true, force: true });
    return null;
  }
  const guarded = guardProvider(backend, { journal });
  const { counted, effects } = counting(guarded);
  const emulator = await startEmulator(name, { backend: counted, faults: options.faults ?? [] });
  const env = { ...options.env, ...emulator.env };
  const another = () => loadProvider(name, { env, stateDir, settings: options.settings ?? {} });
  const provider = await another();
  return {
    provider,
    another,
    emulator,
    backend: guarded,
    effects,
    async close() {
      await provider.close?.();
      await emulator.close();
      await guarded.close?.();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

function counting(backend: SandboxProvider): { counted: SandboxProvider; effects: Effects } {
  const effects = { built: 0, created: 0 };
  const counted: SandboxProvider = {
    ...backend,
    prepare(image, ctx) {
      effects.built += 1;
      return backend.prepare(image, ctx);
    },
    create(spec, ctx) {
      effects.created += 1;
      return backend.create(spec, ctx);
    },
  };
  return { counted, effects };
}

async function localBackend(env: EmulatedOptions['env'], stateDir: string): Promise<SandboxProvider | null> {
  for (const name of ['docker', 'embedded'] as const) {
    const provider = await loadProvider(name, { env, stateDir });
    const preflight = await provider.preflight(AbortSignal.timeout(30_000));
    if (preflight.status === 'ready') return provider;
    await provider.close?.();
  }
  return null;
}
