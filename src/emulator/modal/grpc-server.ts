/**
 * gRPC over cleartext HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md) on node:http2 and not on a gRPC library: a scripted fault needs the
 * connection itself, to reset it, to cut a message in half, to send bytes that are none.
 */
import {
  constants,
  createServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { sleep } from '../../util/deadline.js';
import type { Fault, FaultScript, SandboxFacts } from '../core/faults.js';
import type { Codec, Message } from './codec.js';
import { Code, errorOfStatus, GrpcError } from './grpc-errors.js';

export interface GrpcCall {
  /** The first message; of a client stream too. */
  readonly request: Message;
  /** The messages after the first, of a client stream. */
  readonly rest: AsyncIterable<Message>;
  readonly headers: IncomingHttpHeaders;
  /** Aborts when the client has gone or the emulator closes. */
  readonly signal: AbortSignal;
  /** A fault that only the handler can act out (`stuck`, `build-failure`, `death`). */
  readonly fault: Fault | null;
}

export interface Method {
  /** Also the name of the call in fault scripts. */
  readonly name: string;
  readonly service: string;
  /** Full names of the messages. */
  readonly request: string;
  readonly response: string;
  /** One message, or a stream of them. */
  readonly handle: (call: GrpcCall) => Promise<object> | object | AsyncIterable<object>;
}

export interface GrpcServerOptions {
  readonly methods: readonly Method[];
  readonly codec: Codec;
  readonly faults: FaultScript;
  /** The sandbox that a request makes or is for, asked when a fault hits only some. */
  readonly sandboxOf: (request: Message) => SandboxFacts | null;
  readonly port?: number;
  readonly onProblem?: (message: string) => void;
}

export interface RunningGrpcServer {
  readonly port: number;
  close(): Promise<void>;
}

const HEADERS = { ':status': 200, 'content-type': 'application/grpc+proto' };
/** The SDK sends 256 KiB at a time; the protocol's default window of 64 KiB would make each one several round trips. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** Listens on a free port of 127.0.0.1, or on `port`. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<RunningGrpcServer> {
  const stopped = new AbortController();
  const methods = new Map(options.methods.map((method) => [`/${method.service}/${method.name}`, method]));
  const sessions = new Set<Http2Session>();
  const server = createServer({ settings: { initialWindowSize: WINDOW_BYTES, maxConcurrentStreams: 10_000 } });
  server.on('session', (session) => {
    sessions.add(session);
    session.setLocalWindowSize(WINDOW_BYTES * 4);
    session.on('error', () => undefined); // a client that goes away is told by the streams' signals
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const method = methods.get(String(headers[':path']));
    if (method === undefined) {
      options.onProblem?.(`no method ${headers[':path']}`);
      stream.resume();
      return refuse(options.codec, stream, new GrpcError(Code.unimplemented, `unknown method ${headers[':path']}`));
    }
    answer(options, method, stream, headers, stopped.signal).catch((error: unknown) => {
      if (!(error instanceof GrpcError) && !stream.destroyed) {
        options.onProblem?.(
          `${method.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      }
      refuse(options.codec, stream, error);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async close() {
      stopped.abort(new Error('the emulator was closed'));
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

async function answer(
  options: GrpcServerOptions,
  method: Method,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  stopped: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  stream.once('close', () => gone.abort(new Error('the client has gone')));
  const signal = AbortSignal.any([gone.signal, stopped]);
  const messages = readMessages(options.codec, method.request, stream);
  const first = await messages.next();
  const request = first.done === true ? {} : first.value;
  const about = options.faults.isPicky(method.name)
    ? { sandbox: options.sandboxOf(request), text: stringsOf(request).join('\n') }
    : undefined;
  const fault = options.faults.take(method.name, about);
  if (fault !== null && !(await passes(fault, stream, signal))) return;
  const result = method.handle({ request, rest: messages, headers, signal, fault });
  if (isStream(result)) return sendStream(options.codec, method, stream, result, fault);
  const reply = options.codec.encode(method.response, await result);
  if (fault?.kind === 'reset-after') return reset(stream);
  if (fault?.kind === 'status-after') throw errorOfStatus(fault.status);
  if (stream.destroyed) return;
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  if (fault?.kind === 'truncate') return cut(stream, reply);
  stream.end(frame(fault?.kind === 'malformed' ? GARBAGE : reply));
}

/** Every text in a message, at any depth. */
function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  return Object.values(value).flatMap(stringsOf);
}

