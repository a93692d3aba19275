/** Finding and removing what is ours, by metadata. */
import { ProviderAuthError, SandboxLostError } from '../../exception/errors.js';
import type { ListScope, ProviderContext, SandboxRef } from '../../model/provider.js';
import { LABEL_RUN, type Labels, nameLabels, ownerFromLabels } from '../labels.js';
import { again, type Cloud, limited } from './calls.js';
import type { SandboxInfo } from './sdk.js';

type OnEvent = ProviderContext['onEvent'];

/** Running and paused ones that carry these labels. */
export async function findByLabels(cloud: Cloud, metadata: Labels, onEvent?: OnEvent): Promise<SandboxInfo[]> {
  return await again(cloud, { what: 'list sandboxes', call: 'control', onEvent }, async () => {
    const pages = cloud.client.Sandbox.list({ query: { metadata } });
    const found: SandboxInfo[] = [];
    while (pages.hasNext) found.push(...(await pages.nextItems()));
    return found;
  });
}

/** The API matches whole values only, so "all of ours" is everything that has our labels. */
export async function listOurs(cloud: Cloud, scope: ListScope): Promise<SandboxRef[]> {
  const found = await findByLabels(cloud, scope === 'all' ? {} : { [LABEL_RUN]: scope.runId });
  return found.flatMap((info) => {
    const owner = ownerFromLabels(info.metadata);
    return owner === null ? [] : [{ ref: info.sandboxId, kind: 'sandbox', ...owner, state: info.state }];
  });
}

/** @throws SandboxLostError when there is none of this id */
export async function look(cloud: Cloud, id: string, { signal, onEvent }: ProviderContext): Promise<SandboxInfo> {
  const attempt = { what: 'look at the sandbox', of: id, call: 'control', signal, onEvent } as const;
  return await again(cloud, attempt, () =>
    limited(cloud, attempt.what, signal, (limit) => cloud.client.Sandbox.getInfo(id, { signal: limit })),
  );
}

/** By id, or by the name in the spec; what is gone is no error. */
export async function destroyRef(cloud: Cloud, ref: SandboxRef): Promise<void> {
  await kill(cloud, ref.ref);
  await killNamed(cloud, nameLabels(ref.ref, ref));
}

/** Every sandbox of the name: a create whose reply was lost may have arrived late. */
export async function killNamed(cloud: Cloud, labels: Labels, onEvent?: OnEvent): Promise<void> {
  for (const info of await findByLabels(cloud, labels, onEvent)) await kill(cloud, info.sandboxId, onEvent);
}

/** @throws SandboxLostError in phase teardown when it may still be there */
export async function removeSandbox(cloud: Cloud, id: string, labels: Labels, onEvent?: OnEvent): Promise<void> {
  try {
    await kill(cloud, id, onEvent);
    await killNamed(cloud, labels, onEvent);
  } catch (cause) {
    if (cause instanceof ProviderAuthError) throw cause;
    throw new SandboxLostError(`sandbox ${id} could not be removed`, { cause, phase: 'teardown' });
  }
}

export async function kill(cloud: Cloud, id: string, onEvent?: OnEvent): Promise<void> {
  const attempt = { what: 'delete', of: id, call: 'control', onEvent } as const;
  await again(cloud, attempt, () => cloud.client.Sandbox.kill(id));
}
