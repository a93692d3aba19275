/** `plumbline providers`: what can be used here, and the fix for what cannot. */
import { PROVIDER_NAMES, providerTitle } from '../model/words.js';
import type { CliIo } from './io-types.js';
import { openSession, type ProviderState, preflightAll } from './session.js';

/** Always exit 0: a missing provider is an answer, not an error. */
export async function providersCommand(_args: string[], options: Record<string, unknown>, io: CliIo): Promise<number> {
  const session = openSession(io);
  const states = await preflightAll(session, PROVIDER_NAMES, new AbortController().signal);
  io.stdout(
    options['json'] ? `${JSON.stringify({ providers: states.map(asJson) }, null, 2)}\n` : states.map(asText).join(''),
  );
  await Promise.all(states.map((state) => state.provider.close?.()));
  return 0;
}

function asJson({ name, provider, preflight }: ProviderState): unknown {
  return {
    name,
    emulated: provider.emulated,
    ...preflight,
    default_concurrency: provider.defaultConcurrency,
    capabilities: preflight.status === 'ready' ? provider.capabilities : null,
  };
}

function asText({ provider, preflight }: ProviderState): string {
  const title = `${providerTitle(provider)} `.padEnd(11);
  if (preflight.status === 'missing')
    return `${title}missing  ${preflight.what}\n${' '.repeat(20)}fix: ${preflight.fix}\n`;
  const versions = Object.entries(preflight.versions).map(([what, version]) => `${what} ${version}`);
  const { capabilities } = provider;
  const lines = [
    `${title}ready    ${versions.join(', ')}`,
    `network: ${capabilities.networkModes.join(', ')}; compose: ${capabilities.compose ? 'yes' : 'no'}; limits: ${limits(provider)}; -n ${provider.defaultConcurrency}`,
    ...capabilities.notes,
    ...(preflight.warnings ?? []).map((warning) => `warning: ${warning}`),
  ];
  return `${lines.join(`\n${' '.repeat(20)}`)}\n`;
}

function limits({ capabilities: { limits } }: ProviderState['provider']): string {
  const enforced = (['cpus', 'memory', 'storage'] as const).filter((limit) => limits[limit]);
  return enforced.length > 0 ? enforced.join(', ') : 'none';
}
