/** What the failure of a template build means. */
import {
  EnvironmentDefinitionError,
  ImageBuildError,
  NetworkError,
  type PlumblineError,
} from '../../exception/errors.js';
import { errorMessage } from '../../util/cause-chain.js';
import { knownBuildFailure } from '../remote/build-failure.js';
import { e2bError, statusOf } from './errors.js';

/** What a base that is none of its distributions is refused with (e2b-dev/infra, distro.go, August 2026). */
const UNBOOTABLE =
  /unsupported base image distribution: ID='[^'\n]*'|base image distribution ID='[^'\n]*' is not supported\b/;

/** A step that failed is the task's; a base that cannot be pulled and a builder that gives up are not. */
export function buildError(error: unknown, name: string, log: string): PlumblineError {
  const isBuild = error instanceof Error && (error.name === 'BuildError' || error.name === 'FileUploadError');
  if (!isBuild) return e2bError(error, 'control', `build of ${name}`);
  const status = statusOf(error);
  // the account's, whichever class they come in
  if (status !== null && [401, 402, 403, 429].includes(status)) return e2bError(error, 'control', `build of ${name}`);
  const message = `the template build failed: ${errorMessage(error)}`;
  const details = { cause: error, log };
  if (status !== null && status >= 500) return new NetworkError(message, { ...details, origin: 'provider' });
  if (error.name === 'FileUploadError') {
    const broken = /TypeError: |Error: /.test(error.message);
    return new NetworkError(message, { ...details, origin: broken ? 'network' : 'provider' });
  }
  const refused = UNBOOTABLE.exec(`${errorMessage(error)}\n${log}`)?.[0];
  if (refused !== undefined) {
    // no step of the task's has run, and a replay would need the same base
    return new EnvironmentDefinitionError(`E2B cannot boot the base image: ${refused}`, {
      ...details,
      origin: 'provider',
    });
  }
  const known = knownBuildFailure(errorMessage(error), log, message, details);
  if (known !== null) return known;
  return new ImageBuildError(message, { ...details, ...(status === null ? {} : { origin: 'provider' }) });
}
