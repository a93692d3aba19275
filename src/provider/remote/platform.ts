/** What the nodes of the remote providers are. */
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import { hostPlatform } from '../../image/platform.js';
import type { ImageSpec, Platform } from '../../model/image.js';

/** Tensorlake, Modal, Daytona and E2B alike (docs of each, 2026). */
const REMOTE_PLATFORM: Platform = 'linux/amd64';

/** An emulator's sandboxes run on this machine. */
export function remotePlatform(emulated: boolean): Platform {
  return emulated ? hostPlatform() : REMOTE_PLATFORM;
}

/** Why an image of this platform can never run there; null when it can. @param provider as a person writes it */
export function platformGap({ platform }: ImageSpec, provider: string, emulated: boolean): string | null {
  const runs = remotePlatform(emulated);
  return platform === null || platform === runs ? null : `needs ${platform}, and ${provider} runs ${runs}`;
}

/** @throws EnvironmentDefinitionError with origin `provider` */
export function assertPlatform(image: ImageSpec, provider: string, emulated: boolean): void {
  const gap = platformGap(image, provider, emulated);
  if (gap !== null) throw new EnvironmentDefinitionError(`the task ${gap}`, { origin: 'provider' });
}
