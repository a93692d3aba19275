/** Image names to images: in the store, else pulled, else (Debian's, with no registry in reach) made from a Debian mirror. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { ImagePullError } from '../exception/errors.js';
import type { Platform } from '../model/image.js';
import { bootstrapRecipe, bootstrapTar } from './bootstrap.js';
import { hostPlatform, splitPlatform } from './platform.js';
import { canonicalName, familiarName, parseReference } from './reference.js';
import { isRegistryUnreachable } from './registry/errors.js';
import { type PullOptions, pullImage } from './registry/pull.js';
import type { LocalImageStore } from './store/store.js';
import type { StoredImage } from './types.js';

export interface ObtainOptions
  extends Pick<PullOptions, 'credentials' | 'mirrors' | 'web' | 'platform' | 'connectLimitMs'> {
  readonly signal?: AbortSignal;
  /** The raw log of a pull or a bootstrap as it comes. */
  readonly onLog?: (chunk: string) => void;
  /** `pulling debian:12`: what is going on, for a person. */
  readonly onEvent?: (state: string) => void;
}

export interface ObtainedImage {
  readonly image: StoredImage;
  readonly cacheHit: boolean;
  /** Shown to the user on every use, also of a cached image: a bootstrap is never confused with a pull. */
  readonly warnings: { code: string; message: string }[];
}

/**
 * One caller at a time per name works; the others wait and find the result.
 * @throws ImagePullError, RegistryRateLimitError, NetworkError (the Debian mirror), DiskFullError,
 *   EnvironmentDefinitionError for a malformed name
 */
export async function obtainImage(store: LocalImageStore, ref: string, options: ObtainOptions): Promise<ObtainedImage> {
  const { signal, onLog = () => undefined, onEvent = () => undefined, platform = hostPlatform() } = options;
  const known = await find(store, ref, platform);
  if (known !== null) return { image: known, cacheHit: true, warnings: warningsOf(ref, known) };
  const name = canonicalName(parseReference(ref));
  await using _lock = await store.lock(`obtain ${name} ${platform}`, signal);
  const meanwhile = await find(store, ref, platform);
  if (meanwhile !== null) return { image: meanwhile, cacheHit: true, warnings: warningsOf(ref, meanwhile) };
  onEvent(`pulling ${ref}`);
  let image: StoredImage;
  try {
    image = await pullImage(store, ref, { ...options, platform, onLog: (line) => onLog(`${line}\n`) });
  } catch (error) {
    if (!isRegistryUnreachable(error) || bootstrapRecipe(ref) === null) throw error;
    onLog(`${(error as Error).message}\n`);
    onEvent(`bootstrapping ${ref}`);
    image = await bootstrapImage(store, ref, options);
  }
  return { image, cacheHit: false, warnings: warningsOf(ref, image) };
}

/** Makes one of Debian's images and gives it its name. @throws as bootstrapTar */
export async function bootstrapImage(
  store: LocalImageStore,
  ref: string,
  options: Pick<ObtainOptions, 'signal' | 'onLog' | 'platform'>,
): Promise<StoredImage> {
  const { signal, onLog, platform = hostPlatform() } = options;
  await using scratch = await store.scratch('bootstrap');
  const tar = join(scratch.dir, 'rootfs.tar');
  const made = await bootstrapTar(ref, tar, { platform, ...(signal && { signal }), ...(onLog && { onLog }) });
  const layer = await store.putLayer(createReadStream(tar), signal ? { signal } : {});
  return store.putImage({
    config: {
      ...splitPlatform(platform),
      created: made.created,
      config: made.config,
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
      history: [{ created: made.created, comment: made.comment }],
    },
    refs: [ref],
    provenance: 'bootstrap',
  });
}

async function find(store: LocalImageStore, ref: string, platform: Platform): Promise<StoredImage | null> {
  const known = await store.get(ref);
  return known !== null && known.platform === platform ? known : null;
}

/** For whoever uses it, also through a build that was finished before: that the bytes are not the published ones. */
export function warningsOf(ref: string, image: StoredImage): ObtainedImage['warnings'] {
  if (image.provenance !== 'bootstrap') return [];
  const name = image.refs.length > 0 ? familiarName(parseReference(image.refs[0] ?? ref)) : ref;
  const message = `${name} was made from a Debian mirror because no registry could be reached: the same packages and settings, not the published bytes`;
  return [{ code: 'BootstrappedImage', message }];
}

/** The local image, for commands that must not go to the network. @throws ImagePullError when there is none */
export async function requireImage(store: LocalImageStore, nameOrDigest: string): Promise<StoredImage> {
  const image = await store.get(nameOrDigest);
  if (image !== null) return image;
  throw new ImagePullError(`There is no image ${nameOrDigest} in the store. Known names: plumbline image ls.`, {
    retryable: false,
  });
}
