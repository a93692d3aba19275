/** A sandbox that lives while the files of a stage are read: known to the journal first, named, and never two for one. */
import { randomBytes } from 'node:crypto';
import type { PlumblineError } from '../../exception/errors.js';
import type { Owner, ProviderContext } from '../../model/provider.js';
import { LABEL_NAME, nameLabels, ownerLabels } from '../labels.js';
import { again, type Cloud, limited } from './calls.js';
import { findByLabels, kill, killNamed } from './list.js';
import type { E2bSandbox } from './sdk.js';

export interface StageContext extends Pick<ProviderContext, 'signal' | 'announce'> {
  readonly owner: Owner;
  readonly onEvent?: ProviderContext['onEvent'];
}

/** Milliseconds after which it ends by itself, whatever became of us. */
const LIFETIME_MS = 10 * 60_000;

export async function withStageSandbox<T>(
  cloud: Cloud,
  template: string,
  ctx: StageContext,
  work: (sandbox: E2bSandbox) => Promise<T>,
): Promise<T> {
  const name = `stage-${randomBytes(6).toString('hex')}`;
  const gone = await ctx.announce?.(name);
  let made: E2bSandbox | null = null;
  try {
    made = await create(cloud, template, name, ctx);
    return await work(made);
  } finally {
    try {
      if (made !== null) await kill(cloud, made.sandboxId);
      await killNamed(cloud, nameLabels(name, ctx.owner)); // a create whose reply was lost may have arrived
      await gone?.();
    } catch {
      // It stays in the journal and keeps its labels for `reap`, and ends by its lifetime; what came of the work counts.
    }
  }
}

/** After a lost reply the sandbox is looked for by name, and taken over when it is there. */
async function create(
  cloud: Cloud,
  template: string,
  name: string,
  { owner, signal, onEvent }: StageContext,
): Promise<E2bSandbox> {
  const { client } = cloud;
  const metadata = { ...ownerLabels(owner), [LABEL_NAME]: name };
  const mayRetry = (error: PlumblineError) => error.retryable;
  return await again(
    cloud,
    { what: 'create the sandbox of a stage', call: 'create', signal, onEvent, mayRetry },
    async (attempt) => {
      const found = attempt === 1 ? undefined : (await findByLabels(cloud, nameLabels(name, owner), onEvent))[0];
      if (found !== undefined) {
        return limited(cloud, 'connect', signal, (limit) =>
          client.Sandbox.connect(found.sandboxId, { timeoutMs: LIFETIME_MS, signal: limit }),
        );
      }
      return limited(cloud, 'create', signal, (limit) =>
        client.Sandbox.create(template, { metadata, timeoutMs: LIFETIME_MS, signal: limit }),
      );
    },
  );
}
