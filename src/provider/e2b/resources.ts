/** What E2B can bake into a template: 1 or an even number of cpus, an even number of MiB from 128 on. Never below the request. */
import type { ResourceRequest } from '../../model/image.js';
import type { Effective } from '../../model/provider.js';
import type { SandboxInfo } from './sdk.js';

export interface TemplateSize {
  readonly cpuCount: number;
  readonly memoryMB: number;
}

/** The API's own defaults (docs: Template.build). */
const DEFAULT_CPUS = 2;
const DEFAULT_MEMORY_MB = 1024;
const MIN_MEMORY_MB = 128;

export function templateSize({ cpus, memoryMb }: ResourceRequest): TemplateSize {
  return {
    cpuCount: cpus === null ? DEFAULT_CPUS : cpus <= 1 ? 1 : evenAbove(cpus),
    memoryMB: memoryMb === null ? DEFAULT_MEMORY_MB : Math.max(MIN_MEMORY_MB, evenAbove(memoryMb)),
  };
}

/** What the API says that the sandbox got; the SDK leaves out the size of its disk (e2b 2.51.0). */
export function effectiveOf({ cpuCount, memoryMB }: SandboxInfo): Effective {
  const known = (value: number) => (Number.isFinite(value) && value > 0 ? value : null);
  return { cpus: known(cpuCount), memoryMb: known(memoryMB), storageMb: null };
}

function evenAbove(value: number): number {
  return 2 * Math.ceil(value / 2);
}
