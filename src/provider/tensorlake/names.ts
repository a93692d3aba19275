/** Names: Tensorlake knows no labels, so a sandbox's name carries what `list` and `reap` need when nothing else is known. */
import { createHash } from 'node:crypto';

const PREFIX = 'plb';
/** A name has at most 63 characters of [a-z0-9-], begins with a letter and does not end with `-`. */
const MAX_NAME = 63;
const HASH = 8;

/**
 * The provider's name of the sandbox that we call `specName`: `plb-<expiry>-<specName, cut>-<hash>`. The expiry is in seconds,
 * base 36. The same input gives the same name, so `destroy` needs nothing but a `SandboxRef`.
 */
export function sandboxName(specName: string, expiresAt: string): string {
  const head = `${PREFIX}-${Math.floor(Date.parse(expiresAt) / 1000).toString(36)}-`;
  const tail = `-${sha256(`${specName}\n${expiresAt}`).slice(0, HASH)}`;
  return `${head}${specName.slice(0, MAX_NAME - head.length - tail.length)}${tail}`;
}

/** The expiry in a name of ours, ISO 8601; null for a name that is not ours. */
export function expiryOf(name: string): string | null {
  const found = /^plb-([0-9a-z]{6,8})-.+-[0-9a-f]{8}$/.exec(name)?.[1];
  return found === undefined ? null : new Date(Number.parseInt(found, 36) * 1000).toISOString();
}

/** Digits of a digest in a name: 48 bits, beside what the name itself says. */
const DIGEST_DIGITS = 12;

/**
 * The registered name of an imported image. Harbor's rule (harbor 0.20, environments/tensorlake.py), so that images which it or
 * others have registered are found; but such a name does not say when its tag was looked at. Where it is known what the tag means
 * now, that is part of the name, and an image of the same tag before it moved is another one.
 * @param digest of the image that the tag means now; null: not known
 */
export function importedName(ref: string, digest: string | null): string {
  const moves = digest !== null && !ref.includes('@');
  return moves ? `${harborName(ref)}-${digest.slice('sha256:'.length).slice(0, DIGEST_DIGITS)}` : harborName(ref);
}

function harborName(ref: string): string {
  const words = ref
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return `${words}-${sha256(ref.trim()).slice(0, HASH)}`;
}

/** The registered name of an image that we built. @param key `sha256:<hex>`, as in `ImageIdentity` */
export function builtName(key: string): string {
  return `plumbline-${key.replace('sha256:', '').slice(0, 32)}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
