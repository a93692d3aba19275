/** The embedded provider's images: in the local store, built there from Dockerfiles, or made there from what they name. */
import { join } from 'node:path';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import { buildImage } from '../../image/builder/build.js';
import { imageHealthcheck } from '../../image/healthcheck.js';
import type { LayerHost } from '../../image/layer/host.js';
import { type ObtainedImage, obtainImage, warningsOf } from '../../image/obtain.js';
import { hostPlatform } from '../../image/platform.js';
import { registryAccess } from '../../image/registry/access.js';
import { type LocalImageStore, openImageStore } from '../../image/store/store.js';
import type { StoredImage } from '../../image/types.js';
import type { ImageSpec, Platform, PreparedImage } from '../../model/image.js';
import type { PrepareContext } from '../../model/provider.js';
import { webAccess } from '../../util/web.js';
import type { EmbeddedMachine } from './machine.js';
import type { ImageSource } from './provider.js';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * @param env where credentials and mirrors of registries are found
 * @param machine asked for only when something has to be built
 * @param host in which the store's layers are written and read
 */
export function storeImages(
  root: string,
  env: Env,
  machine: () => EmbeddedMachine,
  host: () => Promise<LayerHost>,
): ImageSource {
  let opened: Promise<LocalImageStore> | null = null;
  const store = () => {
    opened ??= host().then((found) => openImageStore(root, found));
    return opened;
  };
  return {
    async prepare(spec, ctx) {
      if (spec.compose !== null || spec.source === null) {
        throw new EnvironmentDefinitionError('docker-compose.yaml needs the docker provider');
      }
      const native = hostPlatform();
      if (spec.platform !== null && spec.platform !== native) {
        throw new EnvironmentDefinitionError(`this machine runs ${native} and does not emulate ${spec.platform}`);
      }
      const images = await store();
      return spec.source.kind === 'prebuilt'
        ? prebuilt(images, env, spec, spec.source.ref, ctx)
        : built(images, env, machine(), spec, spec.source, ctx);
    },
    async use(ref) {
      const images = await store();
      const known = await images.get(ref);
      if (known === null) return null;
      const lease = await images.use(known.layers.map((layer) => layer.diffId));
      // Only now is it safe from a garbage collection that ran in between.
      const image = await images.get(ref);
      if (image !== null) return { image, lease };
      await lease.release();
      return null;
    },
  };
}

async function prebuilt(
  store: LocalImageStore,
  env: Env,
  spec: ImageSpec,
  ref: string,
  ctx: PrepareContext,
): Promise<PreparedImage> {
  const { image, cacheHit, warnings } = await obtain(store, env, ref, hostPlatform(), ctx);
  return prepared(spec, image, { source: 'prebuilt', digest: image.digest, cacheHit, warnings });
}

async function built(
  store: LocalImageStore,
  env: Env,
  machine: EmbeddedMachine,
  spec: ImageSpec,
  source: { contextDir: string; dockerfile: string },
  ctx: PrepareContext,
): Promise<PreparedImage> {
  const result = await buildImage({
    store,
    machine,
    host: store.host,
    async resolveImage(ref, platform, signal) {
      return (await obtain(store, env, ref, platform, { ...ctx, signal })).image;
    },
    contextDir: source.contextDir,
    dockerfile: source.dockerfile,
    hostPlatform: hostPlatform(),
    platform: spec.platform,
    noCache: ctx.forceBuild,
    web: webAccess(env),
    signal: ctx.signal,
    onLog: ctx.onLog,
    onEvent: ctx.onEvent,
  });
  const warnings: PreparedImage['warnings'] = [];
  let provenance: StoredImage['provenance'] = 'build';
  for (const [ref, digest] of Object.entries(result.bases)) {
    const base = await store.get(digest);
    if (base?.provenance === 'bootstrap') provenance = 'bootstrap';
    else if (base === null && provenance === 'build') provenance = 'unknown'; // removed since
    if (base !== null) warnings.push(...warningsOf(ref, base));
  }
  const image = { ...result.image, provenance };
  const all = [...warnings, ...result.warnings.map((message) => ({ code: 'DockerfileWarning', message }))];
  return prepared(spec, image, { source: 'built', digest: result.digest, cacheHit: result.cacheHit, warnings: all });
}

function obtain(
  store: LocalImageStore,
  env: Env,
  ref: string,
  platform: Platform,
  ctx: PrepareContext,
): Promise<ObtainedImage> {
  const { signal, onLog, onEvent } = ctx;
  return obtainImage(store, ref, { ...registryAccess(env), platform, signal, onLog, onEvent });
}

function prepared(
  spec: ImageSpec,
  image: StoredImage,
  found: Pick<PreparedImage, 'source' | 'digest' | 'cacheHit' | 'warnings'>,
): PreparedImage {
  const healthcheck = imageHealthcheck(image.config.config);
  return { ...found, ref: image.digest, provenance: image.provenance, spec, healthcheck };
}

/** Where the store lives below the state directory. */
export function imageStoreRoot(stateDir: string): string {
  return join(stateDir, 'images');
}
