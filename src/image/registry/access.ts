/** How this user reaches registries: credentials, mirrors and proxies, from the environment that the caller passes in. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentDefinitionError } from '../../exception/errors.js';
import { webAccess } from '../../util/web.js';
import { dockerCredentials } from './credentials.js';
import { DOCKER_HUB_ALIASES, DOCKER_HUB_NAME } from './hosts.js';
import type { PullOptions } from './pull.js';

/**
 * `REGISTRY=URL` pairs, or bare URLs that stand for Docker Hub's mirrors, separated by spaces or commas; asked in this order.
 */
export const MIRRORS_VARIABLE = 'PLUMBLINE_REGISTRY_MIRRORS';

/** @throws EnvironmentDefinitionError when the variable holds something that is no mirror */
export function registryAccess(
  env: Readonly<Record<string, string | undefined>>,
): Required<Pick<PullOptions, 'credentials' | 'mirrors' | 'web'>> {
  return {
    credentials: dockerCredentials(env['DOCKER_CONFIG'] || join(env['HOME'] || homedir(), '.docker')),
    mirrors: parseMirrors(env[MIRRORS_VARIABLE] ?? ''),
    web: webAccess(env),
  };
}

export function parseMirrors(text: string): Record<string, string[]> {
  const mirrors: Record<string, string[]> = {};
  for (const item of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const equals = item.indexOf('=');
    const named = equals === -1 ? DOCKER_HUB_NAME : item.slice(0, equals);
    const registry = DOCKER_HUB_ALIASES.includes(named) ? DOCKER_HUB_NAME : named;
    const mirror = item.slice(equals + 1);
    if (registry === '' || !URL.canParse(mirror.includes('://') ? mirror : `https://${mirror}`)) {
      throw new EnvironmentDefinitionError(`${MIRRORS_VARIABLE}: "${item}" is not REGISTRY=URL.`);
    }
    mirrors[registry] = [...(mirrors[registry] ?? []), mirror];
  }
  return mirrors;
}
