/** What an image's name means now, and what the image says about itself (ENV, USER …), from its registry: no layer is fetched. */
import { createHash } from 'node:crypto';
import { HarnessError, ImagePullError } from '../../exception/errors.js';
import {
  choosePlatform,
  MANIFEST_TYPES,
  type Manifest,
  parseImageConfig,
  parseManifest,
} from '../../image/oci-documents.js';
import { parseReference } from '../../image/reference.js';
import { registryAccess } from '../../image/registry/access.js';
import { openRegistry, type RegistryClient } from '../../image/registry/client.js';
import { isRegistryUnreachable } from '../../image/registry/errors.js';
import { apiHost } from '../../image/registry/hosts.js';
import type { OciImageConfig } from '../../image/types.js';
import type { Platform } from '../../model/image.js';
import { bounded } from '../bounded.js';

export interface BaseConfig {
  readonly config: OciImageConfig;
  /** False: the registry could not be reached, and what stands here is what most base images say. */
  readonly known: boolean;
  /** What the name means now: of its index, where it is one, as `docker pull` prints it. Null: the registry could not be reached. */
  readonly digest: string | null;
}

export type BaseConfigs = (ref: string, platform: Platform, signal: AbortSignal) => Promise<BaseConfig>;

interface LookUp {
  readonly result: Promise<BaseConfig>;
  readonly stop: AbortController;
  /** Callers that have no answer yet. */
  waiting: number;
  answered: boolean;
}

/**
 * Looks each image up once, for everybody: registries count. A caller that gives up leaves the others' answer alone.
 * @param env of the caller: credentials, mirrors and proxies
 */
export function createBaseConfigs(env: Readonly<Record<string, string | undefined>>): BaseConfigs {
  const known = new Map<string, LookUp>();
  const start = (key: string, ref: string, platform: Platform): LookUp => {
    const stop = new AbortController();
    const found: LookUp = { result: lookUp(ref, platform, env, stop.signal), stop, waiting: 0, answered: false };
    known.set(key, found);
    found.result.then(
      () => {
        found.answered = true;
      },
      () => {
        if (known.get(key) === found) known.delete(key); // the next one asks again
      },
    );
    return found;
  };
  return async (ref, platform, signal) => {
    const key = `${ref} ${platform}`;
    const found = known.get(key) ?? start(key, ref, platform);
    const onExpiry = () => new HarnessError('unreachable: there is no limit');
    found.waiting += 1;
    try {
      return await bounded({ ms: null, onExpiry, signal }, () => found.result);
    } finally {
      found.waiting -= 1;
      if (found.waiting === 0 && !found.answered) {
        if (known.get(key) === found) known.delete(key); // what was stopped must not be joined
        found.stop.abort(signal.reason);
      }
    }
  };
}

async function lookUp(
  ref: string,
  platform: Platform,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<BaseConfig> {
  const reference = parseReference(ref);
  const { mirrors, ...access } = registryAccess(env);
  const endpoints = [...(mirrors[reference.registry] ?? []), apiHost(reference.registry)];
  const target = reference.digest ?? reference.tag ?? 'latest';
  for (const [index, endpoint] of endpoints.entries()) {
    try {
      const client = await openRegistry(endpoint, reference.repository, access, signal);
      return { ...(await configOf(client, target, platform, ref, signal)), known: true };
    } catch (error) {
      signal.throwIfAborted();
      if (index < endpoints.length - 1) continue; // a mirror may fail in any way
      if (isRegistryUnreachable(error)) break;
      throw error;
    }
  }
  return { config: usualConfig(platform), known: false, digest: reference.digest };
}

async function configOf(
  client: RegistryClient,
  target: string,
  platform: Platform,
  what: string,
  signal: AbortSignal,
): Promise<Pick<BaseConfig, 'config' | 'digest'>> {
  const manifestOf = async (name: string) => {
    const headers = { accept: MANIFEST_TYPES.join(', ') };
    const response = await client.get(`manifests/${name}`, { what, headers, signal });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    return { digest, document: parseManifest(bytes, what) };
  };
  const top = await manifestOf(target);
  let { document } = top;
  if ('index' in document) {
    document = (await manifestOf(choosePlatform(document.index, platform, what).digest)).document;
  }
  if ('index' in document) throw new ImagePullError(`${what} is an index of indexes`, { retryable: false });
  const manifest: Manifest = document.manifest;
  const response = await client.get(`blobs/${manifest.config.digest}`, { what, signal });
  const config = parseImageConfig(new Uint8Array(await response.arrayBuffer()), what);
  return { config, digest: top.digest };
}

/** Docker's PATH, root, `/`, nothing that starts by itself: Debian, Ubuntu, Fedora and Alpine say just that. */
export function usualConfig(platform: Platform): OciImageConfig {
  const [os = 'linux', architecture = ''] = platform.split('/');
  return {
    os,
    architecture,
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: [] },
  };
}
