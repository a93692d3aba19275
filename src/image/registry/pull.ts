/** Images from registries into the store (OCI distribution spec v1.1). Every byte is verified against the digest that named it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  EnvironmentDefinitionError,
  ImagePullError,
  PlumblineError,
  RegistryRateLimitError,
} from '../../exception/errors.js';
import type { Platform } from '../../model/image.js';
import { createLimiter } from '../../util/limit.js';
import type { Web } from '../../util/web.js';
import { decompressed } from '../archive/decompress.js';
import {
  choosePlatform,
  type Descriptor,
  MANIFEST_TYPES,
  type Manifest,
  parseImageConfig,
  parseManifest,
} from '../oci-documents.js';
import { hostPlatform } from '../platform.js';
import { canonicalName, familiarName, type ImageReference, parseReference } from '../reference.js';
import type { LocalImageStore } from '../store/store.js';
import type { OciImageConfig, StoredImage } from '../types.js';
import { openRegistry, type RegistryClient } from './client.js';
import type { CredentialSource } from './credentials.js';
import { type DownloadOptions, downloadBlob, downloadSmall, type LazyClient } from './download.js';
import { isRegistryUnreachable } from './errors.js';
import { apiHost } from './hosts.js';

export interface PullOptions {
  readonly credentials: CredentialSource;
  /** Default: the machine's own. */
  readonly platform?: Platform;
  /** Registry of a name (`docker.io`) → hosts or URLs that are asked first. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Default: Node's fetch, without a proxy. */
  readonly web?: Web;
  readonly signal?: AbortSignal;
  /** One line per step. */
  readonly onLog?: (line: string) => void;
  /** Milliseconds; tests shorten them. */
  readonly connectLimitMs?: number;
  readonly backoffMs?: number;
  readonly stallMs?: number;
}

const LAYERS_AT_ONCE = 3;
const MAX_MANIFEST = 16 * 1024 * 1024;

/**
 * Pulls an image, or finds that the store has it already. The image gets the name that was asked for and the digest's name.
 * @throws ImagePullError (`isRegistryUnreachable` tells the case without a connection), RegistryRateLimitError,
 *   DiskFullError, EnvironmentDefinitionError for a malformed name
 */
export async function pullImage(store: LocalImageStore, ref: string, options: PullOptions): Promise<StoredImage> {
  const { signal, onLog = () => undefined, platform = hostPlatform() } = options;
  const reference = parseReference(ref);
  const what = familiarName(reference);
  const { client, clients, top } = await findManifest(reference, what, options);
  const chosen = 'index' in top.document ? choosePlatform(top.document.index, platform, what) : null;
  const own = chosen === null ? top : await fetchManifest(client, chosen.digest, chosen.digest, what, signal);
  if ('index' in own.document) throw new ImagePullError(`${what} is an index of indexes.`, { retryable: false });
  const { manifest } = own.document;
  const download: DownloadOptions = {
    what,
    ...(signal && { signal }),
    ...(options.stallMs !== undefined && { stallMs: options.stallMs }),
    ...(options.backoffMs !== undefined && { backoffMs: options.backoffMs }),
  };
  const refs = [canonicalName(reference), `${reference.registry}/${reference.repository}@${top.digest}`];
  const existing = await store.get(manifest.config.digest);
  if (existing !== null) {
    for (const name of refs) await store.tag(existing.digest, name);
    onLog(`${what} is up to date`);
    return (await store.get(existing.digest)) ?? existing;
  }
  const configBytes = await withBlobLock(store, manifest.config, signal, (file) =>
    downloadSmall(clients, manifest.config, file, download),
  );
  const config = parseImageConfig(configBytes, what);
  await using _use = await store.use(config.rootfs.diff_ids); // also those that are here already
  await pullLayers(store, clients, manifest, config, { download, onLog });
  const image = await store.putImage({ config, configBytes, refs, provenance: 'pull', manifestDigest: own.digest });
  onLog(`${what} is ${image.digest}`);
  return image;
}

interface FetchedManifest {
  readonly document: { manifest: Manifest } | { index: Descriptor[] };
  readonly digest: string;
}

interface FoundManifest {
  /** The endpoint that answered first. */
  readonly client: RegistryClient;
  /** That one, then those after it in the order of preference. */
  readonly clients: readonly LazyClient[];
  readonly top: FetchedManifest;
}

