/** What goes wrong between a dataset's name and its files on disk. */
import { errorMessage } from '../../util/cause-chain.js';
import { ProxyError } from '../../util/web.js';
import { SelectionError } from '../selection.js';

export interface DatasetErrorDetails {
  /** As the user wrote it, or the task that failed. */
  readonly dataset: string;
  /** The URL, file or repository that was asked. */
  readonly url: string;
  readonly fix: string;
  readonly cause?: unknown;
}

/**
 * Names the dataset, where it was looked for, and what to do. `unreachable` is true when nothing answered (or the server
 * was ill): only then may an earlier answer from the cache stand in.
 */
export class DatasetError extends SelectionError {
  readonly unreachable: boolean;

  constructor(what: string, details: DatasetErrorDetails, unreachable = false) {
    const message = `${details.dataset}: ${what}\n  asked: ${details.url}`;
    super(withoutPasswords(message), [], withoutPasswords(details.fix), details.cause);
    this.unreachable = unreachable;
  }
  override get name(): string {
    return 'DatasetError';
  }
}

/** `https://user:secret@host` → `https://***@host`: such URLs stand in registries, and messages go into logs. */
export function withoutPasswords(text: string): string {
  return text.replace(/:\/\/[^/@\s]+@/g, '://***@');
}

/** The innermost reason of a failed request, undici's own message being only "fetch failed"; a proxy's name is kept. */
export function rootMessage(error: unknown): string {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error && current.cause !== undefined; depth += 1) {
    if (current instanceof ProxyError) return current.message;
    current = current.cause;
  }
  return errorMessage(current);
}
