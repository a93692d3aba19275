/** Finding and removing what is ours, by name; whose it is, by our own notes, then by the labels inside the sandbox. */
import { HarnessError, PlumblineError, SandboxLostError } from '../../exception/errors.js';
import type { ListScope, Owner, ProviderContext, SandboxRef } from '../../model/provider.js';
import { bounded } from '../bounded.js';
import { REMOTE_DIR } from '../remote/shell.js';
import { again, type Cloud } from './calls.js';
import { isNotFound } from './errors.js';
import { parseLabels } from './label-store.js';
import { expiryOf, sandboxName } from './names.js';
import type { SdkSandboxInfo } from './sdk.js';

/** In every sandbox of ours, for `list` on a machine that did not make it. */
export const LABELS_FILE = `${REMOTE_DIR}/labels.json`;
/** Milliseconds for the labels of one sandbox that another machine made. */
const LABELS_LIMIT_MS = 15_000;

/** What the API answers at most; the SDK does not ask for more (tensorlake 0.5.89). */
const PAGE = 100;

/** Behind a full page, those that this machine made are looked at one by one: their names stand in our notes. */
export async function listOurs(cloud: Cloud, scope: ListScope): Promise<SandboxRef[]> {
  const page = await again(cloud, { what: 'list of sandboxes', call: 'look' }, (client) => client.list());
  const all = page.length < PAGE ? page : [...page, ...(await unlisted(cloud, page))];
  const ours = all.filter(({ name, status }) => name != null && expiryOf(name) !== null && status !== 'terminated');
  const refs = await Promise.all(ours.map((info) => refOf(cloud, info)));
  return refs.filter((ref) => scope === 'all' || ref.runId === scope.runId);
}

async function unlisted(cloud: Cloud, page: readonly SdkSandboxInfo[]): Promise<SdkSandboxInfo[]> {
  const listed = new Set(page.map(({ name }) => name));
  const found: SdkSandboxInfo[] = [];
  for (const name of await cloud.store.names()) {
    const info = listed.has(name) ? null : await find(cloud, name);
    if (info !== null) found.push(info);
  }
  return found;
}

/** @throws SandboxLostError when there is none of this id or name */
export function look(cloud: Cloud, idOrName: string, ctx: Partial<ProviderContext> = {}): Promise<SdkSandboxInfo> {
  const { signal, onEvent } = ctx;
  const mayRetry = (error: PlumblineError) => error.retryable && !(error instanceof SandboxLostError);
  const attempt = { what: 'look at the sandbox', of: idOrName, call: 'look', signal, onEvent, mayRetry } as const;
  return again(cloud, attempt, (client) => client.get(idOrName));
}

/** Null when there is none of this id or name. */
export async function find(
  cloud: Cloud,
  idOrName: string,
  ctx: Partial<ProviderContext> = {},
): Promise<SdkSandboxInfo | null> {
  try {
    return await look(cloud, idOrName, ctx);
  } catch (error) {
    if (error instanceof SandboxLostError) return null;
    throw error;
  }
}

/** By id, or by the name that we gave; the name of the provider follows from both fields of the reference. */
export async function destroyRef(cloud: Cloud, ref: SandboxRef): Promise<void> {
  const derived = sandboxName(ref.ref, ref.expiresAt);
  for (const idOrName of [ref.ref, derived]) {
    const info = await find(cloud, idOrName);
    // somebody's own sandbox may bear the name that we gave a trial: only an id, or a name of our making, is ours
    if (info === null || (info.sandboxId !== idOrName && info.name !== derived)) continue;
    await removeById(cloud, info.sandboxId);
    if (info.name != null) await cloud.store.forget(info.name);
  }
  await cloud.store.forget(derived);
}

/** Deletes by id; what is gone is no error. */
export async function removeById(cloud: Cloud, id: string, onEvent?: ProviderContext['onEvent']): Promise<void> {
  await again(cloud, { what: 'delete', of: id, call: 'delete', onEvent }, async (client) => {
    try {
      await client.delete(id);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  });
}

/** After a failed create. Its own failure must not hide the first one: the guard and `reap` come after it. */
export async function removeQuietly(cloud: Cloud, idOrName: string): Promise<void> {
  try {
    const info = await find(cloud, idOrName);
    if (info !== null) await removeById(cloud, info.sandboxId);
  } catch (error) {
    if (!(error instanceof PlumblineError)) throw error;
  }
}

async function refOf(cloud: Cloud, info: SdkSandboxInfo): Promise<SandboxRef> {
  const name = info.name ?? '';
  const owner = (await cloud.store.get(name)) ?? (await ownerInside(cloud, info)) ?? unknownOwner(name);
  return { ref: info.sandboxId, kind: 'sandbox', ...owner, state: info.status };
}

async function ownerInside({ sdk }: Cloud, info: SdkSandboxInfo): Promise<Owner | null> {
  if (info.status !== 'running') return null;
  const onExpiry = () => new HarnessError('no labels');
  try {
    return await bounded({ ms: LABELS_LIMIT_MS, onExpiry }, async () => {
      const sandbox = await sdk.connect(info.sandboxId, LABELS_LIMIT_MS / 1000);
      return parseLabels(Buffer.from(await sandbox.readFile(LABELS_FILE)).toString('utf8'));
    });
  } catch {
    return null; // not yet written, or gone meanwhile: the name still has the expiry, and that decides
  }
}

/** Of another machine and not readable: nothing but the expiry is known, and `reap` waits for it. */
function unknownOwner(name: string): Owner {
  return { runId: 'unknown', owner: 'unknown:0:0', expiresAt: expiryOf(name) ?? new Date(0).toISOString() };
}
