/** The E2B provider: templates built once per content, Firecracker sandboxes, commands through envd. */
import { join } from 'node:path';
import { ProviderAuthError } from '../../exception/errors.js';
import type { Capabilities, SandboxProvider } from '../../model/provider.js';
import { webAccess } from '../../util/web.js';
import type { ProviderOptions } from '../options.js';
import { createAdaptiveLimit } from '../remote/adaptive-limit.js';
import { createBaseConfigs } from '../remote/base-config.js';
import { remoteCapabilities } from '../remote/capabilities.js';
import { runtimeDefaults } from '../remote/image-config.js';
import { once } from '../remote/once.js';
import { remotePlatform } from '../remote/platform.js';
import { remotePreflight } from '../remote/preflight.js';
import { unsupportedImage } from '../remote/unsupported-image.js';
import type { Cloud } from './calls.js';
import { type E2bConfig, e2bConfig } from './config.js';
import { e2bError } from './errors.js';
import { prepareTemplate } from './image.js';
import { destroyRef, listOurs } from './list.js';
import { type Preparer, quietPlanner, translate } from './plan.js';
import { templateSize } from './resources.js';
import { createSandbox } from './sandbox.js';
import { loadE2b } from './sdk.js';

/** Create calls under way at once, at most; fewer while E2B says "too many". */
const CREATES_AT_ONCE = 16;
const NO_KEY = { what: 'E2B_API_KEY', fix: 'set E2B_API_KEY (https://e2b.dev/dashboard?tab=keys)' };

/** Unguarded: src/provider/guard.ts adds what does not depend on the backend. */
export function createE2bProvider(options: ProviderOptions): SandboxProvider {
  const config = e2bConfig(options);
  const { emulated, policy, lifetimeMs, requestTimeoutMs } = config;
  const capabilities = capabilitiesOf(config);
  const baseConfigs = options.baseConfigs ?? createBaseConfigs(options.env);
  const creates = createAdaptiveLimit(CREATES_AT_ONCE);
  const client = once(async () => {
    if (config.connection === null) throw new ProviderAuthError('E2B_API_KEY is not set');
    return loadE2b(config.connection);
  });
  const cloud = async (): Promise<Cloud> => {
    return { client: await client(), policy, requestTimeoutMs, lifetimeMs, creates };
  };
  const preparer = async ({ owner, announce }: Pick<Preparer, 'owner' | 'announce'>): Promise<Preparer> => ({
    cloud: await cloud(),
    baseConfigs,
    web: webAccess(options.env),
    lockDir: join(options.stateDir, 'e2b', 'locks'),
    emulated,
    owner,
    announce,
  });

  return {
    name: 'e2b',
    capabilities,
    // The Hobby plan runs 20 sandboxes at once; a run is seldom alone on an account
    defaultConcurrency: emulated ? 2 : 10,
    emulated,

    preflight: (signal) =>
      remotePreflight(
        {
          package: 'e2b',
          missing: config.connection === null ? NO_KEY : config.complaint,
          keys: 'E2B_API_KEY',
          address: 'E2B_API_URL',
          url: config.apiUrl,
          env: options.env,
          async look() {
            const query = { metadata: { 'plumbline.preflight': 'none' } };
            await (await cloud()).client.Sandbox.list({ query }).nextItems({ signal });
          },
          mapError: (error) => e2bError(error, 'control', 'preflight'),
        },
        signal,
      ),

    unsupportedImage: (image) => unsupportedImage(image, 'E2B', emulated, (source) => translate(source, emulated)),

    prepare: async (image, ctx) => prepareTemplate(await preparer(ctx), image, ctx),

    async create(spec, ctx) {
      ctx.signal.throwIfAborted();
      const at = await preparer({ ...ctx, owner: spec.owner });
      const plan = quietPlanner(at);
      const size = templateSize(spec.resources);
      const baked = templateSize(spec.image.spec.resources);
      const sameSize = size.cpuCount === baked.cpuCount && size.memoryMB === baked.memoryMB;
      // Sizes belong to the template: another size is another template of the same content.
      const image = sameSize
        ? spec.image
        : await prepareTemplate(
            at,
            { ...spec.image.spec, resources: spec.resources },
            { ...ctx, owner: spec.owner, forceBuild: false, onLog: () => undefined },
          );
      return createSandbox({
        cloud: at.cloud,
        spec,
        ctx,
        image,
        defaults: runtimeDefaults((await plan(spec.image.spec, null, ctx.signal)).config.config),
        plan,
        canSetNetwork: capabilities.dynamicNetwork,
      });
    },

    list: async (scope) => listOurs(await cloud(), scope),

    destroy: async (ref) => destroyRef(await cloud(), ref),
  };
}

function capabilitiesOf({ emulated, emulatedNetwork }: E2bConfig): Capabilities {
  return remoteCapabilities({
    behind: emulatedNetwork,
    allowlistKinds: ['host', 'ipv4', 'cidr'],
    dynamicNetwork: true,
    limits: { cpus: true, memory: true, storage: false },
    // Killing and draining have 12 s and 3 s (remote/exec.ts); both take well under one as a rule
    deadlineSlackMs: 15_000,
    platforms: [remotePlatform(emulated)],
    notes: [
      'cpu and memory are baked into the template: 1 or an even number of cpus, an even number of MiB',
      'the base image must be Debian, Ubuntu, Fedora, CentOS, Arch or Alpine; E2B adds systemd, ssh, sudo and more to it',
      'what the base image has in /tmp, and what anything puts into /run, is gone when a sandbox starts',
      'storage_mb cannot be chosen',
    ],
  });
}
