/** What an image is, whoever prepares it: equal definitions have equal digests, across trials, runs and hosts. */
import { createHash } from 'node:crypto';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import { contextDigest } from '../../image/context-digest.js';
import type { ImageSource, ImageSpec, PreparedImage } from '../../model/image.js';

/** @throws EnvironmentDefinitionError for compose tasks without an image of their own */
export function sourceOf({ source }: ImageSpec): ImageSource {
  if (source === null) throw new EnvironmentDefinitionError('the environment has neither a Dockerfile nor an image');
  return source;
}

/**
 * The digest of the definition: of the Dockerfile with its whole context, or of the image's name.
 * @param extra what else makes another image of it: our recipe's version, sizes that are baked in
 */
export async function imageDigest(image: ImageSpec, extra: Readonly<Record<string, string>>): Promise<string> {
  const source = sourceOf(image);
  const { platform } = image;
  if (source.kind === 'dockerfile') return (await contextDigest({ ...source, platform, extra })).digest;
  const text = JSON.stringify([source.ref, platform, extra]);
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** Hexadecimal digits in a name: 96 bits. */
const NAME_DIGITS = 24;

/** The name under which a provider keeps it. */
export function imageName(digest: string): string {
  return `plumbline-${digest.slice('sha256:'.length, 'sha256:'.length + NAME_DIGITS)}`;
}

export type PreparedFields = Pick<PreparedImage, 'ref' | 'digest' | 'cacheHit'> &
  Partial<Pick<PreparedImage, 'healthcheck'>> & { readonly warnings: PreparedImage['warnings'] };

/** The answer of `prepare` for an image that the provider pulled or built. */
export function preparedImage(image: ImageSpec, fields: PreparedFields): PreparedImage {
  const prebuilt = sourceOf(image).kind === 'prebuilt';
  return {
    ...fields,
    source: prebuilt ? 'prebuilt' : 'built',
    provenance: prebuilt ? 'pull' : 'build',
    spec: image,
  };
}
