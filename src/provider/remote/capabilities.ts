/** What the remote providers have in common of what a task may need. */
import type { AllowlistKind, Capabilities } from '../../model/provider.js';
import type { NetworkMode } from '../../model/task.js';

const MODES: readonly NetworkMode[] = ['public', 'no-network', 'allowlist'];

export interface RemoteTraits
  extends Pick<Capabilities, 'dynamicNetwork' | 'deadlineSlackMs' | 'limits' | 'platforms'> {
  /** What an allowlist of the real service can hold. */
  readonly allowlistKinds: readonly AllowlistKind[];
  /** Network modes of the backend behind an emulator, which can do no more than that; null: the service itself. */
  readonly behind: readonly string[] | null;
  readonly notes: readonly string[];
}

/** `dynamicNetwork` is the service's; behind an emulator the backend must have it too. */
export function remoteCapabilities(traits: RemoteTraits): Capabilities {
  const { behind, allowlistKinds, dynamicNetwork, ...rest } = traits;
  const networkModes = MODES.filter((mode) => behind === null || behind.includes(mode));
  return {
    ...rest,
    networkModes,
    allowlistKinds: networkModes.includes('allowlist') ? allowlistKinds : [],
    dynamicNetwork: dynamicNetwork && (behind === null || behind.includes('dynamic')),
    compose: false,
    gpu: false,
    windows: false,
  };
}
