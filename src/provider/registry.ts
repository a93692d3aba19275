/** Names to providers. A provider's code, and the SDK behind it, is loaded only when it is asked for. */
import { HarnessError } from '../exception/errors.js';
import type { Capabilities, SandboxProvider } from '../model/provider.js';
import type { ProviderName } from '../model/words.js';
import type { ProviderOptions } from './options.js';
import { toldByEmulator } from './remote/emulator-facts.js';
import { pinnedVersion } from './remote/sdk-package.js';

type Loader = (options: ProviderOptions) => Promise<SandboxProvider>;

const LOADERS: Partial<Record<ProviderName, Loader>> = {
  embedded: async (options) => (await import('./embedded/index.js')).createEmbeddedProvider(options),
  docker: async (options) => (await import('./docker/index.js')).createDockerProvider(options),
  tensorlake: async (options) => (await import('./tensorlake/index.js')).createTensorlakeProvider(options),
  e2b: async (options) => (await import('./e2b/index.js')).createE2bProvider(options),
  modal: async (options) => (await import('./modal/index.js')).createModalProvider(options),
  daytona: async (options) => (await import('./daytona/index.js')).createDaytonaProvider(options),
};

/** The npm package behind a remote provider. */
const PACKAGES: Partial<Record<ProviderName, string>> = {
  tensorlake: 'tensorlake',
  modal: 'modal',
  daytona: '@daytona/sdk',
  e2b: 'e2b',
};

/** The provider, unguarded. One that is not installed answers `missing` in preflight and throws in every other method. */
export async function loadProvider(name: ProviderName, options: ProviderOptions): Promise<SandboxProvider> {
  const load = LOADERS[name];
  if (!load) return missingProvider(name, `the ${name} provider`, installHint(name));
  try {
    return toldByEmulator(await load(options), options);
  } catch (error) {
    const missing = missingPackage(error);
    if (missing === null) throw error;
    const pinned = await pinnedVersion(missing).catch(() => null); // a package that a package of ours needs
    return missingProvider(name, `the npm package ${missing}`, `npm install ${missing}${pinned ? `@${pinned}` : ''}`);
  }
}

function installHint(name: ProviderName): string {
  const packageName = PACKAGES[name];
  return packageName === undefined
    ? `this version of Plumbline has no ${name} provider`
    : `npm install ${packageName}, and a version of Plumbline with the ${name} provider`;
}

/** The package that Node could not find; null for any other failure, which is a fault and must be seen. */
function missingPackage(error: unknown): string | null {
  if ((error as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND') return null;
  const match = /Cannot find package '([^']+)'/.exec((error as Error).message);
  return match?.[1] ?? null;
}

const NOTHING: Capabilities = {
  networkModes: [],
  allowlistKinds: [],
  dynamicNetwork: false,
  compose: false,
  gpu: false,
  windows: false,
  limits: { cpus: false, memory: false, storage: false },
  deadlineSlackMs: 0,
  platforms: [],
  notes: [],
};

function missingProvider(name: ProviderName, what: string, fix: string): SandboxProvider {
  const refuse = async () => {
    throw new HarnessError(`${what} is missing: ${fix}`);
  };
  return {
    name,
    capabilities: NOTHING,
    defaultConcurrency: 1,
    emulated: false,
    preflight: async () => ({ status: 'missing', what, fix }),
    prepare: refuse,
    create: refuse,
    list: refuse,
    destroy: refuse,
  };
}
