/** What a build is given and what it gives back. */
import type { Platform } from '../../model/image.js';
import type { Web } from '../../util/web.js';
import type { BuildArgs } from '../dockerfile/args.js';
import type { LayerHost } from '../layer/host.js';
import type { ImageStore, StoredImage } from '../types.js';
import type { BuildMachine } from './machine.js';

export interface BuildOptions {
  readonly store: ImageStore;
  readonly machine: BuildMachine;
  readonly host: LayerHost;
  /** Finds, pulls or bootstraps a base image. */
  readonly resolveImage: (ref: string, platform: Platform, signal: AbortSignal) => Promise<StoredImage>;
  readonly contextDir: string;
  /** Absolute, or relative to the context. */
  readonly dockerfile: string;
  readonly hostPlatform: Platform;
  /** Null is the host's. */
  readonly platform?: Platform | null;
  /** A stage's name or index; default is the last stage. */
  readonly target?: string;
  readonly buildArgs?: BuildArgs;
  /** Values of `--mount=type=secret` by id. */
  readonly secrets?: Readonly<Record<string, Uint8Array>>;
  /** Names for the image, in any spelling. */
  readonly refs?: readonly string[];
  /** Runs every step again; what they make is still remembered. */
  readonly noCache?: boolean;
  /** For ADD of a URL. Default: Node's fetch, without a proxy. */
  readonly web?: Web;
  readonly signal: AbortSignal;
  readonly onLog?: (chunk: string) => void;
  /** `build step 3/7`: what is going on, for a person. */
  readonly onEvent?: (state: string) => void;
}

export interface BuildResult {
  readonly image: StoredImage;
  /** Digest of what was asked for (context, Dockerfile, args, platform, target). */
  readonly digest: string;
  /** No step had to run. */
  readonly cacheHit: boolean;
  readonly log: string;
  /** The images that it took from, by name: their digests when it was built, also of a build that was found again. */
  readonly bases: Readonly<Record<string, string>>;
  /** What Docker warns about too. */
  readonly warnings: readonly string[];
}
