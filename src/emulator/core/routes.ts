/** What an HTTP emulator is made of: routes with named calls, requests and replies. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Fault } from './faults.js';

export interface EmulatorRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Values of the `:name` parts of the route, URL-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The whole body; held, so that it may be asked for again. */
  bytes(): Promise<Buffer>;
  /** The body as JSON; an empty one is `{}`. @throws HttpError 400 */
  json(): Promise<Record<string, unknown>>;
  /** The body as it comes, once. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** Aborts when the client has gone before the reply was complete. */
  readonly signal: AbortSignal;
  /** A fault that only the handler can act out (`stuck`, `build-failure`, `death`). */
  readonly fault: Fault | null;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, an iterable as it comes; absent is an empty body with `Content-Length: 0`. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | object;
}

export interface Route {
  /** Name of the call for the fault script and for counting. */
  readonly call: string;
  readonly method: string;
  /** `/sandboxes/:id/timeout`; a part `*` at the end takes the rest. */
  readonly path: string;
  readonly handle: (request: EmulatorRequest) => Promise<Reply> | Reply;
}

/** Thrown by a handler to answer with an error in the provider's words. */
export class HttpError extends Error {
  readonly reply: Reply;
  constructor(status: number, body: object | string, headers: Readonly<Record<string, string>> = {}) {
    super(`HTTP ${status}`);
    this.reply = { status, body, headers };
  }
}

/** The values of the route's parameters, or null when the path is not of this route. */
export function matchPath(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    if (part === '*') {
      params['rest'] = given.slice(index).join('/');
      return params;
    }
    const value = given[index];
    if (value === undefined) return null;
    if (part.startsWith(':')) params[part.slice(1)] = decode(value);
    else if (part !== value) return null;
  }
  return wanted.length === given.length ? params : null;
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // not an encoded value: the handler will not know it, which is its own answer
  }
}
