/**
 * BuildKit's words as an engine 20.10.24 printed them before a registry that answered with the status of each row; Docker Hub's and
 * go-containerregistry's from their public reports.
 */
import { describe, expect, test } from 'vitest';
import { knownBuildFailure } from './build-failure.js';

const SOLVE =
  'ERROR: failed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: failed to create LLB definition: ';
const HUB_LIMIT =
  'toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit';
const STEP =
  'ERROR: failed to solve: process "/bin/sh -c curl -f https://example.com" did not complete successfully: exit code: 22';

function verdict(said: string, log = ''): string {
  const error = knownBuildFailure(said, log, 'the build failed', { log });
  return error === null ? 'null' : `${error.type} ${error.origin} ${error.retryable ? 'retry' : 'final'}`;
}

describe('the end of a build', () => {
  test.each([
    [
      `${SOLVE}pulling from host 127.0.0.1:5907 failed with status code [manifests 1]: 429 Too Many Requests`,
      'RegistryRateLimitError network retry',
    ],
    [HUB_LIMIT, 'RegistryRateLimitError network retry'],
    [
      'failed to resolve reference "docker.io/library/python:3.13-slim": unexpected status from GET request to https://registry-1.docker.io/v2/library/python/manifests/sha256:8f3c6e1b: 429 Too Many Requests',
      'RegistryRateLimitError network retry',
    ],
    [
      `${SOLVE}pulling from host 127.0.0.1:5907 failed with status code [manifests 1]: 403 Forbidden`,
      'ImagePullError network final',
    ],
    [
      `${SOLVE}pulling from host 127.0.0.1:5907 failed with status code [manifests 1]: 401 Unauthorized`,
      'ImagePullError network final',
    ],
    [`${SOLVE}127.0.0.1:5907/gone/img:1: not found`, 'ImagePullError network final'],
    [
      'failed to solve: python:nope: failed to resolve source metadata for docker.io/library/python:nope: docker.io/library/python:nope: not found',
      'ImagePullError network final',
    ],
    [
      "pull access denied for x/y, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
      'ImagePullError network final',
    ],
    ['manifest for x/y:1 not found: manifest unknown: manifest unknown', 'ImagePullError network final'],
    [
      'error pulling image: GET https://index.docker.io/v2/x/y/manifests/1: UNAUTHORIZED: authentication required; [map[Action:pull]]',
      'ImagePullError network final',
    ],
    [
      `${SOLVE}pulling from host 127.0.0.1:5907 failed with status code [manifests 1]: 500 Internal Server Error`,
      'ImagePullError network retry',
    ],
    [
      `${SOLVE}failed to do request: Head "http://127.0.0.1:5908/v2/x/img/manifests/1": dial tcp 127.0.0.1:5908: connect: connection refused`,
      'ImagePullError network retry',
    ],
    ['failed to register layer: write /usr/lib/x: no space left on device', 'DiskFullError provider final'],
    [STEP, 'null'],
    ['failed to compute cache key: "/nope" not found: not found', 'null'],
    ['Timeout while building snapshot on runner', 'null'],
    ['', 'null'],
  ])('%s', (said, expected) => {
    expect(verdict(said)).toBe(expected);
    expect(verdict('exit status 1', `#1 [internal] load\n${said}\n`)).toBe(expected);
  });

  test('is not what a program of a step printed', () => {
    expect(verdict(STEP, `${HUB_LIMIT}\npull access denied for x/y\n`)).toBe('null');
    const pip =
      'WARNING: 429 Client Error: Too Many Requests for url: https://pypi.org/simple/x/\ncurl: (22) 401\nUnauthorized\n';
    expect(verdict('exit status 17', pip)).toBe('null');
  });

  test('is not what was survived long before it', () => {
    const later = Array.from({ length: 60 }, (_, line) => `step output ${line}`).join('\n');
    expect(verdict('exit status 17', `${HUB_LIMIT}\nretrying\n${later}\n`)).toBe('null');
  });

  test('keeps the details that it was given', () => {
    const details = { log: `${HUB_LIMIT}\n`, providerState: 'build_failed' };
    expect(knownBuildFailure('x', details.log, 'm', details)).toMatchObject({ message: 'm', details });
  });
});
