/** Finding and removing what is ours, by tags. */
import { SandboxLostError } from '../../exception/errors.js';
import type { ListScope, ProviderContext, SandboxRef } from '../../model/provider.js';
import { LABEL_RUN, type Labels, nameLabels, ownerFromLabels } from '../labels.js';
import { again, type Cloud } from './calls.js';
import { grpcCode } from './errors.js';
import type { SandboxRow, Tag } from './sdk.js';

const NOT_FOUND = 5;

type OnEvent = ProviderContext['onEvent'];

/** Running ones of our app that carry these tags, the newest first. */
export async function findByLabels(cloud: Cloud, labels: Labels, onEvent?: OnEvent): Promise<SandboxRow[]> {
  const { client, app } = cloud;
  return await again(cloud, { what: 'list sandboxes', call: 'control', onEvent }, async () => {
    const found: SandboxRow[] = [];
    const tags = tagsOf(labels);
    for (let beforeTimestamp = 0; ; ) {
      const { sandboxes } = await client.cpClient.sandboxListV2({ appId: app.appId, beforeTimestamp, tags });
      found.push(...sandboxes);
      const oldest = sandboxes.at(-1)?.createdAt;
      if (oldest === undefined) return found;
      beforeTimestamp = oldest;
    }
  });
}

export async function listOurs(cloud: Cloud, scope: ListScope): Promise<SandboxRef[]> {
  const found = await findByLabels(cloud, scope === 'all' ? {} : { [LABEL_RUN]: scope.runId });
  return found.flatMap((row) => {
    const owner = ownerFromLabels(labelsOf(row.tags));
    return owner === null ? [] : { ref: row.id, kind: 'sandbox', ...owner, state: 'running' };
  });
}

/** By id, or by the name in the spec; what is gone is no error. */
export async function destroyRef(cloud: Cloud, ref: SandboxRef): Promise<void> {
  if (ref.ref.startsWith('sb-')) await terminate(cloud, ref.ref);
  await terminateNamed(cloud, nameLabels(ref.ref, ref));
}

/** Also a second sandbox of the same name: a create whose reply was lost may have arrived late. */
export async function terminateNamed(cloud: Cloud, labels: Labels, onEvent?: OnEvent): Promise<void> {
  for (const row of await findByLabels(cloud, labels, onEvent)) await terminate(cloud, row.id, onEvent);
}

/** @throws SandboxLostError in phase teardown when it may still be there */
export async function terminate(cloud: Cloud, sandboxId: string, onEvent?: OnEvent): Promise<void> {
  const mayRetry = (error: { retryable: boolean }) => error.retryable;
  try {
    await again(cloud, { what: 'delete', of: sandboxId, call: 'control', mayRetry, onEvent }, async () => {
      try {
        await cloud.client.cpClient.sandboxTerminateV2({ sandboxId });
      } catch (error) {
        if (grpcCode(error) !== NOT_FOUND) throw error;
      }
    });
  } catch (cause) {
    throw new SandboxLostError(`sandbox ${sandboxId} could not be removed`, { cause, phase: 'teardown' });
  }
}

export function tagsOf(labels: Labels): Tag[] {
  return Object.entries(labels).map(([tagName, tagValue]) => ({ tagName, tagValue }));
}

function labelsOf(tags: readonly Tag[]): Labels {
  return Object.fromEntries(tags.map(({ tagName, tagValue }) => [tagName, tagValue]));
}
