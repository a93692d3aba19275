/**
 * The provider of docs/writing-a-provider.md keeps the contract: every sixth check, and all of them with PLUMBLINE_FULL.
 * Skipped only where no engine answers.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageSpec } from '../model/image.js';
import { CONTRACT_CHECKS } from '../provider/checks/index.js';
import { createDockerProvider } from '../provider/docker/index.js';
import { currentOwner } from '../provider/owner.js';
import { CONTRACT_IMAGE, describeContract } from './contract.js';
import { createMinimalProvider } from './minimal-provider.js';

const docker = createDockerProvider({ env: process.env, stateDir: join(tmpdir(), 'plumbline-docker-contract') });
const preflight = await docker.preflight(AbortSignal.timeout(30_000));

/** It builds as `docker build` does; where Debian's image cannot be pulled the docker provider knows what to do. */
async function contractImage(): Promise<ImageSpec> {
  const owner = { runId: 'minimal', owner: currentOwner(), expiresAt: new Date(Date.now() + 3600_000).toISOString() };
  const quiet = { onEvent: () => undefined, onLog: () => undefined };
  const signal = AbortSignal.timeout(600_000);
  const { ref } = await docker.prepare(CONTRACT_IMAGE, { owner, signal, forceBuild: false, ...quiet });
  return { ...CONTRACT_IMAGE, source: { kind: 'prebuilt', ref } };
}

/** Builds of its own need a base image that the engine can pull. */
const BUILDS = new Set(['lifecycle/prepare-failing-build', 'lifecycle/prepare-abort', 'lifecycle/entrypoint-user']);
const checks = CONTRACT_CHECKS.filter(({ id }) => !BUILDS.has(id)).filter(
  (_, index) => process.env['PLUMBLINE_FULL'] || index % 6 === 0,
);

describeContract(
  'the minimal provider',
  async () => {
    if (preflight.status === 'missing') return { skip: `${preflight.what}: ${preflight.fix}` };
    return createMinimalProvider({ env: process.env });
  },
  preflight.status === 'ready' ? { checks, image: await contractImage() } : { checks },
);
