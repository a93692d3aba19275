import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inWordsOfProvisioning, PROVISION } from './build-context.js';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'provision-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test.for([
  ['ID=debian\n', 0],
  ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', 0],
  ['ID=kali\nID_LIKE=debian\n', 0],
  ['ID="amzn"\nID_LIKE="centos rhel fedora"\n', 1],
  ['ID=void\n', 1],
  [null, 1],
] as const)('a base whose os-release says %j: exit code %i', ([release, code]) => {
  const file = join(dir, 'os-release');
  if (release !== null) writeFileSync(file, release);
  const { status, stderr } = spawnSync('/bin/sh', ['-c', PROVISION.replaceAll('/etc/os-release', file)]);
  expect(status).toBe(code);
  expect(stderr.includes('unsupported base image distribution')).toBe(code === 1);
});

test('a base without a shell is refused in the same words; a step that misses a program is not', () => {
  const oci =
    'runc run failed: unable to start container process: exec: "/bin/sh": stat /bin/sh: no such file or directory';
  expect(inWordsOfProvisioning(`step [2/5] RUN x failed: exit code 1\n${oci}`)).toContain(
    'unsupported base image distribution',
  );
  expect(inWordsOfProvisioning('executor failed running [x]: unable to find user 0: invalid argument')).toContain(
    'ID=',
  );
  const other = 'step [4/5] RUN x failed: exit code 127\n/bin/sh: 1: foo: not found';
  expect(inWordsOfProvisioning(other)).toBe(other);
  // what the builder quotes of the Dockerfile is no refusal
  expect(PROVISION).not.toContain('unsupported base image');
});
