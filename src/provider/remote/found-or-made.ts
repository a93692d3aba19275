/** What is made once per host: concurrent makers of one name wait for the first, and then find it. */
import type { ProviderContext } from '../../model/provider.js';
import { withHostLock } from '../host-lock.js';

/** @param lock directory of the locks, and the name under which the thing is found */
export async function foundOrMade<T>(
  lock: { readonly dir: string; readonly name: string },
  { signal, onEvent }: ProviderContext,
  find: () => Promise<T | null>,
  make: () => Promise<T>,
): Promise<T> {
  const found = await find();
  if (found !== null) return found;
  const onWait = () => onEvent('waiting for the same build in another process');
  return withHostLock(lock.dir, lock.name, signal, onWait, async () => (await find()) ?? (await make()));
}
