/**
 * Prepares the images of trials that will start soon, so that a slot does not wait for a build. A trial that asks for such
 * an image joins that work and gets its states, its log and its failure.
 */
import type { EventBody } from '../model/event.js';
import type { ImageSpec, PreparedImage } from '../model/image.js';
import type { Owner, PrepareContext, Recovery, SandboxProvider } from '../model/provider.js';
import { errorMessage } from '../util/cause-chain.js';

/** How many images are made at the same time ahead of the queue; more would take the machine from the trials. */
const PARALLEL = 2;
/** How many trials are looked at beyond those that run. */
const LOOKAHEAD = 8;
/** Of a log that no trial reads yet, in characters. */
const MAX_LOG = 1_000_000;

export interface UpcomingImage {
  readonly image: ImageSpec;
  /** Milliseconds that preparing it may take. */
  readonly timeoutMs: number;
}

export interface ImageQueue {
  /** The provider as trials should see it. */
  readonly provider: SandboxProvider;
  /** Looks at the next trials of the queue; `from` is the index of the first that has not started. */
  advance(from: number): void;
  /** Resolves when no work of the queue's own runs any more. */
  settled(): Promise<void>;
}

export interface ImageQueueOptions {
  readonly provider: SandboxProvider;
  /** Images of each trial of the provider's queue, in its order. */
  readonly upcoming: readonly (() => Promise<readonly UpcomingImage[]>)[];
  readonly owner: Owner;
  readonly forceBuild: boolean;
  readonly emit: (body: EventBody) => void;
  readonly now: () => Date;
  /** Stops the preparation; trials that joined it have the same signal. */
  readonly signal: AbortSignal;
}

interface Ahead {
  readonly result: Promise<PreparedImage>;
  readonly states: string[];
  readonly recoveries: { state: string; recovery: Recovery }[];
  readonly listeners: Set<PrepareContext>;
  log: string;
}

export function createImageQueue(options: ImageQueueOptions): ImageQueue {
  const { provider, signal } = options;
  const prepare = announced(options);
  /** Everything that was ever started ahead, by image; the value goes once a trial has taken it. */
  const started = new Map<string, Ahead | null>();
  const running = new Set<Promise<unknown>>();
  const asking = new Set<Promise<void>>();
  const waiting: (UpcomingImage & { key: string })[] = [];
  let looked = 0;

  const startNext = () => {
    while (running.size < PARALLEL && !signal.aborted) {
      const next = waiting.shift();
      if (!next) return;
      if (started.has(next.key)) continue;
      const ahead = begin(next);
      started.set(next.key, ahead);
      const done = ahead.result.then(
        () => undefined,
        () => undefined, // the trial that takes it reports the failure
      );
      running.add(done);
      done.then(() => {
        running.delete(done);
        startNext();
      });
    }
  };

  const begin = ({ image, timeoutMs }: UpcomingImage): Ahead => {
    const states: string[] = [];
    const recoveries: Ahead['recoveries'] = [];
    const listeners = new Set<PrepareContext>();
    const ahead: Ahead = {
      states,
      recoveries,
      listeners,
      log: '',
      result: prepare(image, {
        owner: options.owner,
        forceBuild: options.forceBuild,
        signal,
        timeoutMs,
        onEvent(state, recovery) {
          if (recovery !== undefined) recoveries.push({ state, recovery });
          else if (states.at(-1) !== state) states.splice(0, states.length, state);
          for (const listener of listeners) listener.onEvent(state, recovery);
        },
        onLog(chunk) {
          ahead.log = (ahead.log + chunk).slice(-MAX_LOG);
          for (const listener of listeners) listener.onLog(chunk);
        },
      }),
    };
    return ahead;
  };

  const join = async (ahead: Ahead, key: string, image: ImageSpec, ctx: PrepareContext): Promise<PreparedImage> => {
    if (ahead.log !== '') ctx.onLog(ahead.log);
    for (const { state, recovery } of ahead.recoveries) ctx.onEvent(state, recovery);
    for (const state of ahead.states) ctx.onEvent(state);
    ahead.listeners.add(ctx);
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(ctx.signal.reason);
      ctx.signal.addEventListener('abort', leave, { once: true });
    });
    try {
      return { ...(await Promise.race([ahead.result, left])), spec: image };
    } finally {
      ctx.signal.removeEventListener('abort', leave);
      ahead.listeners.delete(ctx);
      // A failure is for those who waited for it; whoever comes later tries again.
      if (ahead.listeners.size === 0) started.set(key, null);
    }
  };

  return {
    provider: {
      name: provider.name,
      capabilities: provider.capabilities,
      defaultConcurrency: provider.defaultConcurrency,
      emulated: provider.emulated,
      preflight: (bound) => provider.preflight(bound),
      create: (spec, ctx) => provider.create(spec, ctx),
      list: (scope) => provider.list(scope),
      destroy: (ref) => provider.destroy(ref),
      async prepare(image, ctx) {
        ctx.signal.throwIfAborted();
        const key = keyOf(image);
        const ahead = started.get(key);
        if (ahead) return join(ahead, key, image, ctx);
        started.set(key, null);
        return prepare(image, ctx);
      },
    },
    advance(from) {
      const end = Math.min(from + LOOKAHEAD, options.upcoming.length);
      for (looked = Math.max(looked, from); looked < end; looked += 1) {
        const asked = options.upcoming[looked]?.();
        if (!asked) continue;
        const done = asked.then(
          (images) => {
            waiting.push(...images.map((image) => ({ ...image, key: keyOf(image.image) })));
            asking.delete(done);
            startNext();
          },
          () => void asking.delete(done), // the trial asks the same question and reports why it has no answer
        );
        asking.add(done);
      }
    },
    async settled() {
      await Promise.all(asking);
      await Promise.all(running);
    },
  };
}

/** `prepare` with image_started and image_finished around it. */
function announced({ provider, emit, now }: ImageQueueOptions): SandboxProvider['prepare'] {
  return async (image, ctx) => {
    const facts = { provider: provider.name, image: nameOf(image) };
    const startedAt = now().getTime();
    const finished = (cacheHit: boolean, error: string | null) => {
      const seconds = Math.max(0, (now().getTime() - startedAt) / 1000);
      emit({ type: 'image_finished', ...facts, duration_sec: seconds, cache_hit: cacheHit, error });
    };
    emit({ type: 'image_started', ...facts });
    try {
      const prepared = await provider.prepare(image, ctx);
      finished(prepared.cacheHit, null);
      return prepared;
    } catch (error) {
      finished(false, errorMessage(error));
      throw error;
    }
  };
}

function keyOf({ source, compose, platform, resources }: ImageSpec): string {
  const { cpus, memoryMb, storageMb, gpus } = resources;
  return JSON.stringify([
    source && Object.entries(source).sort(([a], [b]) => (a < b ? -1 : 1)),
    compose && [compose.file, compose.projectDir],
    platform,
    [cpus, memoryMb, storageMb, gpus],
  ]);
}

/** How a person would call it: the reference, or the directory that is built. */
function nameOf({ source, compose }: ImageSpec): string {
  if (source?.kind === 'prebuilt') return source.ref;
  return source?.contextDir ?? compose?.projectDir ?? 'image';
}
