/** Images that a provider can never make: found at plan time, by translating them and building nothing. */
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import type { ImageSpec } from '../../model/image.js';
import type { DockerfileSource } from './image-identity.js';
import { platformGap } from './platform.js';

/** Thrown at an instruction that has no counterpart at the provider; whoever follows the Dockerfile adds file and line. */
export class Untranslatable extends SyntaxError {}

/** The exception for an instruction, with the provider to blame where it is. */
export function blamed(error: unknown): unknown {
  if (!(error instanceof EnvironmentDefinitionError) || !(error.cause instanceof Untranslatable)) return error;
  return new EnvironmentDefinitionError(error.message, { cause: error.cause, origin: 'provider' });
}

/**
 * Why it can never be made there, in words; null when it can, or when the definition itself is broken: that is for `prepare` to say.
 * @param provider as a person writes it
 * @param translate throws EnvironmentDefinitionError with origin `provider` for what has no counterpart
 */
export async function unsupportedImage(
  image: ImageSpec,
  provider: string,
  emulated: boolean,
  translate: (source: DockerfileSource) => Promise<unknown>,
): Promise<string | null> {
  const gap = platformGap(image, provider, emulated);
  if (gap !== null) return gap;
  if (image.source?.kind !== 'dockerfile') return null;
  try {
    await translate(image.source);
    return null;
  } catch (error) {
    return error instanceof EnvironmentDefinitionError && error.origin === 'provider' ? error.message : null;
  }
}
