/**
 * The HTTP server of an emulator, on loopback. How to write an emulator:
 *
 * 1. `src/emulator/<name>/index.ts` exports `start<Name>Emulator(options: EmulatorOptions): Promise<RunningEmulator>`: it makes a
 *    `createSandboxTable` (sandboxes.ts) on the backend, a `createFaultScript` (faults.ts) of `options.faults`, a list of routes
 *    over both, and `startServer` with them. gRPC emulators use the table and the script with a server of their own.
 * 2. Each route has a `call` name: the fault script and the counts of tests use it. Transport faults happen here; a handler
 *    only acts out what it finds in `request.fault`.
 * 3. Answer as the real API does, errors too: throw `HttpError` with the provider's body.
 * 4. Never run anything by other means than the backend's Sandbox, so that every local provider can stand behind it.
 *    Background processes, re-attaching and kill: processes.ts.
 * 5. Hand out the variables that point the SDK here, and `PLUMBLINE_EMULATED_<NAME>=1` (env.ts).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sleep } from '../../util/deadline.js';
import type { CallAbout, Fault, FaultScript, SandboxFacts } from './faults.js';
import { type EmulatorRequest, HttpError, matchPath, type Reply, type Route } from './routes.js';

export interface ServerOptions {
  readonly routes: readonly Route[];
  readonly faults: FaultScript;
  /** The provider's answer to a wrong credential. */
  readonly authReply: Reply;
  /** The provider's answer with an error status that the script asks for. */
  readonly errorReply: (status: number) => Reply;
  /** Refuses a request before its route is called (credentials); null lets it pass. */
  readonly guard?: (request: EmulatorRequest, route: Route) => Reply | null;
  /** The sandbox that a request makes or is for, asked when a fault hits only some; absent: none is known. */
  readonly sandboxOf?: (request: EmulatorRequest, call: string) => Promise<SandboxFacts | null>;
  /** Anything that no route takes, and faults of the emulator itself: for the log of `plumbline emulate`. */
  readonly onProblem?: (message: string) => void;
}

export interface RunningServer {
  /** `http://127.0.0.1:<port>`, without a final slash. */
  readonly url: string;
  /** Ends every open connection. */
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1, or on `port`. */
export async function startServer(options: ServerOptions, port = 0): Promise<RunningServer> {
  const stopped = new AbortController();
  const server = createServer((incoming, response) => {
    incoming.on('error', () => undefined); // a client that goes away is told by the signal
    response.on('error', () => undefined);
    answer(options, incoming, response, stopped.signal).catch((error: unknown) => {
      options.onProblem?.(`${incoming.method} ${incoming.url}: ${String(error)}`);
      if (response.headersSent) response.destroy();
      else send(response, options.errorReply(500)).catch(() => response.destroy());
    });
  });
  // SDKs hold their connections open; a server that closes them after 5 s makes resets that no script asked for
  server.keepAliveTimeout = 600_000;
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    async close() {
      stopped.abort(new Error('the emulator was closed'));
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  options: ServerOptions,
  incoming: IncomingMessage,
  response: ServerResponse,
  stopped: AbortSignal,
): Promise<void> {
  const url = new URL(incoming.url ?? '/', 'http://emulator');
  const found = findRoute(options.routes, incoming.method ?? 'GET', url.pathname);
  if (found === null) {
    options.onProblem?.(`no route for ${incoming.method} ${url.pathname}`);
    incoming.resume();
    await send(response, options.errorReply(404));
    return;
  }
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new Error('the client has gone'));
  });
  const request = asRequest(incoming, url, found.params, AbortSignal.any([gone.signal, stopped]));
  const { call } = found.route;
  const fault = options.faults.take(
    call,
    options.faults.isPicky(call) ? await aboutOf(options, request, call) : undefined,
  );
  if (fault !== null && !(await passes(options, fault, incoming, response, stopped))) return;
  const reply = await handled(options, found.route, { ...request, fault });
  if (fault?.kind === 'reset-after') {
    if (isStream(reply.body)) await drop(reply.body);
    return reset(incoming);
  }
  if (fault?.kind === 'status-after') {
    if (isStream(reply.body)) await drop(reply.body);
    return send(response, options.errorReply(fault.status));
  }
  if (fault?.kind === 'malformed') return send(response, { status: 200, headers: JSON_TYPE, body: '<html>{"oops' });
  if (fault?.kind === 'truncate') return sendHalf(response, reply);
  await send(response, reply);
}

async function aboutOf(options: ServerOptions, request: EmulatorRequest, call: string): Promise<CallAbout> {
  const text = (await request.bytes()).toString('latin1');
  try {
    return { text, sandbox: (await options.sandboxOf?.(request, call)) ?? null };
  } catch (error) {
    if (error instanceof HttpError) return { text, sandbox: null }; // a bad body: its handler answers
    throw error;
  }
}

