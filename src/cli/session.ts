/** The providers of one command: chosen, loaded, guarded and journaled under this process's name. */
import { join } from 'node:path';
import type { Owner, Preflight, SandboxProvider } from '../model/provider.js';
import { PROVIDER_NAMES, type ProviderName } from '../model/words.js';
import { guardProvider } from '../provider/guard.js';
import { type Journal, openJournal } from '../provider/journal.js';
import { currentOwner } from '../provider/owner.js';
import { loadProvider } from '../provider/registry.js';
import { createBaseConfigs } from '../provider/remote/base-config.js';
import { stateDirectory } from './environment.js';
import type { CliIo } from './io-types.js';
import { UsageError } from './usage-error.js';

/** What a sandbox may live beyond the last renewal of its label, for `reap` on another host. */
const OWNER_LIFETIME_MS = 24 * 3600_000;

export interface Session {
  readonly owner: string;
  readonly stateDir: string;
  readonly journal: Journal;
  open(name: ProviderName): Promise<SandboxProvider>;
  ownerOf(runId: string): Owner;
}

/** Opens the journal; providers are loaded one by one with `open`. `settings` are the `--ek` values. */
export function openSession(io: Pick<CliIo, 'env'>, settings: Readonly<Record<string, string>> = {}): Session {
  const owner = currentOwner();
  const stateDir = stateDirectory(io.env);
  const journal = openJournal(join(stateDir, 'journal'), owner);
  const options = { env: io.env, stateDir, settings, baseConfigs: createBaseConfigs(io.env) };
  return {
    owner,
    stateDir,
    journal,
    open: async (name) => guardProvider(await loadProvider(name, options), { journal }),
    ownerOf: (runId) => ({ runId, owner, expiresAt: new Date(Date.now() + OWNER_LIFETIME_MS).toISOString() }),
  };
}

/** `-e` values as provider names. @throws UsageError naming the unknown one and the known ones */
export function providerNames(values: readonly string[]): ProviderName[] {
  for (const value of values) {
    if (!(PROVIDER_NAMES as readonly string[]).includes(value)) {
      throw new UsageError(`unknown provider "${value}"`, `-e takes one of ${PROVIDER_NAMES.join(', ')}`);
    }
  }
  return [...new Set(values)] as ProviderName[];
}

/** Docker when an engine answers, else embedded (docs/design.md section 6). */
export async function defaultProvider(
  session: Session,
  signal: AbortSignal,
): Promise<{ provider: SandboxProvider; why: string }> {
  const docker = await session.open('docker');
  const preflight = await docker.preflight(signal);
  if (preflight.status === 'ready') return { provider: docker, why: 'a Docker engine answers' };
  await docker.close?.();
  return { provider: await session.open('embedded'), why: `there is no Docker engine (${preflight.what})` };
}

export interface ProviderState {
  readonly name: ProviderName;
  readonly provider: SandboxProvider;
  readonly preflight: Preflight;
}

/** Asks every named provider whether it can be used, side by side. */
export async function preflightAll(
  session: Session,
  names: readonly ProviderName[],
  signal: AbortSignal,
): Promise<ProviderState[]> {
  return await Promise.all(
    names.map(async (name) => {
      const provider = await session.open(name);
      return { name, provider, preflight: await provider.preflight(signal) };
    }),
  );
}
