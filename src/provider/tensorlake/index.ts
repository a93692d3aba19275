/** The Tensorlake provider: images registered once, machines of their own, commands through the sandbox daemon. */
import { join } from 'node:path';
import { ProviderAuthError } from '../../exception/errors.js';
import type { Capabilities, SandboxProvider } from '../../model/provider.js';
import { webAccess } from '../../util/web.js';
import type { ProviderOptions } from '../options.js';
import { createAdaptiveLimit } from '../remote/adaptive-limit.js';
import { createBaseConfigs } from '../remote/base-config.js';
import { remoteCapabilities } from '../remote/capabilities.js';
import { once } from '../remote/once.js';
import { remotePlatform } from '../remote/platform.js';
import { createPlanner } from '../remote/replay.js';
import { unsupportedImage } from '../remote/unsupported-image.js';
import type { Cloud } from './calls.js';
import { readConfig, type TensorlakeConfig } from './config.js';
import { translated } from './context.js';
import { mapLoadError } from './errors.js';
import { type Preparer, prepareImage } from './image.js';
import { createLabelStore } from './label-store.js';
import { destroyRef, listOurs } from './list.js';
import { preflight } from './preflight.js';
import { createSandbox } from './sandbox.js';
import { loadSdk } from './sdk.js';

/** At the start, and at most; halved while Tensorlake says that it is too many. */
const CREATES_AT_ONCE = 16;

/** Unguarded: src/provider/guard.ts adds what does not depend on the backend. */
export function createTensorlakeProvider(options: ProviderOptions): SandboxProvider {
  const config = readConfig(options);
  const { emulated, tuning } = config;
  const store = createLabelStore(options.stateDir);
  const baseConfigs = options.baseConfigs ?? createBaseConfigs(options.env);
  const plan = createPlanner(baseConfigs, emulated, webAccess(options.env));
  const creates = createAdaptiveLimit(CREATES_AT_ONCE);
  const load = once(() => loadSdk(config));
  const cloud = async (): Promise<Cloud> => {
    if (config.apiKey === null) throw new ProviderAuthError('TENSORLAKE_API_KEY is not set');
    const sdk = await load().catch((error: unknown) => {
      throw mapLoadError(error);
    });
    return { sdk, config, store, tuning, policy: tuning.policy, creates };
  };
  const preparer = async (): Promise<Preparer> => ({
    cloud: await cloud(),
    baseConfigs,
    lockDir: join(options.stateDir, 'tensorlake', 'locks'),
    emulated,
    plan,
  });

  return {
    name: 'tensorlake',
    capabilities: capabilitiesOf(config),
    defaultConcurrency: emulated ? 2 : 10,
    emulated,

    preflight: (signal) => preflight(config, load, signal),

    unsupportedImage: (image) =>
      unsupportedImage(image, 'Tensorlake', emulated, (source) =>
        translated(source, remotePlatform(emulated), new Map()),
      ),

    prepare: async (image, ctx) => prepareImage(await preparer(), image, ctx),

    create: async (spec, ctx) => createSandbox({ cloud: await cloud(), spec, ctx, image: spec.image, plan }),

    list: async (scope) => listOurs(await cloud(), scope),

    destroy: async (ref) => destroyRef(await cloud(), ref),
  };
}

function capabilitiesOf({ emulated, emulatedNetwork }: TensorlakeConfig): Capabilities {
  return remoteCapabilities({
    behind: emulatedNetwork,
    allowlistKinds: ['host', 'ipv4', 'ipv6', 'cidr'],
    // the SDK's update of a running sandbox has no network before 0.5.113, which npm does not have
    dynamicNetwork: false,
    limits: { cpus: true, memory: true, storage: !emulated },
    deadlineSlackMs: 15_000,
    platforms: [remotePlatform(emulated)],
    notes: [
      'each sandbox is a machine of its own with at least the disk of its image',
      'registry logins of this machine’s Docker client are sent to Tensorlake’s image builder',
      'sandboxes are told apart by name: Tensorlake keeps no labels',
      'its list holds 100 sandboxes: with more, those that another machine made may be missing from it',
    ],
  });
}
