/** Whether a remote provider can be used from here: package, credential, address, in this order. Creates nothing. */
import type { PlumblineError } from '../../exception/errors.js';
import type { Preflight } from '../../model/provider.js';
import { CERTIFICATE_FIX, isUntrusted } from '../../util/certificate.js';
import type { ProxyEnv } from '../../util/proxy.js';
import { explainUnreachable } from './reach.js';
import { installedVersion, pinnedVersion } from './sdk-package.js';

export interface PreflightInput {
  /** Of npm. */
  readonly package: string;
  /** What is not set, and where to get it; null: it is there. */
  readonly missing: { readonly what: string; readonly fix: string } | null;
  /** Variables to check when the credential, or the address, is refused. */
  readonly keys: string;
  readonly address: string;
  /** What the address is. */
  readonly url: string;
  /** Proxies. */
  readonly env: ProxyEnv;
  /** One cheap call with the credential. */
  readonly look: () => Promise<unknown>;
  readonly mapError: (error: unknown) => PlumblineError;
  readonly warnings?: readonly string[];
  /** Of the installed package; default: as Node finds it from here. */
  readonly versionOf?: (name: string) => Promise<string>;
}

/** @throws the signal's reason */
export async function remotePreflight(input: PreflightInput, signal: AbortSignal): Promise<Preflight> {
  if (input.missing !== null) return { status: 'missing', ...input.missing };
  try {
    await input.look();
  } catch (error) {
    signal.throwIfAborted();
    if (isMissingPackage(error)) {
      const fix = `npm install ${input.package}@${await pinnedVersion(input.package)}`;
      return { status: 'missing', what: `the npm package ${input.package}`, fix };
    }
    const { type, message } = input.mapError(error);
    const why = type === 'NetworkError' ? await explainUnreachable(input.url, input.env, signal) : null;
    if (why !== null) return { status: 'missing', what: why.what, fix: why.fix };
    if (isUntrusted(error)) return { status: 'missing', what: message, fix: CERTIFICATE_FIX };
    const fix = type === 'ProviderAuthError' ? `check ${input.keys}` : `check ${input.address} and the network`;
    return { status: 'missing', what: message, fix };
  }
  const { package: name, versionOf = installedVersion } = input;
  const pinned = await pinnedVersion(name);
  const installed = await versionOf(name).catch(() => null); // loaded in a way that leaves no package.json: a bundle
  const other = installed !== null && installed !== pinned;
  const warnings = [
    ...(input.warnings ?? []),
    ...(other ? [`${name} ${installed} is installed; this was written for ${pinned}`] : []),
  ];
  return {
    status: 'ready',
    versions: { [name]: installed ?? 'unknown' },
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

function isMissingPackage(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND';
}
