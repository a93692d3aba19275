/** What an image is: equal ones have equal digests on every provider, and equal names on one, across trials, runs and hosts. */
import { createHash } from 'node:crypto';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import { contextDigest } from '../../image/context-digest.js';
import { canonicalName, parseReference } from '../../image/reference.js';
import type { ImageSource, ImageSpec, Platform, PreparedImage } from '../../model/image.js';

/** @throws EnvironmentDefinitionError for compose tasks without an image of their own */
export function sourceOf({ source }: ImageSpec): ImageSource {
  if (source === null) throw new EnvironmentDefinitionError('the environment has neither a Dockerfile nor an image');
  return source;
}

export type DockerfileSource = Extract<ImageSource, { kind: 'dockerfile' }>;

/** The images that one takes from, as they are written, with what their names mean now; null: that is not known. */
export type Bases = ReadonlyMap<string, string | null>;

export interface ImageIdentity {
  /**
   * For the record, and the one that the docker provider records: what the registry calls a published image, else of the Dockerfile with
   * its whole context. Of the image's name alone where the registry could not be asked.
   */
  readonly digest: string;
  /** Of that, of the bases as they are now, and of whatever else makes another image at a provider. */
  readonly key: string;
}

/**
 * @param platform that the provider runs
 * @param extra what else makes another image: our recipe's version, sizes that are baked in
 */
export async function identify(
  image: ImageSpec,
  platform: Platform,
  bases: Bases,
  extra: Readonly<Record<string, string>>,
): Promise<ImageIdentity> {
  const source = sourceOf(image);
  const digest =
    source.kind === 'dockerfile'
      ? (await contextDigest({ ...source, platform })).digest
      : (bases.get(source.ref) ?? sha256([canonicalName(parseReference(source.ref)), platform]));
  const known = [...bases].filter(([, base]) => base !== null).sort();
  return { digest, key: sha256([digest, platform, source.kind === 'dockerfile' ? known : [], extra]) };
}

function sha256(value: unknown): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(value)).digest('hex')}`;
}

/** Hexadecimal digits in a name: 96 bits. */
const NAME_DIGITS = 24;

/** The name under which a provider keeps it. @param key as in `ImageIdentity` */
export function imageName(key: string): string {
  return `plumbline-${key.slice('sha256:'.length, 'sha256:'.length + NAME_DIGITS)}`;
}

export type PreparedFields = Pick<PreparedImage, 'ref' | 'digest' | 'cacheHit'> &
  Partial<Pick<PreparedImage, 'healthcheck'>> & { readonly warnings: PreparedImage['warnings'] };

/** The answer of `prepare` for an image that the provider, or the local one behind its emulator, pulled or built. */
export function preparedImage(image: ImageSpec, fields: PreparedFields, emulated: boolean): PreparedImage {
  const prebuilt = sourceOf(image).kind === 'prebuilt';
  return {
    ...fields,
    source: prebuilt ? 'prebuilt' : 'built',
    // an emulator's API has no word for it; where it tells, emulator-facts.ts puts it in
    provenance: emulated ? 'unknown' : prebuilt ? 'pull' : 'build',
    spec: image,
  };
}
