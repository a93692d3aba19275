/** What a service can answer on loopback, to see what its SDK makes of it; and whether every error class of the SDK was seen. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface AnswerServer {
  readonly url: string;
  /** From now on; the body of the request has been read by then. */
  answer(next: Answer): void;
  close(): Promise<void>;
}

export async function answerServer(first: Answer): Promise<AnswerServer> {
  let current = first;
  const listener: RequestListener = (request, response) => {
    request.on('error', () => undefined); // resets are wanted here
    request.resume().on('end', () => current(request, response));
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer(next) {
      current = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** The address of a server that was there. */
export async function closedUrl(): Promise<string> {
  const server = await answerServer(() => {});
  await server.close();
  return server.url;
}

/** A body that is no string goes as JSON. */
export function says(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = typeof body === 'string' ? 'text/html' : 'application/json';
  const length = status === 204 ? {} : { 'content-length': String(Buffer.byteLength(text)) };
  return (_, response) => {
    response.writeHead(status, { 'content-type': type, ...length, ...headers }).end(text);
  };
}

export const hangs: Answer = () => {};

export const resets: Answer = ({ socket }) => {
  socket.resetAndDestroy();
};

/** Promises 100 bytes, sends some, and breaks off. */
export function breaksOff(type = 'application/json'): Answer {
  return ({ socket }, response) => {
    response.writeHead(200, { 'content-type': type, 'content-length': '100' });
    response.write('{"id":"x",', () => socket.destroy());
  };
}

/** By path; `otherwise` for every other. */
export function routes(table: Readonly<Record<string, Answer>>, otherwise: Answer): Answer {
  return (request, response) => {
    const [, found] = Object.entries(table).find(([part]) => request.url?.includes(part)) ?? [];
    (found ?? otherwise)(request, response);
  };
}

/** What `work` rejects with. @throws when it does not */
export async function rejection(work: () => Promise<unknown>): Promise<Error> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`it threw what is no error: ${String(error)}`);
  }
  throw new Error('it did not fail');
}

/**
 * Which of an SDK's exported error classes are accounted for neither as thrown nor as never thrown (`unknown`), and which names are
 * in the wrong list or exported no more (`stale`). Both are empty in a complete table.
 */
export function unaccounted(
  sdk: object,
  thrown: ReadonlySet<string>,
  never: Readonly<Record<string, string>>,
): { unknown: string[]; stale: string[] } {
  const exported = Object.entries(sdk)
    .filter(([, value]) => typeof value === 'function' && value.prototype instanceof Error)
    .map(([name]) => name);
  return {
    unknown: exported.filter((name) => !thrown.has(name) && !Object.hasOwn(never, name)),
    stale: Object.keys(never).filter((name) => thrown.has(name) || !exported.includes(name)),
  };
}
