/** What a sandbox boots from, before and after a provider has prepared it. */

/** `linux/amd64`, `linux/arm64`. */
export type Platform = `linux/${string}`;

export type ImageSource =
  | { kind: 'prebuilt'; ref: string }
  /** `contextDir` holds the Dockerfile and everything it may COPY. */
  | { kind: 'dockerfile'; contextDir: string; dockerfile: string };

/** An environment definition as a provider sees it. */
export interface ImageSpec {
  /** Null only with `compose`, when the task's own file defines `main`. */
  readonly source: ImageSource | null;
  /** The task's docker-compose.yaml and its directory; null for a plain task. */
  readonly compose: { file: string; projectDir: string } | null;
  /** Null means the provider's own. */
  readonly platform: Platform | null;
  /** Resources that some providers bake into an image (E2B); part of the digest only there. */
  readonly resources: ResourceRequest;
}

/** Null is "no request": the provider's default applies. */
export interface ResourceRequest {
  readonly cpus: number | null;
  readonly memoryMb: number | null;
  readonly storageMb: number | null;
  readonly gpus: number | null;
}

/** The path taken to an image, and where its bytes come from. */
export type ImageOrigin = 'prebuilt' | 'built' | 'replayed';
/** `unknown`: behind an emulator, which does not tell, or built on a base that the store has no more. */
export type Provenance = 'pull' | 'build' | 'archive' | 'bootstrap' | 'unknown';

/** HEALTHCHECK of an image, with Docker's defaults filled in. */
export interface ImageHealthcheck {
  readonly argv: readonly string[];
  readonly intervalSec: number;
  readonly timeoutSec: number;
  readonly startPeriodSec: number;
  readonly retries: number;
}

export interface PreparedImage {
  readonly source: ImageOrigin;
  /** The provider's name for the image, usable in `create`. */
  readonly ref: string;
  /** Content digest of what was asked for (`sha256:…`). */
  readonly digest: string;
  readonly cacheHit: boolean;
  /** True when the caller joined work that another trial had begun; absent: no. */
  readonly shared?: boolean;
  readonly provenance: Provenance;
  readonly spec: ImageSpec;
  /** To be waited for after the start; null or absent: there is none, or the provider waits for it itself. */
  readonly healthcheck?: ImageHealthcheck | null;
  readonly warnings: { code: string; message: string }[];
}
