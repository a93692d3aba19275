/** What an image says about itself (ENV, USER, WORKDIR, ENTRYPOINT, ONBUILD), from its registry: no layer is fetched. */
import { ImagePullError } from '../../exception/errors.js';
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

export interface BaseConfig {
  readonly config: OciImageConfig;
  /** False: the registry could not be reached, and what stands here is what most base images say. */
  readonly known: boolean;
}

export type BaseConfigs = (ref: string, platform: Platform, signal: AbortSignal) => Promise<BaseConfig>;

/** Looks each image up once per process. @param env of the caller: credentials, mirrors and proxies */
export function createBaseConfigs(env: Readonly<Record<string, string | undefined>>): BaseConfigs {
  const known = new Map<string, Promise<BaseConfig>>();
  return (ref, platform, signal) => {
    const key = `${ref} ${platform}`;
    const found = known.get(key) ?? lookUp(ref, platform, env, signal);
    known.set(key, found);
    found.catch(() => known.delete(key)); // the next one asks again
    return found;
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
      return { config: await configOf(client, target, platform, ref, signal), known: true };
    } catch (error) {
      signal.throwIfAborted();
      if (index < endpoints.length - 1) continue; // a mirror may fail in any way
      if (isRegistryUnreachable(error)) return { config: usualConfig(platform), known: false };
      throw error;
    }
  }
  return { config: usualConfig(platform), known: false };
}

async function configOf(
  client: RegistryClient,
  target: string,
  platform: Platform,
  what: string,
  signal: AbortSignal,
): Promise<OciImageConfig> {
  const manifestOf = async (name: string) => {
    const headers = { accept: MANIFEST_TYPES.join(', ') };
    const response = await client.get(`manifests/${name}`, { what, headers, signal });
    return parseManifest(new Uint8Array(await response.arrayBuffer()), what);
  };
  let document = await manifestOf(target);
  if ('index' in document) document = await manifestOf(choosePlatform(document.index, platform, what).digest);
  if ('index' in document) throw new ImagePullError(`${what} is an index of indexes`, { retryable: false });
  const manifest: Manifest = document.manifest;
  const response = await client.get(`blobs/${manifest.config.digest}`, { what, signal });
  return parseImageConfig(new Uint8Array(await response.arrayBuffer()), what);
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
