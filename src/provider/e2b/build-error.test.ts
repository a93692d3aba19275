import { expect, test } from 'vitest';
import { buildError } from './build-error.js';

/** As the SDK throws it. */
function failed(message: string): Error {
  return Object.assign(new Error(message), { name: 'BuildError' });
}

test.for([
  "[provision] ERROR: unsupported base image distribution: ID='unknown (image has no /etc/os-release)'.",
  "[provision] ERROR: base image distribution ID='amzn' is not supported.",
])('a base that E2B cannot boot is the provider’s limit, whatever it is for: %s', (line) => {
  for (const error of [
    buildError(
      failed('failed to provision the base image: exit status 1'),
      'x',
      `Starting provisioning script\n${line}\n`,
    ),
    buildError(failed(line), 'x', ''),
  ]) {
    expect([error.type, error.origin, error.retryable]).toEqual(['EnvironmentDefinitionError', 'provider', false]);
    expect(error.message).toMatch(/E2B cannot boot the base image: .*ID='/);
  }
});

test('a base that is booted with a warning, and steps that fail, are not', () => {
  const log =
    "[provision] WARNING: base image distribution ID='kali' is not officially supported; provisioning it as 'debian'\n";
  const error = buildError(failed("failed to run command 'false': exit status 1"), 'x', log);
  expect([error.type, error.origin]).toEqual(['ImageBuildError', 'task']);
});
