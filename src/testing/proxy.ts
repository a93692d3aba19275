/** An HTTP proxy that counts, and a TLS front for servers that speak plain HTTP: for tests of what goes where. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { TEST_CERTIFICATE, TEST_KEY } from './test-certificate.js';

export interface ProxyRequest {
  /** `CONNECT` for a tunnel; the request's own method in absolute form. */
  readonly method: string;
  /** `host:port` that was asked for. */
  readonly target: string;
  /** 407 and so on; 200: let through. */
  readonly status: number;
}

export interface TestProxy {
  /** `http://127.0.0.1:PORT`, without credentials. */
  readonly url: string;
  readonly port: number;
  readonly requests: ProxyRequest[];
  close(): Promise<void>;
}

export interface TestProxyOptions {
  /** Where a host that only this proxy knows really is, as a port of loopback; null: 502. */
  readonly route: (host: string, port: number) => number | null;
  /** `user:password`; without them a client gets 407. */
  readonly credentials?: string;
}

export async function startProxy({ route, credentials }: TestProxyOptions): Promise<TestProxy> {
  const requests: ProxyRequest[] = [];
  const sockets = new Set<Socket>();
  const judge = (incoming: IncomingMessage, target: URL) => {
    const port = Number(target.port || 80);
    const given = incoming.headers['proxy-authorization'];
    const allowed = credentials === undefined || given === `Basic ${Buffer.from(credentials).toString('base64')}`;
    const to = route(target.hostname, port);
    const status = allowed ? (to === null ? 502 : 200) : 407;
    requests.push({ method: incoming.method ?? '', target: `${target.hostname}:${port}`, status });
    return { status, to: to ?? 0 };
  };
  const server = createServer((incoming, response) => {
    if (!URL.canParse(incoming.url ?? '')) return void response.writeHead(400).end('not for a proxy');
    const target = new URL(incoming.url ?? '');
    const { status, to } = judge(incoming, target);
    if (status !== 200) return void response.writeHead(status, { 'proxy-authenticate': 'Basic realm="test"' }).end();
    forward(incoming, response, `${target.pathname}${target.search}`, to);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('connect', (incoming: IncomingMessage, client: Socket, head: Buffer) => {
    client.on('error', () => client.destroy());
    const { status, to } = judge(incoming, new URL(`http://${incoming.url}`));
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} Refused\r\nProxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect(to, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    joined(client, upstream, sockets);
  });
  const port = await listening(server);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    close: () => closed(server, sockets),
  };
}

export interface TlsFront {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Speaks TLS, with a certificate of the test authority, in front of a port of loopback.
 * @param protocol what ALPN agrees on: `h2` for gRPC
 */
export async function startTlsFront(port: number, protocol: 'http/1.1' | 'h2' = 'http/1.1'): Promise<TlsFront> {
  const sockets = new Set<Socket>();
  const options = { key: TEST_KEY, cert: TEST_CERTIFICATE, ALPNProtocols: [protocol] };
  const server = createTlsServer(options, (client) => {
    const upstream = connect(port, '127.0.0.1');
    upstream.pipe(client).pipe(upstream);
    joined(client, upstream, sockets);
  });
  server.on('tlsClientError', () => undefined); // a client that does not trust the certificate is what some tests are about
  return { port: await listening(server), close: () => closed(server, sockets) };
}

/** The same for HTTP/1.1 where paths are others behind it. */
export async function startHttpsFront(
  port: number,
  rewrite: (host: string, path: string) => string,
): Promise<TlsFront> {
  const sockets = new Set<Socket>();
  const server = createHttpsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (incoming, response) =>
    forward(incoming, response, rewrite(incoming.headers.host ?? '', incoming.url ?? '/'), port),
  );
  server.on('tlsClientError', () => undefined);
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return { port: await listening(server), close: () => closed(server, sockets) };
}

function forward(incoming: IncomingMessage, response: ServerResponse, path: string, port: number): void {
  const { 'proxy-authorization': _, 'proxy-connection': __, ...headers } = incoming.headers;
  const upstream = request({ host: '127.0.0.1', port, method: incoming.method, path, headers }, (reply) => {
    response.writeHead(reply.statusCode ?? 502, reply.headers);
    reply.pipe(response);
  });
  upstream.on('error', () => response.destroy());
  incoming.pipe(upstream);
}

function joined(one: Socket, other: Socket, sockets: Set<Socket>): void {
  for (const [socket, peer] of [
    [one, other],
    [other, one],
  ] as const) {
    sockets.add(socket);
    socket.on('error', () => peer.destroy());
    socket.once('close', () => {
      sockets.delete(socket);
      peer.destroy();
    });
  }
}

async function listening(server: Server | ReturnType<typeof createTlsServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server | ReturnType<typeof createTlsServer>, sockets: Set<Socket>): Promise<void> {
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await done;
}
