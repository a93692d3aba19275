/** The Modal provider: images kept by their definition, gVisor sandboxes, commands through the task command router. */
import { ProviderAuthError } from '../../exception/errors.js';
import { registryAccess } from '../../image/registry/access.js';
import type { Capabilities, SandboxProvider } from '../../model/provider.js';
import { webAccess } from '../../util/web.js';
import type { ProviderOptions } from '../options.js';
import { createAdaptiveLimit } from '../remote/adaptive-limit.js';
import { createBaseConfigs } from '../remote/base-config.js';
import { remoteCapabilities } from '../remote/capabilities.js';
import { EMULATOR_KEYS } from '../remote/emulated.js';
import { imageDefaults } from '../remote/image-defaults.js';
import { sourceOf } from '../remote/image-identity.js';
import { once } from '../remote/once.js';
import { remotePlatform } from '../remote/platform.js';
import { remotePreflight } from '../remote/preflight.js';
import { createPlanner } from '../remote/replay.js';
import { unsupportedImage } from '../remote/unsupported-image.js';
import { again, type Cloud, limited } from './calls.js';
import { type ModalConfig, modalConfig } from './config.js';
import { modalError } from './errors.js';
import { type Preparer, prepareImage, translated } from './image.js';
import { destroyRef, findByLabels, listOurs } from './list.js';
import { sandboxSize } from './resources.js';
import { createSandbox } from './sandbox.js';
import { loadModal, type ModalClient } from './sdk.js';

/** At the start, and at most: a workspace may create about five in a second. */
const CREATES_AT_ONCE = 5;
/** Above what the SDK itself needs to give up on a server that refuses connections. */
const PREFLIGHT_LIMIT_MS = 20_000;
const NO_CREDENTIALS = 'Modal’s token is not set';
/** Results of an emulator are labelled, and by its variables alone this is known before anything runs. */
const EMULATORS_PROFILE = 'the token of ~/.modal.toml is that of an emulator, which is set by variables only';

/** Unguarded: src/provider/guard.ts adds what does not depend on the backend. */
export function createModalProvider(options: ProviderOptions): SandboxProvider {
  const config = modalConfig(options);
  const { emulated } = config;
  const capabilities = capabilitiesOf(config);
  const baseConfigs = options.baseConfigs ?? createBaseConfigs(options.env);
  const plan = createPlanner(baseConfigs, emulated, webAccess(options.env));
  const creates = createAdaptiveLimit(CREATES_AT_ONCE);
  let opened: ModalClient | null = null;
  const load = once(async () => {
    opened = await loadModal(config.connection);
    return opened;
  });
  const cloud = once(async (): Promise<Cloud> => {
    const client = await load();
    const { tokenId, oauthRefreshToken } = client.profile;
    if (!tokenId && !oauthRefreshToken) throw new ProviderAuthError(NO_CREDENTIALS);
    if (tokenId === EMULATOR_KEYS.modal && !emulated) throw new ProviderAuthError(EMULATORS_PROFILE);
    const { policy, requestTimeoutMs, idleMs } = config;
    const app = await again(config, { what: `find the app ${config.app}`, call: 'control' }, () =>
      client.apps.fromName(config.app, { createIfMissing: true }),
    );
    return { client, app, policy, requestTimeoutMs, idleMs, creates };
  });
  const preparer = async (): Promise<Preparer> => ({
    cloud: await cloud(),
    baseConfigs,
    credentials: registryAccess(options.env).credentials,
    emulated,
    plan,
  });

  return {
    name: 'modal',
    capabilities,
    // Creations are limited to a few in a second per workspace
    defaultConcurrency: emulated ? 2 : 10,
    emulated,

    async preflight(signal) {
      const answer = await remotePreflight(
        {
          package: 'modal',
          missing: config.complaint, // of the token only the SDK knows: it may stand in ~/.modal.toml
          keys: 'MODAL_TOKEN_ID and MODAL_TOKEN_SECRET',
          address: 'MODAL_SERVER_URL',
          url: config.serverUrl,
          env: options.env,
          look: () =>
            limited(PREFLIGHT_LIMIT_MS, 'preflight', signal, async () => {
              const once = { ...(await cloud()), policy: { ...config.policy, tries: 1 } };
              await findByLabels(once, { 'plumbline.preflight': 'none' });
            }),
          mapError: (error) => modalError(error, 'control', 'preflight'),
        },
        signal,
      );
      if (answer.status === 'ready' || !answer.what.includes(NO_CREDENTIALS)) return answer;
      const fix = 'set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run `modal token new`';
      return { status: 'missing', what: 'MODAL_TOKEN_ID', fix };
    },

    unsupportedImage: (image) =>
      unsupportedImage(image, 'Modal', emulated, (source) => translated(source, remotePlatform(emulated), new Map())),

    prepare: async (image, ctx) => prepareImage(await preparer(), image, ctx),

    async create(spec, ctx) {
      ctx.signal.throwIfAborted();
      const source = sourceOf(spec.image.spec);
      return createSandbox({
        cloud: await cloud(),
        spec,
        ctx,
        image: spec.image,
        size: sandboxSize(spec.resources),
        defaults: await imageDefaults(source, remotePlatform(emulated), baseConfigs, ctx.signal),
        plan,
        canSetNetwork: capabilities.dynamicNetwork,
      });
    },

    list: async (scope) => listOurs(await cloud(), scope),

    destroy: async (ref) => destroyRef(await cloud(), ref),

    async close() {
      opened?.close();
    },
  };
}

function capabilitiesOf({ emulated, emulatedNetwork }: ModalConfig): Capabilities {
  return remoteCapabilities({
    behind: emulatedNetwork,
    allowlistKinds: ['host', 'ipv4', 'cidr'],
    dynamicNetwork: true,
    limits: { cpus: true, memory: true, storage: false },
    deadlineSlackMs: 10_000,
    platforms: [remotePlatform(emulated)],
    notes: [
      'sandboxes run under gVisor and live for 24 hours at most',
      'the image’s ENTRYPOINT runs as root, whatever USER says; commands run as USER',
      'a cpu of the task is given as one physical core; storage_mb cannot be chosen',
    ],
  });
}
