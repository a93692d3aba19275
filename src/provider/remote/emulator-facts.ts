/**
 * What the APIs of the services have no word for, and an emulator of ours tells beside them: where the bytes of an image come from. A local
 * provider makes some bases from a Debian mirror where no registry can be reached, and an emulated record must not call that a pull.
 */
import { NetworkError } from '../../exception/errors.js';
import type { PreparedImage, Provenance } from '../../model/image.js';
import type { SandboxProvider } from '../../model/provider.js';
import { type Web, webAccess } from '../../util/web.js';
import { bounded } from '../bounded.js';
import type { ProviderOptions } from '../options.js';

/** The body of its answer. */
export interface ImageFacts {
  readonly provenance: Provenance;
  readonly warnings: PreparedImage['warnings'];
}

/** Milliseconds; it is on this machine. */
const LIMIT_MS = 5_000;

/** The same provider; in front of an emulator that tells, `prepare` says where its images come from. */
export function toldByEmulator(provider: SandboxProvider, { env }: Pick<ProviderOptions, 'env'>): SandboxProvider {
  const url = env[`PLUMBLINE_EMULATED_${provider.name.toUpperCase()}_FACTS`];
  if (!provider.emulated || !url) return provider;
  const web = webAccess(env);
  return {
    ...provider,
    async prepare(image, ctx) {
      const prepared = await provider.prepare(image, ctx);
      const facts = await factsOf(`${url}/images/${encodeURIComponent(prepared.ref)}`, web, ctx.signal);
      if (facts === null) return prepared;
      return { ...prepared, provenance: facts.provenance, warnings: [...prepared.warnings, ...facts.warnings] };
    },
  };
}

async function factsOf(url: string, web: Web, signal: AbortSignal): Promise<ImageFacts | null> {
  const onExpiry = () => new NetworkError(`${url}: no answer within ${LIMIT_MS} ms`);
  try {
    return await bounded({ ms: LIMIT_MS, onExpiry, signal }, async (limit) => {
      const reply = await web.fetch(url, { signal: limit });
      return reply.ok ? ((await reply.json()) as ImageFacts) : null;
    });
  } catch {
    signal.throwIfAborted();
    return null; // an older emulator, or one that has gone: then it is not known, which is what the record says
  }
}
