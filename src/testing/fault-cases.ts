/** What can go wrong with a call, and how the work that needs it may then end. */
import type { Fault } from '../emulator/core/faults.js';
import type { ExceptionType } from '../exception/catalogue.js';
import type { Origin } from '../model/words.js';
import type { WorkName } from './fault-bench.js';

/** Exception type and origin, as one word. */
export type Ending = `${ExceptionType}/${Origin}`;

/** Of one occurrence: each must be recovered from, with one effect. */
export const ONCE: readonly Fault[] = [
  { kind: 'delay', ms: 300 },
  { kind: 'hang' },
  { kind: 'reset-before' },
  { kind: 'reset-after' },
  { kind: 'truncate' },
  { kind: 'malformed' },
  { kind: 'status', status: 429 },
  { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
  { kind: 'status', status: 500 },
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503 },
  { kind: 'status', status: 504 },
  { kind: 'status-after', status: 503 },
];

/**
 * Without end: the work must end too, in time, with an exception that says whose fault it was. A sample takes the first, the fourth and
 * the seventh (sample.ts), so the slow ones stand elsewhere.
 */
export const LASTING: readonly Fault[] = [
  { kind: 'reset-before' },
  { kind: 'hang' },
  { kind: 'status', status: 503 },
  { kind: 'status', status: 429 },
  { kind: 'status-after', status: 503 },
  { kind: 'status', status: 500 },
  { kind: 'malformed' },
  { kind: 'reset-after' },
  { kind: 'truncate' },
];

export function nameOf(fault: Fault): string {
  switch (fault.kind) {
    case 'status':
      return fault.headers === undefined ? `${fault.status}` : `${fault.status} with Retry-After`;
    case 'status-after':
      return `${fault.status} after the effect`;
    default:
      return fault.kind;
  }
}

/** The call may have done its work although no right reply came. Then to find that out is as good as to fail. */
export function mayHaveWorked({ kind }: Fault): boolean {
  return kind === 'reset-after' || kind === 'status-after' || kind === 'truncate' || kind === 'malformed';
}

/** What the contract calls the failure of each kind of work when nothing better is known. */
const OWN: Readonly<Record<WorkName, ExceptionType>> = {
  exec: 'ExecError',
  upload: 'TransferError',
  download: 'TransferError',
  create: 'SandboxCreateError',
  delete: 'SandboxLostError',
  list: 'SandboxCreateError',
  network: 'SandboxCreateError',
  prepare: 'ImageBuildError',
};

/** How work may end when a fault does not; the exceptions to it stand with their calls. */
export function endingsOf(fault: Fault, work: WorkName): readonly Ending[] {
  const own: Ending = `${OWN[work]}/provider`;
  switch (fault.kind) {
    case 'reset-before':
    case 'reset-after':
    case 'truncate':
      return ['NetworkError/network'];
    case 'hang': // no answer: nobody can say which side of the line is to blame
      return ['NetworkError/network', 'NetworkError/provider'];
    case 'malformed':
      return ['NetworkError/network', 'NetworkError/provider', own];
    case 'auth':
      return ['ProviderAuthError/provider'];
    case 'status':
    case 'status-after':
      if (fault.status === 429) return ['ProviderRateLimitError/provider'];
      return fault.status === 503
        ? ['NetworkError/provider', 'ProviderQuotaError/provider', own] // 503 is also how "no capacity" is said
        : ['NetworkError/provider', own];
    default:
      return [];
  }
}
