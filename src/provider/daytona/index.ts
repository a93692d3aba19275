/** The Daytona provider: snapshots built once per content, sandboxes of them, commands through the toolbox. */
import { join } from 'node:path';
import { ProviderAuthError } from '../../exception/errors.js';
import type { Capabilities, SandboxProvider } from '../../model/provider.js';
import { webAccess } from '../../util/web.js';
import type { ProviderOptions } from '../options.js';
import { createAdaptiveLimit } from '../remote/adaptive-limit.js';
import { createBaseConfigs } from '../remote/base-config.js';
import { remoteCapabilities } from '../remote/capabilities.js';
import { imageDefaults } from '../remote/image-defaults.js';
import { sourceOf } from '../remote/image-identity.js';
import { once } from '../remote/once.js';
import { remotePlatform } from '../remote/platform.js';
import { remotePreflight } from '../remote/preflight.js';
import { createPlanner } from '../remote/replay.js';
import { unsupportedImage } from '../remote/unsupported-image.js';
import type { Cloud } from './calls.js';
import { type DaytonaConfig, daytonaConfig } from './config.js';
import { stagedDockerfile } from './context.js';
import { daytonaError } from './errors.js';
import { type Preparer, prepareSnapshot } from './image.js';
import { listOurs, removeSandbox } from './list.js';
import { snapshotSize } from './resources.js';
import { createSandbox } from './sandbox.js';
import { loadDaytona } from './sdk.js';

/** At the start, and at most; halved while Daytona says that it is too many. */
const CREATES_AT_ONCE = 8;
const NO_KEY = { what: 'DAYTONA_API_KEY', fix: 'set DAYTONA_API_KEY (https://app.daytona.io/dashboard/keys)' };

/** Unguarded: src/provider/guard.ts adds what does not depend on the backend. */
export function createDaytonaProvider(options: ProviderOptions): SandboxProvider {
  const config = daytonaConfig(options);
  const { emulated } = config;
  const capabilities = capabilitiesOf(config);
  const baseConfigs = options.baseConfigs ?? createBaseConfigs(options.env);
  const plan = createPlanner(baseConfigs, emulated, webAccess(options.env));
  const creates = createAdaptiveLimit(CREATES_AT_ONCE);
  const client = once(async () => {
    if (config.connection === null) throw new ProviderAuthError('DAYTONA_API_KEY is not set');
    return loadDaytona(config.connection);
  });
  const cloud = async (): Promise<Cloud> => {
    const { policy, requestTimeoutMs, pollMs, autoStopMinutes } = config;
    const target = config.connection?.target ?? null;
    return { client: await client(), policy, requestTimeoutMs, pollMs, autoStopMinutes, target, creates };
  };
  const preparer = async (): Promise<Preparer> => ({
    cloud: await cloud(),
    baseConfigs,
    lockDir: join(options.stateDir, 'daytona', 'locks'),
    emulated,
    plan,
  });

  return {
    name: 'daytona',
    capabilities,
    // Tier 1 has 10 vCPUs and 30 GiB of disk in all; a run is seldom alone on an account
    defaultConcurrency: emulated ? 2 : 5,
    emulated,

    preflight: (signal) =>
      remotePreflight(
        {
          package: '@daytona/sdk',
          missing: config.connection === null ? NO_KEY : config.complaint,
          keys: 'DAYTONA_API_KEY',
          address: 'DAYTONA_API_URL',
          url: config.apiUrl,
          env: options.env,
          async look() {
            const query = { labels: { 'plumbline.preflight': 'none' } };
            const pages = (await cloud()).client.list(query)[Symbol.asyncIterator]();
            await pages.next();
            await pages.return?.();
          },
          mapError: (error) => daytonaError(error, 'control', 'preflight'),
        },
        signal,
      ),

    unsupportedImage: (image) =>
      unsupportedImage(image, 'Daytona', emulated, (source) =>
        stagedDockerfile(source, remotePlatform(emulated), new Map()),
      ),

    prepare: async (image, ctx) => prepareSnapshot(await preparer(), image, ctx),

    async create(spec, ctx) {
      ctx.signal.throwIfAborted();
      const at = await preparer();
      const asked = spec.image.spec;
      // Sizes belong to the snapshot: another size is another snapshot of the same content.
      const sameSize = JSON.stringify(snapshotSize(spec.resources)) === JSON.stringify(snapshotSize(asked.resources));
      const image = sameSize
        ? spec.image
        : await prepareSnapshot(
            at,
            { ...asked, resources: spec.resources },
            { ...ctx, owner: spec.owner, forceBuild: false, onLog: () => undefined },
          );
      return createSandbox({
        cloud: at.cloud,
        spec,
        ctx,
        image,
        defaults: await imageDefaults(sourceOf(asked), remotePlatform(emulated), baseConfigs, ctx.signal),
        plan,
        canSetNetwork: capabilities.dynamicNetwork,
      });
    },

    list: async (scope) => listOurs(await cloud(), scope),

    destroy: async (ref) => removeSandbox(await cloud(), ref.ref, ref.runId),
  };
}

function capabilitiesOf({ emulated, emulatedNetwork, emulatedLimits }: DaytonaConfig): Capabilities {
  const enforced = (limit: string) => emulatedLimits === null || emulatedLimits.includes(limit);
  return remoteCapabilities({
    behind: emulatedNetwork,
    allowlistKinds: ['host', 'wildcard', 'ipv4', 'cidr'],
    dynamicNetwork: true,
    limits: { cpus: enforced('cpus'), memory: enforced('memory'), storage: enforced('storage') },
    // Killing and draining have 12 s and 3 s (remote/exec.ts); both take well under one as a rule
    deadlineSlackMs: 15_000,
    platforms: [remotePlatform(emulated)],
    notes: [
      'cpus, memory and disk are whole numbers of cpus and GiB, rounded up, and belong to the snapshot',
      'accounts of tiers 1 and 2 reach only hosts of a list of Daytona’s, whatever network a task asks for',
      'an allowlist holds at most 10 entries, host names or addresses, not both',
    ],
  });
}