/** Acts out a fault that comes before the call; false when the call is over. */
async function passes(fault: Fault, stream: ServerHttp2Stream, signal: AbortSignal): Promise<boolean> {
  switch (fault.kind) {
    case 'delay':
      await sleep(fault.ms, signal);
      return true;
    case 'hang':
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      return false;
    case 'reset-before':
      reset(stream);
      return false;
    case 'status':
      throw errorOfStatus(fault.status, fault.headers);
    case 'auth':
      throw errorOfStatus(401);
    default:
      return true;
  }
}

async function sendStream(
  codec: Codec,
  method: Method,
  stream: ServerHttp2Stream,
  replies: AsyncIterable<object>,
  fault: Fault | null,
): Promise<void> {
  for await (const reply of replies) {
    if (stream.destroyed) return;
    if (fault?.kind === 'status-after') throw errorOfStatus(fault.status);
    if (!stream.headersSent) stream.respond(HEADERS, { waitForTrailers: true });
    const bytes = codec.encode(method.response, reply);
    if (fault?.kind === 'malformed') {
      stream.write(frame(GARBAGE));
      continue;
    }
    const whole = stream.write(frame(bytes));
    if (fault?.kind === 'truncate') return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    if (fault?.kind === 'reset-after') return reset(stream);
    if (!whole) await drained(stream);
  }
  if (stream.destroyed) return;
  if (fault?.kind === 'truncate' || fault?.kind === 'reset-after') return reset(stream);
  if (fault?.kind === 'status-after') throw errorOfStatus(fault.status);
  if (!stream.headersSent) stream.respond(HEADERS, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end();
}

function refuse(codec: Codec, stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed || stream.closed) return;
  const known =
    error instanceof GrpcError
      ? error
      : new GrpcError(Code.internal, error instanceof Error ? error.message : String(error));
  const status = {
    'grpc-status': String(known.code),
    'grpc-message': percentEncoded(known.message),
    ...(known.retryAfterSecs === null ? {} : { 'grpc-status-details-bin': retryDetail(codec, known) }),
  };
  if (!stream.headersSent) {
    stream.respond({ ...HEADERS, ...status }, { endStream: true });
    return;
  }
  stream.once('wantTrailers', () => stream.sendTrailers(status));
  stream.end();
}

function retryDetail(codec: Codec, error: GrpcError): string {
  const value = codec.encode('modal.client.RpcRetryPolicy', { retryAfterSecs: error.retryAfterSecs });
  const details = [{ typeUrl: 'type.googleapis.com/modal.client.RPCRetryPolicy', value }];
  const status = codec.encode('modal.client.RpcStatus', { code: error.code, message: error.message, details });
  return status.toString('base64').replace(/=+$/, '');
}

/** A number that never ends: no parser takes it. */
const GARBAGE = Buffer.alloc(16, 0xff);

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

/** The head promises a whole message, and then the stream breaks off. */
function cut(stream: ServerHttp2Stream, reply: Buffer): void {
  const whole = frame(reply.byteLength === 0 ? Buffer.alloc(8) : reply);
  stream.write(whole.subarray(0, Math.ceil(whole.byteLength / 2)), () =>
    stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  );
}

/** RST of the connection, and with it of every other call on it, as a broken proxy or a killed server does it. */
function reset(stream: ServerHttp2Stream): void {
  stream.session?.socket.resetAndDestroy();
}

function isStream(value: object): value is AsyncIterable<object> {
  return Symbol.asyncIterator in value;
}

async function* readMessages(codec: Codec, type: string, stream: ServerHttp2Stream): AsyncGenerator<Message> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    held.push(chunk);
    size += chunk.byteLength;
    while (size >= 5) {
      const all = Buffer.concat(held, size);
      const length = all.readUInt32BE(1);
      const whole = size >= 5 + length;
      held = [whole ? all.subarray(5 + length) : all];
      if (!whole) break;
      size -= 5 + length;
      yield codec.decode(type, all.subarray(5, 5 + length));
    }
  }
}

function drained(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.once('drain', done);
    stream.once('close', done);
  });
}

/** Only `%` and what is not printable ASCII (gRPC over HTTP/2, Status-Message). */
function percentEncoded(text: string): string {
  return text.replace(/[^ -$&-~]+/g, (part) => encodeURIComponent(part));
}