/** Mirrors in order, then the registry. A mirror may fail in any way; what the registry itself says is final. */
async function findManifest(reference: ImageReference, what: string, options: PullOptions): Promise<FoundManifest> {
  const { signal, onLog = () => undefined } = options;
  const endpoints = [...(options.mirrors?.[reference.registry] ?? []), apiHost(reference.registry)];
  const target = reference.digest ?? reference.tag ?? 'latest';
  let mirrorError: unknown = null;
  for (const [index, endpoint] of endpoints.entries()) {
    const isLast = index === endpoints.length - 1;
    try {
      const client = await openRegistry(endpoint, reference.repository, options, signal);
      const top = await fetchManifest(client, target, reference.digest, what, signal);
      const rest = endpoints.slice(index + 1).map((next) => lazily(next, reference, options));
      return { client, clients: [async () => client, ...rest], top };
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof PlumblineError)) throw error;
      // a mirror's rate limit is worth more than "the registry cannot be reached"
      if (isLast && isRegistryUnreachable(error) && mirrorError instanceof RegistryRateLimitError) throw mirrorError;
      if (isLast) throw error;
      onLog(`mirror ${endpoint}: ${error.message}`);
      mirrorError = error;
    }
  }
  throw new EnvironmentDefinitionError(`${what} names no registry.`);
}

/** Fallbacks for blobs; connected to only when they are needed, for in a closed network they cannot be. */
function lazily(endpoint: string, reference: ImageReference, options: PullOptions): LazyClient {
  let client: Promise<RegistryClient> | null = null;
  return () => {
    client ??= openRegistry(endpoint, reference.repository, options, options.signal);
    return client;
  };
}

async function fetchManifest(
  client: RegistryClient,
  target: string,
  expected: string | null,
  what: string,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  const response = await client.get(`manifests/${target}`, {
    what,
    headers: { accept: MANIFEST_TYPES.join(', ') },
    ...(signal && { signal }),
  });
  const length = Number(response.headers.get('content-length'));
  const bytes = length > MAX_MANIFEST ? null : Buffer.from(await response.arrayBuffer());
  if (bytes === null) throw new ImagePullError(`The manifest of ${what} is too large.`, { retryable: false });
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const claimed = expected ?? response.headers.get('docker-content-digest');
  if (claimed !== null && /^sha256:/.test(claimed) && claimed !== digest) {
    throw new ImagePullError(`The manifest of ${what} is damaged: its content is ${digest}, not ${claimed}.`);
  }
  return { document: parseManifest(bytes, what), digest };
}

async function pullLayers(
  store: LocalImageStore,
  clients: readonly LazyClient[],
  manifest: Manifest,
  config: OciImageConfig,
  { download, onLog }: { download: DownloadOptions; onLog: (line: string) => void },
): Promise<void> {
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new ImagePullError(
      `${download.what} has ${manifest.layers.length} layers for ${diffIds.length} in its config.`,
      {
        retryable: false,
      },
    );
  }
  const stop = new AbortController();
  const signal = download.signal === undefined ? stop.signal : AbortSignal.any([download.signal, stop.signal]);
  const run = createLimiter(LAYERS_AT_ONCE);
  const blobs = new Map(diffIds.map((diffId, index) => [diffId, manifest.layers[index]] as const));
  const work = [...blobs].map(([expectedDiffId, blob]) =>
    run(async () => {
      signal.throwIfAborted();
      if (blob === undefined || (await store.getLayer(expectedDiffId)) !== null) return;
      await withBlobLock(store, blob, signal, async (file) => {
        if ((await store.getLayer(expectedDiffId)) !== null) return; // another process was faster
        onLog(`layer ${blob.digest} (${blob.size} bytes)`);
        await downloadBlob(clients, blob, file, { ...download, signal });
        await store.putLayer(decompressed(createReadStream(file)), { expectedDiffId, signal });
        await rm(file, { force: true });
      });
    }),
  );
  try {
    await Promise.all(work);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(work); // nothing of ours may write to the store any more when the caller hears of it
    throw error;
  }
}

async function withBlobLock<T>(
  store: LocalImageStore,
  blob: Descriptor,
  signal: AbortSignal | undefined,
  work: (file: string) => Promise<T>,
): Promise<T> {
  await using _lock = await store.lock(`download ${blob.digest}`, signal);
  return await work(join(store.downloads, blob.digest.slice('sha256:'.length)));
}
