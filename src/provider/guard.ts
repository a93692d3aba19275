/**
 * The rules of a provider that hold on every backend, in one place instead of six: what is created is journaled first, a
 * late arrival is destroyed, one image is built once, foreign errors are wrapped and never relabelled.
 */
import { HarnessError, ImageBuildError, SandboxCreateError } from '../exception/errors.js';
import type { ImageSpec } from '../model/image.js';
import type { Owner, ProviderContext, Sandbox, SandboxProvider, SandboxRef, SandboxSpec } from '../model/provider.js';
import { bounded, wrapForeign } from './bounded.js';
import { DISPOSE_LIMIT_MS, guardSandbox, TRANSFER_LIMIT_MS } from './guard-sandbox.js';
import type { Journal, JournalEntry } from './journal.js';
import { sharePrepare } from './shared-prepare.js';
import { complainAboutSpec } from './validate.js';

/** The kind under which the journal knows a sandbox; `destroy` must accept its name as well as its id. */
export const SANDBOX_KIND = 'sandbox';

export interface GuardOptions {
  readonly journal: Journal;
  /** Names what counts as one image; default: equal specs. */
  readonly imageKey?: (image: ImageSpec) => string;
  /** Milliseconds; only tests shorten them. */
  readonly transferLimitMs?: number;
  readonly disposeLimitMs?: number;
}

/**
 * Adds the backend-independent rules. `close` waits for the removal of late arrivals, so nothing outlives the process
 * unless its backend hangs for longer than the limit.
 */
export function guardProvider(provider: SandboxProvider, options: GuardOptions): SandboxProvider {
  const { journal } = options;
  const disposeLimitMs = options.disposeLimitMs ?? DISPOSE_LIMIT_MS;
  const cleanups = new Set<Promise<void>>();

  /** Removes what a failed or abandoned create may have left; a failure stays in the journal, where `reap` finds it. */
  const cleanUp = (entry: JournalEntry, work: () => Promise<void>) => {
    const cleanup = bounded({ ms: disposeLimitMs, onExpiry: () => new HarnessError('clean-up took too long') }, work)
      .then(() => journal.forget(entry))
      .catch(() => undefined)
      .finally(() => cleanups.delete(cleanup));
    cleanups.add(cleanup);
  };

  const announcer =
    (owner: Owner): ProviderContext['announce'] =>
    async (name) => {
      const entry = journalEntry(provider, { name, owner });
      await journal.record(entry);
      return () => journal.forget(entry);
    };

  const create = async (spec: SandboxSpec, ctx: ProviderContext): Promise<Sandbox> => {
    const complaint = complainAboutSpec(spec, provider.capabilities);
    if (complaint) throw new SandboxCreateError(complaint);
    ctx.signal.throwIfAborted();
    const entry = journalEntry(provider, spec);
    await journal.record(entry);
    const destroyByName = () => provider.destroy(refOf(entry));
    let abandoned = false;
    const creating = Promise.resolve().then(() => provider.create(spec, { ...ctx, announce: announcer(spec.owner) }));
    creating.then(
      (late) => {
        if (abandoned) cleanUp(entry, async () => late[Symbol.asyncDispose]());
      },
      () => cleanUp(entry, destroyByName),
    );
    let inner: Sandbox;
    try {
      const never = () => new HarnessError('unreachable: create has no limit of its own');
      inner = await bounded({ ms: null, onExpiry: never, signal: ctx.signal }, () => creating);
    } catch (error) {
      abandoned = true;
      throw wrapForeign(error, ctx.signal, (cause) => new SandboxCreateError('the sandbox was not created', { cause }));
    }
    const known: JournalEntry = { ...entry, ref: inner.id };
    try {
      await journal.record(known);
    } catch (error) {
      cleanUp(entry, async () => inner[Symbol.asyncDispose]());
      throw new HarnessError('the journal cannot be written', { cause: error });
    }
    return guardSandbox(inner, {
      deadlineSlackMs: provider.capabilities.deadlineSlackMs,
      transferLimitMs: options.transferLimitMs ?? TRANSFER_LIMIT_MS,
      disposeLimitMs,
      onDisposed: () => journal.forget(known),
    });
  };

  return {
    name: provider.name,
    capabilities: provider.capabilities,
    defaultConcurrency: provider.defaultConcurrency,
    emulated: provider.emulated,

    async preflight(signal) {
      try {
        return await provider.preflight(signal);
      } catch (error) {
        throw wrapForeign(
          error,
          signal,
          (cause) => new HarnessError(`preflight of ${provider.name} failed`, { cause }),
        );
      }
    },

    prepare: sharePrepare(async (image, ctx) => {
      try {
        return await provider.prepare(image, { ...ctx, announce: announcer(ctx.owner) });
      } catch (error) {
        const wrap = (cause: unknown) =>
          new ImageBuildError('the image could not be prepared', { cause, origin: 'unknown' });
        throw wrapForeign(error, ctx.signal, wrap);
      }
    }, options.imageKey),

    create,

    list: (scope) => provider.list(scope),

    destroy: (ref) => provider.destroy(ref),

    ...(provider.unsupportedImage ? { unsupportedImage: provider.unsupportedImage.bind(provider) } : {}),
    ...(provider.reapImages ? { reapImages: provider.reapImages.bind(provider) } : {}),

    async close() {
      await Promise.all(cleanups);
      await provider.close?.();
    },
  };
}

function journalEntry(provider: SandboxProvider, spec: Pick<SandboxSpec, 'name' | 'owner'>): JournalEntry {
  return {
    provider: provider.name,
    kind: SANDBOX_KIND,
    name: spec.name,
    ref: null,
    runId: spec.owner.runId,
    owner: spec.owner.owner,
    expiresAt: spec.owner.expiresAt,
  };
}

/** How `destroy` is told of something that only the journal knows. */
export function refOf(entry: JournalEntry): SandboxRef {
  const { kind, runId, owner, expiresAt } = entry;
  return { ref: entry.ref ?? entry.name, kind, runId, owner, expiresAt, state: 'journaled' };
}
