/** Two checkouts of a task are one image on Modal, and what that costs is said. */
import { mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { processEnvironment } from '../../cli/environment.js';
import type { Owner, SandboxProvider } from '../../model/provider.js';
import { emulatedProvider } from '../../testing/emulated-provider.js';
import { currentOwner } from '../owner.js';

const owner: Owner = { runId: 'modal-times', owner: currentOwner(), expiresAt: '2031-01-01T00:00:00Z' };

async function checkout(dir: string, text: string, year: number): Promise<string> {
  const contextDir = await mkdtemp(join(dir, 'checkout-'));
  await writeFile(join(contextDir, 'Dockerfile'), text);
  await writeFile(join(contextDir, 'data'), 'data');
  await symlink('data', join(contextDir, 'link')); // which makes the context an archive
  const time = new Date(Date.UTC(year, 1, 3));
  await utimes(join(contextDir, 'data'), time, time);
  return contextDir;
}

async function prepared(provider: SandboxProvider, contextDir: string) {
  const { cacheHit, warnings } = await provider.prepare(
    {
      source: { kind: 'dockerfile', contextDir, dockerfile: join(contextDir, 'Dockerfile') },
      compose: null,
      platform: null,
      resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null },
    },
    { owner, forceBuild: false, signal: new AbortController().signal, onEvent: () => {}, onLog: () => {} },
  );
  return { cacheHit, codes: warnings.map(({ code }) => code) };
}

test('a checkout with other times is the same image; that times are lost is said where files are taken', {
  timeout: 120_000,
}, async ({ skip }) => {
  const running = await emulatedProvider('modal', { env: processEnvironment() });
  if (running === null) return skip('there is no local provider to stand behind the emulator');
  const dir = await mkdtemp(join(tmpdir(), 'plumbline-modal-times-'));
  try {
    const { provider } = running;
    const text = `FROM debian:bookworm-slim\nCOPY . /srv/${process.pid}\n`;
    const first = await prepared(provider, await checkout(dir, text, 2011));
    const second = await prepared(provider, await checkout(dir, text, 2012));
    expect([first.cacheHit, second.cacheHit]).toEqual([false, true]);
    for (const { codes } of [first, second]) expect(codes).toContain('ContextTimes');
    const none = await prepared(provider, await checkout(dir, 'FROM debian:bookworm-slim\nRUN true\n', 2011));
    expect(none.codes).not.toContain('ContextTimes');
  } finally {
    await running.close();
    await rm(dir, { recursive: true, force: true });
  }
});
