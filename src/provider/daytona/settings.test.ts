import { describe, expect, test } from 'vitest';
import { daytonaConfig } from './config.js';
import { createSettings, updateSettings } from './network.js';
import { effectiveOf, snapshotSize } from './resources.js';

describe('resources', () => {
  test('are whole cpus and GiB, never below the request; no request is none', () => {
    const size = snapshotSize({ cpus: 1.5, memoryMb: 2500, storageMb: 10_240, gpus: null });
    expect(size).toEqual({ cpu: 2, memory: 3, disk: 10 });
    expect(snapshotSize({ cpus: 0.1, memoryMb: 512, storageMb: 1, gpus: null })).toEqual({
      cpu: 1,
      memory: 1,
      disk: 1,
    });
    expect(snapshotSize({ cpus: null, memoryMb: null, storageMb: null, gpus: null })).toEqual({});
  });

  test('effective is what the API says, in MB', () => {
    const dto = { id: 'x', state: 'started', labels: {}, cpu: 2, memory: 3, disk: 10 };
    expect(effectiveOf(dto)).toEqual({ cpus: 2, memoryMb: 3072, storageMb: 10_240 });
    expect(effectiveOf({ ...dto, cpu: Number.NaN })).toMatchObject({ cpus: null });
  });
});

describe('network policies', () => {
  test.each([
    [{ mode: 'public' }, {}],
    [{ mode: 'no-network' }, { networkBlockAll: true }],
    [{ mode: 'allowlist', hosts: [] }, { networkBlockAll: true }],
    [{ mode: 'allowlist', hosts: ['1.2.3.4', '10.0.0.0/8'] }, { networkAllowList: '1.2.3.4/32,10.0.0.0/8' }],
    [{ mode: 'allowlist', hosts: ['example.org', '*.example.org'] }, { domainAllowList: 'example.org,*.example.org' }],
  ] as const)('%o', (policy, settings) => {
    expect(createSettings(policy)).toEqual(settings);
  });

  test('an update takes back what it does not name', () => {
    expect(updateSettings({ mode: 'public' })).toEqual({
      networkBlockAll: false,
      networkAllowList: '',
      domainAllowList: '',
    });
  });

  test('what Daytona cannot hold is refused', () => {
    expect(() => createSettings({ mode: 'allowlist', hosts: ['example.org', '1.2.3.4'] })).toThrow(/cannot be in one/);
    const many = Array.from({ length: 11 }, (_, index) => `h${index}.example.org`);
    expect(() => createSettings({ mode: 'allowlist', hosts: many })).toThrow(/at most 10/);
  });
});

describe('configuration', () => {
  const stateDir = '/nonexistent/state';

  test('a key, or a token with its organisation, is a credential', () => {
    const of = (env: Record<string, string>) => daytonaConfig({ env, stateDir }).connection;
    expect(of({})).toBeNull();
    expect(of({ DAYTONA_JWT_TOKEN: 't' })).toBeNull();
    expect(of({ DAYTONA_API_KEY: 'k' })).toMatchObject({
      apiKey: 'k',
      apiUrl: 'https://app.daytona.io/api',
    });
    expect(of({ DAYTONA_JWT_TOKEN: 't', DAYTONA_ORGANIZATION_ID: 'o' })).toMatchObject({
      jwtToken: 't',
      organizationId: 'o',
    });
  });

  test('settings of the command line win', () => {
    const settings = { 'daytona.auto_stop_minutes': '60', 'daytona.tries': '2' };
    const config = daytonaConfig({ env: {}, stateDir, settings });
    expect([config.autoStopMinutes, config.policy.tries]).toEqual([60, 2]);
  });
});
