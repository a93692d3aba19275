/** ADD of a URL. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { NetworkError } from '../../exception/errors.js';
import { errorMessage } from '../../util/cause-chain.js';
import { DIRECT, ProxyError, type Web } from '../../util/web.js';
import { CopyError } from './copy/error.js';

export interface Download {
  /** File name that the URL gives it. */
  readonly name: string;
  readonly dir: string;
  /** `sha256:…` of the bytes. */
  readonly digest: string;
}

export function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/** Sources that BuildKit would clone. */
export function isGitSource(source: string): boolean {
  return /^git@|^git:\/\/|^ssh:\/\/|^https?:\/\/[^#?]*\.git(?:[#?]|$)/.test(source);
}

/** The last part of the URL's path. */
export function nameOfUrl(url: string): string {
  const name = decodeURIComponent(new URL(url).pathname).split('/').filter(Boolean).at(-1);
  return name ?? '__unnamed__';
}

/**
 * Fetches a file into a directory: mode 0600, the time of Last-Modified or the epoch, as BuildKit does.
 * @throws NetworkError when the host cannot be reached, CopyError for an HTTP error or a wrong checksum
 */
export async function download(
  url: string,
  dir: string,
  checksum: string | null,
  signal: AbortSignal,
  web: Web = DIRECT,
): Promise<Download> {
  let response: Response;
  try {
    response = await web.fetch(url, { signal });
  } catch (error) {
    signal.throwIfAborted();
    const cause =
      error instanceof Error && error.cause !== undefined && !(error instanceof ProxyError) ? error.cause : error;
    throw new NetworkError(`ADD ${url}: ${errorMessage(cause)}`, { cause: error });
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new CopyError(`invalid response status ${response.status}`);
  }
  const name = nameOfUrl(url);
  const path = join(dir, name);
  const hash = createHash('sha256');
  const body = Readable.fromWeb(response.body);
  body.on('data', (chunk: Buffer) => hash.update(chunk));
  await pipeline(body, createWriteStream(path), { signal });
  const digest = `sha256:${hash.digest('hex')}`;
  if (checksum !== null && checksum !== digest) {
    throw new CopyError(`digest mismatch sha256 of ${url}: ${digest}, expected ${checksum}`);
  }
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  const time = Number.isNaN(modified) ? 0 : modified / 1000;
  await chmod(path, 0o600);
  await utimes(path, time, time);
  return { name, dir, digest };
}
