/** A run without sandboxes: tasks, providers and attempts that do what a test says, for tests of plan, schedule and records. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toExceptionRecord } from '../exception/classify.js';
import { HarnessError, type PlumblineError } from '../exception/errors.js';
import { emptyAttempt } from '../job/attempt.js';
import type { JobDeps } from '../job/deps.js';
import type { Needs } from '../model/needs.js';
import type { Capabilities, SandboxProvider } from '../model/provider.js';
import type { AttemptRecord } from '../model/record.js';
import type { RunOptions, TrialSettings } from '../model/run.js';
import type { LoadedTask, Task, TaskConfig } from '../model/task.js';
import type { ProviderName } from '../model/words.js';
import { createRedactor } from '../record/redact.js';
import type { AttemptInput } from '../trial/types.js';
import { HOST, makeGateOptions } from './records.js';
import { TRIAL_SETTINGS } from './trial-fixture.js';

/** mulberry32: the same seed gives the same floats in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A fresh directory; the caller removes it. */
export function makeTempDir(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'plumbline-job-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export const PLAIN_NEEDS: Needs = {
  os: 'linux',
  compose: false,
  gpus: false,
  tpu: false,
  networkModes: ['public'],
  dynamicNetwork: false,
  allowedHosts: [],
  limits: { cpus: false, memory: false, storage: false },
  multiStep: false,
  separateVerifier: false,
};

export function makeTask(id: string, overrides: Partial<Task> = {}): LoadedTask {
  const config = { environment: { build_timeout_sec: 600 } } as TaskConfig;
  const digest = `sha256:${id}`;
  return {
    ok: true,
    task: { id, name: id, dir: `/tasks/${id}`, suite: 'demo', config, digest, warnings: [], ...overrides },
  };
}

export function makeInvalidTask(id: string): LoadedTask {
  const problem = { file: `/tasks/${id}/task.toml`, line: 3, column: 1, key: 'agent', message: 'is no table', fix: '' };
  return { ok: false, invalid: { id, dir: `/tasks/${id}`, suite: 'demo', problems: [problem] } };
}

const CAPABILITIES: Capabilities = {
  networkModes: ['public', 'no-network'],
  allowlistKinds: [],
  dynamicNetwork: false,
  compose: false,
  gpu: false,
  windows: false,
  limits: { cpus: true, memory: true, storage: true },
  deadlineSlackMs: 2000,
  platforms: ['linux/amd64'],
  notes: [],
};

/** A provider that is ready and has no sandboxes; the attempts of these tests never create one. */
export function makeIdleProvider(name: ProviderName, overrides: Partial<SandboxProvider> = {}): SandboxProvider {
  return {
    name,
    capabilities: CAPABILITIES,
    defaultConcurrency: 2,
    emulated: false,
    preflight: async () => ({ status: 'ready', versions: { engine: '1' } }),
    prepare: async (spec) => ({
      source: 'prebuilt',
      ref: 'image',
      digest: 'sha256:00',
      cacheHit: true,
      provenance: 'pull',
      spec,
      warnings: [],
    }),
    create: async () => {
      throw new HarnessError('this provider makes no sandboxes');
    },
    list: async () => [],
    destroy: async () => undefined,
    ...overrides,
  };
}

export const SETTINGS: TrialSettings = TRIAL_SETTINGS;

export function makeOptions(dir: string, overrides: Partial<RunOptions> = {}): RunOptions {
  return {
    name: 'nightly',
    dir,
    argv: ['run', '-p', '/tasks'],
    settings: SETTINGS,
    retry: { maxRetries: 0, include: [], exclude: [] },
    repeats: 1,
    withNop: false,
    concurrency: {},
    maxConcurrent: null,
    failFast: false,
    maxRunTimeSec: null,
    shard: null,
    resume: false,
    only: null,
    gate: makeGateOptions(),
    ...overrides,
  };
}

/** An attempt that passed. */
export function passed(overrides: Partial<AttemptRecord> = {}): AttemptRecord {
  const now = new Date().toISOString();
  return { ...emptyAttempt('pass', now, now, null), rewards: { reward: 1 }, ...overrides };
}

/** An attempt that ended with this error. */
export function failed(error: PlumblineError): AttemptRecord {
  const now = new Date().toISOString();
  return emptyAttempt('error', now, now, toExceptionRecord(error, { phase: 'oracle', step: null }));
}

export function cancelled(): AttemptRecord {
  const now = new Date().toISOString();
  return emptyAttempt('cancelled', now, now, null);
}

/** Resolves when the attempt is cancelled. */
export function untilCancelled(input: Pick<AttemptInput, 'signal'>): Promise<void> {
  return new Promise((resolve) => {
    if (input.signal.aborted) resolve();
    else input.signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

export function makeDeps(overrides: Partial<JobDeps> = {}): JobDeps {
  return {
    providers: [makeIdleProvider('docker')],
    sinks: [],
    runAttempt: async () => passed(),
    needsOf: () => PLAIN_NEEDS,
    imagesOf: async () => [],
    ownerOf: (runId) => ({ runId, owner: 'host:1:1', expiresAt: '2026-01-03T00:00:00Z' }),
    redact: createRedactor([]),
    host: HOST,
    version: '0.1.0',
    hostEnv: {},
    now: () => new Date(),
    random: seededRandom(1),
    signal: new AbortController().signal,
    ...overrides,
  };
}
