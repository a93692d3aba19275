/**
 * What is known of a failed image build whoever's builder it was: registries, BuildKit and the kernel have words of their own, and
 * builders hand them on. Captured ones stand in build-failure.test.ts.
 */
import {
  DiskFullError,
  type ErrorDetails,
  ImagePullError,
  type PlumblineError,
  RegistryRateLimitError,
} from '../../exception/errors.js';

/** A builder ends with its error, BuildKit's with an excerpt of the Dockerfile; what stands before it was survived. */
const TAIL_LINES = 40;

const DISK_FULL = /no space left on device|ran out of disk|disk quota exceeded/i;
/** Then a registry's words are those of a program that the step ran. */
const STEP_FAILED = /did not complete successfully: exit code|failed to run command/i;
const RATE_LIMITED =
  /toomanyrequests|pull rate limit|(?:pulling from host|\/v2\/|unexpected (?:HTTP )?status)[^\n]*\b429\b|error pulling image[^\n]*\b429\b/i;
const REFUSED =
  /pull access denied|manifest[_ ]unknown|name[_ ]unknown|manifest for \S+ not found|no matching manifest|requested access to the resource is denied|\bunauthorized: (?:authentication required|access|incorrect)|pulling from host \S+ failed[^\n]*: 40[134]\b|failed to resolve source metadata[^\n]*: (?:not found|40[134] )|failed to (?:solve|create LLB definition): \S+: not found/i;
const UNREACHABLE =
  /failed to do request|failed to resolve source metadata|pulling from host \S+ failed|(?:failed to|error) pull(?:ing)?[^\n]*image|failed to (?:resolve|get) [^\n]*image/i;

/**
 * The exception for a build that its registry or its disk ended. Null: neither did, so the caller decides between the task's step
 * and the provider's builder.
 * @param said why the build ended, in the provider's words
 * @param log what the builder printed; its last lines are read
 */
export function knownBuildFailure(
  said: string,
  log: string,
  message: string,
  details: ErrorDetails,
): PlumblineError | null {
  const words = `${said}\n${log.trimEnd().split('\n').slice(-TAIL_LINES).join('\n')}`;
  if (DISK_FULL.test(words)) return new DiskFullError(message, details);
  if (STEP_FAILED.test(words)) return null;
  if (RATE_LIMITED.test(words)) return new RegistryRateLimitError(message, details);
  // asking again changes nothing
  if (REFUSED.test(words)) return new ImagePullError(message, { ...details, retryable: false });
  if (UNREACHABLE.test(words)) return new ImagePullError(message, details);
  return null;
}
