import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRedactor } from '../record/redact.js';
import { harborJobConfig } from './harbor-config.js';
import { resolveSettings } from './resolve-settings.js';
import { assignments, concurrencies, parseShard } from './run-settings.js';
import { secretSources } from './secrets.js';

describe('a Harbor job configuration', () => {
  test('gives what has a counterpart and names the rest', () => {
    const { settings, warnings } = harborJobConfig(
      {
        job_name: 'nightly',
        n_attempts: 3,
        n_concurrent_trials: 8,
        metrics: [{ type: 'mean' }],
        retry: { max_retries: 2, include_exceptions: ['NetworkError'], min_wait_sec: 1 },
        environment: {
          type: 'modal',
          delete: false,
          kwargs: { app_name: 'x', 'modal.idle_ms': 60_000 },
          env: { A: 'b' },
        },
        verifier: { env: { K: 'v' } },
        agents: [{ name: 'nop' }],
        datasets: [{ path: 'suites/reference', task_names: ['hello-*'], n_tasks: 5 }],
        tasks: [{ path: 'one-task' }],
      },
      'job.json',
    );
    expect(settings).toEqual({
      jobName: 'nightly',
      nAttempts: 3,
      nConcurrent: ['8'],
      maxRetries: 2,
      retryInclude: ['NetworkError'],
      env: ['modal'],
      delete: false,
      environmentKwarg: ['modal.idle_ms=60000'],
      verifierEnv: ['K=v'],
      agent: 'nop',
      path: ['one-task', 'suites/reference'],
      includeTaskName: ['hello-*'],
      nTasks: 5,
    });
    expect(warnings).toEqual([
      'job.json: not used by Plumbline: environment.env, environment.kwargs.app_name, metrics, retry.min_wait_sec',
    ]);
  });

  test.each([
    [{ n_attempts: 'three' }, 'n_attempts is "three", not a number'],
    [{ agents: [{ name: 'terminus' }] }, 'agents is ["terminus"]'],
    [{ tasks: [{ git_url: 'x' }] }, 'tasks[0] has no path'],
    [[], 'the file is not an object'],
  ])('%j is refused by name', (config, message) => {
    expect(() => harborJobConfig(config, 'job.json')).toThrow(message);
  });
});

describe('settings', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'plumbline-settings-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('flags win over the file, the file over defaults', async () => {
    const file = join(dir, 'job.json');
    writeFileSync(file, JSON.stringify({ n_attempts: 3, timeout_multiplier: 2, environment: { delete: false } }));
    const { values, sources } = await resolveSettings({ config: file, nAttempts: 5, delete: true });
    expect([values.nAttempts, values.timeoutMultiplier, values.delete, values.maxRetries]).toEqual([5, 2, false, 0]);
    expect([sources.nAttempts, sources.timeoutMultiplier, sources.delete, sources.maxRetries]).toEqual([
      'flag',
      'config',
      'config',
      'default',
    ]);
  });

  test('a file that is missing or not JSON is named', async () => {
    await expect(resolveSettings({ config: join(dir, 'none.json') })).rejects.toThrow('none.json');
    writeFileSync(join(dir, 'job.yaml'), 'job_name: x\n');
    await expect(resolveSettings({ config: join(dir, 'job.yaml') })).rejects.toThrow('is not JSON');
  });

  test('the small languages of flags', () => {
    expect(assignments('--ve', ['A=1', 'B=x=y', 'C='])).toEqual({ A: '1', B: 'x=y', C: '' });
    expect(() => assignments('--ve', ['=1'])).toThrow('--ve "=1"');
    expect(concurrencies(['4', 'docker=2'])).toEqual({ all: 4, per: { docker: 2 } });
    expect(() => concurrencies(['0'])).toThrow('-n "0"');
    expect(parseShard('2/5')).toEqual({ index: 2, count: 5 });
    expect(() => parseShard('0/5')).toThrow('--shard');
  });
});

test('secrets are what was handed over for the run, not the whole environment', () => {
  const redact = createRedactor(
    secretSources({
      tasks: [],
      hostEnv: { E2B_API_KEY: 'e2b-1234567', SSH_AUTH_SOCK: '/tmp/agent-socket' },
      fileEnv: { DB_PASSWORD: 'hunter2hunter2' },
      verifierEnv: { JUDGE_TOKEN: 'tok-99999999', NAME: 'plain-value-here' },
    }),
  );
  expect(redact('e2b-1234567 hunter2hunter2 tok-99999999 plain-value-here /tmp/agent-socket')).toBe(
    '${E2B_API_KEY} ${DB_PASSWORD} ${JUDGE_TOKEN} plain-value-here /tmp/agent-socket',
  );
});