/** Acts out a fault that comes before the call; false when the call is over. */
async function passes(
  options: ServerOptions,
  fault: Fault,
  incoming: IncomingMessage,
  response: ServerResponse,
  stopped: AbortSignal,
): Promise<boolean> {
  switch (fault.kind) {
    case 'delay':
      await sleep(fault.ms, stopped);
      return true;
    case 'hang':
      incoming.resume();
      await new Promise<void>((resolve) => response.once('close', resolve));
      return false;
    case 'reset-before':
      reset(incoming);
      return false;
    case 'status': {
      incoming.resume();
      const reply = options.errorReply(fault.status);
      await send(response, { ...reply, headers: { ...reply.headers, ...fault.headers } });
      return false;
    }
    case 'auth':
      incoming.resume();
      await send(response, options.authReply);
      return false;
    default:
      return true;
  }
}

async function handled(options: ServerOptions, route: Route, request: EmulatorRequest): Promise<Reply> {
  try {
    return options.guard?.(request, route) ?? (await route.handle(request));
  } catch (error) {
    if (error instanceof HttpError) return error.reply;
    options.onProblem?.(`${route.call}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return options.errorReply(500);
  }
}

function findRoute(routes: readonly Route[], method: string, path: string) {
  for (const route of routes) {
    if (route.method !== method) continue;
    const params = matchPath(route.path, path);
    if (params !== null) return { route, params };
  }
  return null;
}

function asRequest(
  incoming: IncomingMessage,
  url: URL,
  params: Readonly<Record<string, string>>,
  signal: AbortSignal,
): EmulatorRequest {
  let held: Promise<Buffer> | null = null;
  const bytes = () => {
    held ??= collect(incoming);
    return held;
  };
  return {
    method: incoming.method ?? 'GET',
    path: url.pathname,
    params,
    query: url.searchParams,
    headers: incoming.headers,
    bytes,
    stream: {
      async *[Symbol.asyncIterator]() {
        if (held === null) yield* incoming as AsyncIterable<Uint8Array>;
        else yield await held;
      },
    },
    signal,
    fault: null,
    async json() {
      const text = (await bytes()).toString('utf8');
      if (text === '') return {};
      try {
        return JSON.parse(text) as Record<string, unknown>;
      } catch {
        throw new HttpError(400, { code: 400, message: 'the body is not JSON' });
      }
    },
  };
}

async function collect(incoming: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const JSON_TYPE = { 'content-type': 'application/json' };

function encode(body: Exclude<Reply['body'], undefined>): { data: Uint8Array; type: Record<string, string> } {
  if (typeof body === 'string') return { data: Buffer.from(body), type: {} };
  if (body instanceof Uint8Array) return { data: body, type: {} };
  return { data: Buffer.from(JSON.stringify(body)), type: JSON_TYPE };
}

function isStream(body: Reply['body']): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && Symbol.asyncIterator in body;
}

async function send(response: ServerResponse, reply: Reply): Promise<void> {
  const { status, headers, body } = reply;
  if (body === undefined) {
    // SDKs parse an empty chunked body as JSON and fail; 204 must not have a length
    response.writeHead(status, status === 204 ? { ...headers } : { 'content-length': '0', ...headers });
    response.end();
    return;
  }
  if (isStream(body)) {
    response.writeHead(status, { ...headers });
    response.flushHeaders();
    for await (const chunk of body) {
      if (response.destroyed) break;
      if (!response.write(chunk)) await drained(response);
    }
    response.end();
    return;
  }
  const { data, type } = encode(body);
  response.writeHead(status, { ...type, 'content-length': String(data.byteLength), ...headers });
  response.end(data);
}

async function sendHalf(response: ServerResponse, reply: Reply): Promise<void> {
  const { status, headers, body } = reply;
  if (isStream(body)) {
    response.writeHead(status, { ...headers });
    const iterator = body[Symbol.asyncIterator]();
    const first = await iterator.next();
    const part = first.done === true ? null : first.value.subarray(0, Math.ceil(first.value.byteLength / 2));
    if (part !== null) await new Promise((resolve) => response.write(part, resolve)); // the first may be all of it
    await iterator.return?.();
    response.destroy();
    return;
  }
  const { data, type } = encode(body ?? ' ');
  response.writeHead(status, { ...type, ...headers, 'content-length': String(Math.max(1, data.byteLength)) });
  await new Promise((resolve) => response.write(data.subarray(0, Math.floor(data.byteLength / 2)), resolve));
  response.destroy();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}

/** What the stream stands for has happened; its reader never comes. */
async function drop(body: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  await iterator.next();
  await iterator.return?.();
}

/** RST instead of FIN, as a broken proxy or a killed server sends it. */
function reset(incoming: IncomingMessage): void {
  incoming.socket.resetAndDestroy();
}
