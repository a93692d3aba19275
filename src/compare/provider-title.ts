/** Providers and trials by the names under which results are shown: those of an emulator say so. */
import type { ProviderRecord, TrialRecord } from '../model/record.js';
import { providerTitle } from '../model/words.js';

type Known = Pick<ProviderRecord, 'name' | 'emulated'>;

/** Titles by name; a name that is not among the providers is its own title. */
export function providerTitles(providers: Iterable<Known>): (name: string) => string {
  const titles = new Map([...providers].map((provider) => [provider.name, providerTitle(provider)]));
  return (name) => titles.get(name) ?? name;
}

/** Where a trial ran. */
export function placeOf({ provider, emulated }: Pick<TrialRecord, 'provider' | 'emulated'>): string {
  return providerTitle({ name: provider, emulated });
}

/** `e2b/hello-world__abc (emulated)`: the address of a trial stays as it is, so that it can be searched for. */
export function keyTitle(key: string, providers: Iterable<Known>): string {
  const [name] = key.split('/', 1);
  return [...providers].some((provider) => provider.name === name && provider.emulated) ? `${key} (emulated)` : key;
}

/** `e2b and modal emulated`, or `all emulated`; null when none of those that ran is. */
export function emulationNote(
  providers: readonly Pick<ProviderRecord, 'name' | 'emulated' | 'status'>[],
): string | null {
  const ran = providers.filter(({ status }) => status === 'ran');
  const emulated = ran.filter((provider) => provider.emulated).map(({ name }) => name);
  if (emulated.length === 0) return null;
  return emulated.length === ran.length ? 'all emulated' : `${listed(emulated)} emulated`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  const [last = '', ...others] = [...names].reverse();
  return others.length === 0 ? last : `${others.reverse().join(', ')} and ${last}`;
}
