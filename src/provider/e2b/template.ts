/**
 * Templates by name. A name is known to E2B from the first request for a build on, whatever becomes of it, and a tag of the request is
 * given before the build has begun: a mark of our own, given when a build has succeeded, says that it can be used.
 */
import { randomBytes } from 'node:crypto';
import type { PlumblineError } from '../../exception/errors.js';
import type { ProviderContext } from '../../model/provider.js';
import { again, type Cloud, limited } from './calls.js';

/** @returns what a sandbox is created from: the last build of the name that was seen to succeed */
export function readyRef(name: string): string {
  return `${name}:ready`;
}

/** For one build: two with a tag in common cancel each other, so that hosts that build the same would never come to an end. */
export function newBuildTag(): string {
  return `build-${randomBytes(8).toString('hex')}`;
}

/** Looking, marking, and starting a build with the same tag again: the newer build replaces the older one (e2b-dev/infra, August 2026). */
export function isRepeatable(error: PlumblineError): boolean {
  const passing = ['NetworkError', 'ProviderRateLimitError', 'ProviderQuotaError'];
  return error.retryable && passing.includes(error.type);
}

/** Whether a build with this tag has succeeded. @param ref with its tag: without one, a name whose build failed exists too */
export async function templateExists(
  cloud: Cloud,
  ref: string,
  { signal, onEvent }: Pick<ProviderContext, 'signal' | 'onEvent'>,
): Promise<boolean> {
  const look = { what: 'look for the template', call: 'control', mayRetry: isRepeatable, signal, onEvent } as const;
  return await again(cloud, look, () =>
    limited(cloud, look.what, signal, (limit) => cloud.client.Template.exists(ref, { signal: limit })),
  );
}

/** Says of the build with this tag that it has succeeded. @returns `readyRef` */
export async function markReady(
  cloud: Cloud,
  name: string,
  tag: string,
  { signal, onEvent }: Pick<ProviderContext, 'signal' | 'onEvent'>,
): Promise<string> {
  const [, ready = ''] = readyRef(name).split(':');
  const mark = { what: 'mark the template', call: 'control', mayRetry: isRepeatable, signal, onEvent } as const;
  await again(cloud, mark, () =>
    limited(cloud, mark.what, signal, (limit) =>
      cloud.client.Template.assignTags(`${name}:${tag}`, [ready], { signal: limit }),
    ),
  );
  return readyRef(name);
}
