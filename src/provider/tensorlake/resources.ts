/** Requests as Tensorlake's options: cpus as they are, whole MB, never below the request. */
import type { ResourceRequest } from '../../model/image.js';
import type { Effective } from '../../model/provider.js';
import type { SdkCreateRequest, SdkSandboxInfo } from './sdk.js';

/** The platform's own disk of an image that names none (docs: create a sandbox). */
export const DEFAULT_DISK_MB = 10_240;

export function sizeOf({
  cpus,
  memoryMb,
  storageMb,
}: ResourceRequest): Pick<SdkCreateRequest, 'cpus' | 'memoryMb' | 'diskMb'> {
  return {
    ...(cpus === null ? {} : { cpus }),
    ...(memoryMb === null ? {} : { memoryMb: Math.ceil(memoryMb) }),
    // below the image's own disk the server refuses: the larger one is what the sandbox gets, and `effective` says so
    ...(storageMb === null || storageMb <= DEFAULT_DISK_MB ? {} : { diskMb: Math.ceil(storageMb) }),
  };
}

/** MB of an image's root disk, which is also the least that its sandboxes have. */
export function diskOf({ storageMb }: ResourceRequest): number {
  return Math.max(Math.ceil(storageMb ?? 0), DEFAULT_DISK_MB);
}

/** What the API says that the sandbox got. */
export function effectiveOf({ resources }: SdkSandboxInfo): Effective {
  const { cpus, memoryMb, ephemeralDiskMb } = resources;
  return { cpus: cpus ?? null, memoryMb: memoryMb ?? null, storageMb: ephemeralDiskMb ?? null };
}
