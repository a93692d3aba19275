import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emulatedNames } from '../emulator/index.js';
import type { ProviderName } from '../model/words.js';
import { loadProvider } from '../provider/registry.js';
import { createFakeProvider } from '../testing/fake-provider.js';
import { emulateCommand } from './emulate.js';
import { emulatedEnv } from './emulated.js';
import { readFaults } from './faults-file.js';
import type { CliIo } from './io-types.js';
import { UsageError } from './usage-error.js';

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'plumbline-emulate-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

function recordingIo(): CliIo & { out: string; err: string; interrupt(): void } {
  let handler: (signal: 'SIGINT') => void = () => {};
  const io = {
    out: '',
    err: '',
    color: false,
    columns: 80,
    isTTY: false,
    rows: 24,
    version: '0',
    cwd: home,
    env: { XDG_STATE_HOME: home, HOME: home, DOCKER_HOST: 'unix:///nonexistent.sock' },
    stdout: (text: string) => {
      io.out += text;
    },
    stderr: (text: string) => {
      io.err += text;
    },
    onSignal(given: (signal: 'SIGINT' | 'SIGTERM') => void) {
      handler = given;
      return () => {};
    },
    leave: () => {
      throw new Error('left');
    },
    interrupt: () => handler('SIGINT'),
  };
  return io;
}

describe('emulate', () => {
  test.each(['docker', 'nonsense', ''])('%s is a usage error that names what can be emulated', async (name) => {
    const refused = emulateCommand([name], {}, recordingIo());
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toMatchObject({ fix: expect.stringContaining('e2b') });
  });

  test('--list-calls names the calls with what can happen to each, and starts nothing', async () => {
    const io = recordingIo();
    expect(await emulateCommand(['daytona'], { listCalls: true }, io)).toBe(0);
    expect(io.out).toMatch(/^sandbox\.create +make a sandbox +stuck \(creating, .*\), build-failure$/m);
    expect(io.out).toMatch(/^every call: delay, hang, /m);
    expect(io.err).toBe('');
  });

  test('a script with a mistake names the file, the line and the nearest call', async () => {
    await writeFile(join(home, 'faults.toml'), '[[fault]]\ncall = "sandbox.crate"\nkind = "hang"\n');
    const refused = emulateCommand(['e2b'], { faults: 'faults.toml' }, recordingIo());
    await expect(refused).rejects.toThrow(
      /^faults\.toml is not .*\n {2}faults\.toml:2:1 call: .*did you mean "sandbox.create"/s,
    );
    await expect(refused).rejects.toBeInstanceOf(UsageError);
    const missing = emulateCommand(['e2b'], { faults: 'no.toml' }, recordingIo());
    await expect(missing).rejects.toThrow('cannot read the faults no.toml');
  });

  test('without a local provider it says why and exits 3', async () => {
    const io = recordingIo();
    expect(await emulateCommand(['e2b'], { backend: 'docker' }, io)).toBe(3);
    expect(io.err).toContain('docker cannot stand behind the emulator');
    expect(io.out).toBe('');
  });
});

describe('emulatedEnv', () => {
  test('starts what has an emulator, hands out its variables, and stops listening', async () => {
    const started = await emulatedEnv(['docker', 'e2b'], createFakeProvider());
    const url = started.env['E2B_API_URL'] ?? '';
    expect(started.env).toMatchObject({ PLUMBLINE_EMULATED_E2B: '1', E2B_SANDBOX_URL: url });
    expect((await fetch(`${url}/v2/sandboxes`)).status).toBe(401);
    const headers = { 'x-api-key': started.env['E2B_API_KEY'] ?? '' };
    expect(await (await fetch(`${url}/v2/sandboxes`, { headers })).json()).toEqual([]);
    await started.close();
    await expect(fetch(`${url}/v2/sandboxes`)).rejects.toThrow();
  });

  test.each(emulatedNames())(
    'what %s’s emulator prints is known by its key, also without the variable',
    async (name) => {
      const started = await emulatedEnv([name], createFakeProvider());
      const env = Object.fromEntries(Object.entries(started.env).filter(([key]) => !key.startsWith('PLUMBLINE_')));
      const provider = await loadProvider(name, { env, stateDir: home });
      expect(provider.emulated).toBe(true);
      expect(await provider.preflight(AbortSignal.timeout(20_000))).toMatchObject({ status: 'ready' });
      await provider.close?.();
      await started.close();
    },
  );

  test('acts out a script, says so in the report of its providers alone, and accounts for it', async () => {
    const list = 'provider = "e2b"\ncall = "sandbox.list"\nkind = "status"\nstatus = 503\n';
    await writeFile(
      join(home, 'some.toml'),
      `[[fault]]\n${list}occurrence = [1, 2]\n[[fault]]\n${list}occurrence = 9\n[[fault]]\n${list.replace('e2b', 'daytona')}`,
    );
    const faults = await readFaults('some.toml', home, ['e2b']);
    expect(faults.others).toEqual(['daytona']);
    const started = await emulatedEnv(['e2b'], createFakeProvider(), faults);
    const headers = { 'x-api-key': started.env['E2B_API_KEY'] ?? '' };
    expect((await fetch(`${started.env['E2B_API_URL']}/v2/sandboxes`, { headers })).status).toBe(503);
    expect(started.faultsReport()).toEqual([
      'faults: 1 acted out, by 1 of the 2 entries of some.toml',
      'faults: some.toml:1 1 of 2 times acted out: e2b sandbox.list: status',
      'faults: some.toml:7 never acted out: e2b sandbox.list: status',
    ]);
    const warned = async (name: ProviderName) => {
      const found = await started.annotated({ ...createFakeProvider(), name }).preflight(AbortSignal.timeout(5_000));
      return found.status === 'ready' ? (found.warnings ?? []) : found;
    };
    expect(await warned('e2b')).toEqual(['its emulator acts out faults: 2 of some.toml']);
    expect(await warned('docker')).toEqual([]);
    await started.close();
  });
});
