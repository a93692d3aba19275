/**
 * One build per image, however many trials ask for it at once: they share the work, its clock and its failure. A caller that
 * gives up leaves the others' build alone; when the last one has left, the build is stopped.
 */
import { EnvironmentStartTimeoutError } from '../exception/errors.js';
import type { ImageSpec, PreparedImage } from '../model/image.js';
import type { PrepareContext } from '../model/provider.js';
import { clampTimer } from '../util/deadline.js';

type Prepare = (image: ImageSpec, ctx: PrepareContext) => Promise<PreparedImage>;

interface SharedBuild {
  readonly result: Promise<PreparedImage>;
  readonly controller: AbortController;
  readonly waiters: Set<PrepareContext>;
  lastState: string | null;
}

/** Wraps `prepare`; `keyOf` names what counts as the same image (by default every field of the spec). */
export function sharePrepare(prepare: Prepare, keyOf: (image: ImageSpec) => string = specKey): Prepare {
  const builds = new Map<string, SharedBuild>();

  const start = (key: string, image: ImageSpec, first: PrepareContext): SharedBuild => {
    const controller = new AbortController();
    const waiters = new Set<PrepareContext>();
    const startedAt = Date.now();
    let timer: NodeJS.Timeout | undefined;
    const expiry = new Promise<never>((_, reject) => {
      if (first.timeoutMs === undefined || !Number.isFinite(first.timeoutMs)) return;
      timer = setTimeout(() => {
        const error = new EnvironmentStartTimeoutError(
          `the image was not ready after ${((Date.now() - startedAt) / 1000).toFixed(1)} s (last state: ${build.lastState ?? 'none'})`,
          { phase: 'prepare_image', ...(build.lastState === null ? {} : { providerState: build.lastState }) },
        );
        controller.abort(error);
        reject(error);
      }, clampTimer(first.timeoutMs));
    });
    const work = Promise.resolve().then(() =>
      prepare(image, {
        ...first,
        signal: controller.signal,
        onEvent(state, recovery) {
          if (recovery === undefined) build.lastState = state;
          for (const waiter of waiters) waiter.onEvent(state, recovery);
        },
        onLog(chunk) {
          for (const waiter of waiters) waiter.onLog(chunk);
        },
      }),
    );
    const result = Promise.race([work, expiry]).finally(() => {
      clearTimeout(timer);
      if (builds.get(key) === build) builds.delete(key);
    });
    result.catch(() => undefined); // every waiter may have left; the failure is then nobody's
    const build: SharedBuild = { result, controller, waiters, lastState: null };
    builds.set(key, build);
    return build;
  };

  return async (image, ctx) => {
    ctx.signal.throwIfAborted();
    const key = `${keyOf(image)}\n${ctx.forceBuild}`;
    const build = builds.get(key) ?? start(key, image, ctx);
    build.waiters.add(ctx);
    if (build.lastState !== null) ctx.onEvent(build.lastState);
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(ctx.signal.reason);
      ctx.signal.addEventListener('abort', leave, { once: true });
    });
    try {
      const prepared = await Promise.race([build.result, left]);
      return { ...prepared, spec: image };
    } finally {
      ctx.signal.removeEventListener('abort', leave);
      build.waiters.delete(ctx);
      if (build.waiters.size === 0 && builds.get(key) === build) {
        builds.delete(key); // a stopped build must not be joined
        build.controller.abort(ctx.signal.reason);
      }
    }
  };
}

function specKey(image: ImageSpec): string {
  return JSON.stringify([
    image.source && Object.entries(image.source).sort(),
    image.compose && [image.compose.file, image.compose.projectDir],
    image.platform,
    Object.entries(image.resources).sort(),
  ]);
}
