/** Finding and removing what is ours, by labels and by name. */
import { SandboxLostError } from '../../exception/errors.js';
import type { ListScope, ProviderContext, SandboxRef } from '../../model/provider.js';
import { sleep } from '../../util/deadline.js';
import { LABEL_RUN, ownerFromLabels } from '../labels.js';
import { again, asSandbox, type Cloud, unlessMissing } from './calls.js';
import { isRepeatable, statusOf } from './errors.js';
import type { SandboxDto } from './sdk.js';

const REMOVAL_LIMIT_MS = 45_000;

/** In whatever state: those that failed to start or to be built are there too, and may count against the quota. */
export async function listOurs(cloud: Cloud, scope: ListScope): Promise<SandboxRef[]> {
  const labels = scope === 'all' ? {} : { labels: { [LABEL_RUN]: scope.runId } };
  const found = await again(cloud, { what: 'list sandboxes', call: 'control' }, async () => {
    const all: SandboxDto[] = [];
    for await (const sandbox of cloud.client.list(labels)) all.push(asSandbox(sandbox));
    return all;
  });
  return found.flatMap(({ id, state, labels: own }) => {
    const owner = ownerFromLabels(own ?? {});
    return owner === null || state === 'destroyed' ? [] : [{ ref: id, kind: 'sandbox', ...owner, state }];
  });
}

/** By id or unique name. Null when there is none. */
export async function findSandbox(
  cloud: Cloud,
  idOrName: string,
  { signal, onEvent }: Partial<ProviderContext> = {},
): Promise<SandboxDto | null> {
  const attempt = { what: 'look for the sandbox', of: idOrName, call: 'control', signal, onEvent } as const;
  return again(cloud, attempt, async (options) => {
    const reply = await unlessMissing(cloud.client.sandboxApi.getSandbox(idOrName, undefined, undefined, options));
    if (reply === null) return null;
    const sandbox = asSandbox(reply.data);
    return sandbox.state === 'destroyed' ? null : sandbox;
  });
}

/**
 * Deletes and waits until it is gone; what is gone, or belongs to another run, is left alone. A key that may not delete stops it
 * instead: it is ephemeral, so that deletes it too.
 * @throws SandboxLostError when it does not go
 */
export async function removeSandbox(
  cloud: Cloud,
  idOrName: string,
  runId: string,
  onEvent?: ProviderContext['onEvent'],
): Promise<void> {
  const ends = Date.now() + REMOVAL_LIMIT_MS;
  const { sandboxApi } = cloud.client;
  for (let asked: string | null = null; ; ) {
    const sandbox = await findSandbox(cloud, idOrName, onEvent === undefined ? {} : { onEvent });
    if (sandbox === null || !isOf(sandbox, runId)) return;
    if (sandbox.state !== 'destroying' && asked !== sandbox.id) {
      const attempt = { what: 'delete', of: sandbox.id, call: 'control', onEvent } as const;
      await again(cloud, { ...attempt, mayRetry: (error) => isRepeatable(error) || isBusy(error) }, async (options) => {
        try {
          await unlessMissing(sandboxApi.deleteSandbox(sandbox.id, undefined, options));
        } catch (error) {
          if (statusOf(error) !== 403) throw error;
          await sandboxApi.stopSandbox(sandbox.id, undefined, true, options);
        }
      });
      asked = sandbox.id;
      continue;
    }
    if (Date.now() > ends) {
      throw new SandboxLostError(
        `sandbox ${idOrName} is still there ${REMOVAL_LIMIT_MS / 1000} s after it was deleted`,
        {
          phase: 'teardown',
          providerState: sandbox.state,
        },
      );
    }
    await sleep(cloud.pollMs);
  }
}

/** Names are unique in an organisation, which others may use too. */
export function isOf({ labels }: SandboxDto, runId: string): boolean {
  return labels?.[LABEL_RUN] === runId;
}

/** Another change of its state is under way: it has to end first. */
function isBusy(error: { readonly details: { readonly cause?: unknown } }): boolean {
  return statusOf(error.details.cause) === 409 || /state change in progress/i.test(String(error.details.cause));
}
