/** Whether a registry, or the proxy before it, lets us connect. Node's fetch has no connect limit of its own to set, and ten seconds is too long here. */
import { connect } from 'node:net';
import { errorMessage } from '../../util/cause-chain.js';
import type { ChosenProxy } from '../../util/proxy.js';
import { unreachable } from './errors.js';

/** Milliseconds; design.md section 5: a base image is bootstrapped when the registry cannot be reached within this. */
export const CONNECT_LIMIT_MS = 5_000;

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'https:': 443, 'http:': 80 };

/** Resolves once a TCP connection stood. @throws ImagePullError, `isRegistryUnreachable`, after `limitMs` at the latest */
export async function probeRegistry(base: string, limitMs = CONNECT_LIMIT_MS, signal?: AbortSignal): Promise<void> {
  await tryConnection(base, limitMs, signal).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw unreachable(new URL(base).host, error);
  });
}

/** Resolves once a TCP connection to the proxy stood. @throws as probeRegistry; the message names the proxy */
export async function probeProxy(
  base: string,
  { origin, variable }: ChosenProxy,
  limitMs = CONNECT_LIMIT_MS,
  signal?: AbortSignal,
): Promise<void> {
  await tryConnection(origin, limitMs, signal).catch((error: unknown) => {
    signal?.throwIfAborted();
    const why = `the proxy ${origin} (${variable}) cannot be reached: ${errorMessage(error)}`;
    throw unreachable(new URL(base).host, new Error(why));
  });
}

async function tryConnection(target: string, limitMs: number, signal: AbortSignal | undefined): Promise<void> {
  const url = new URL(target);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (DEFAULT_PORTS[url.protocol] ?? 443) : Number(url.port);
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port });
    const finish = (error: Error | null) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      if (error === null) resolve();
      else reject(error);
    };
    const onAbort = () => finish(signal?.reason);
    const timer = setTimeout(() => finish(new Error(`no connection within ${limitMs} ms`)), limitMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => finish(null));
    socket.once('error', finish);
  });
}
