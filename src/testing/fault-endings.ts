/** Faults that only the handler of a call can act out: what dies, what never starts, what is never built. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ScriptedFault } from '../emulator/core/faults.js';
import type { Sandbox } from '../model/provider.js';
import { at, type FaultBench, failure, type GetBench } from './fault-bench.js';

export interface FaultEndings {
  /** A sandbox dies during each of these calls. */
  readonly deaths: readonly {
    readonly call: string;
    readonly does: 'exec' | 'upload' | 'download';
    /** Null: at every call, for an SDK that would try again and find the next one well. */
    readonly occurrence: number | null;
  }[];
  /** What the provider says of a sandbox that died. */
  readonly deathReason: RegExp;
  /** The build of a Dockerfile fails as if by a step of its own. */
  readonly failedBuild: { readonly call: string; readonly log: string };
  /** A sandbox never leaves its first state. */
  readonly stuckSandbox: {
    readonly script: ScriptedFault;
    /** States that a person is told, in this order. */
    readonly states: readonly string[];
  };
  /** A build never leaves its first state. */
  readonly stuckBuild: ScriptedFault;
  /** A sandbox ends before it runs; null where the emulated API has no such state. */
  readonly failedStart: { readonly script: ScriptedFault; readonly state: string } | null;
}

/** Between the last state that is waited for and the abort: the loop that waits has gone round by then. */
const STUCK_MS = 500;

export function describeFaultEndings(endings: FaultEndings, getBench: GetBench, timeout: number): void {
  describe('what only the emulator can do', () => {
    test.for(endings.deaths)(
      'a sandbox that dies during $call is SandboxLostError with the reason',
      { timeout },
      async ({ call, does, occurrence }, { skip }) => {
        const bench = getBench(skip);
        const before = await bench.alive();
        const sandbox = await bench.create();
        bench.script([at(call, { kind: 'death' }, occurrence)]);
        const error = await failure(() => use(bench, sandbox, does));
        bench.calm();
        expect([error.type, error.origin], error.message).toEqual(['SandboxLostError', 'provider']);
        expect(error.message).toMatch(endings.deathReason);
        await sandbox[Symbol.asyncDispose]();
        await bench.untilAlive(before);
      },
    );

    test('a build that fails is ImageBuildError of the task, with the builder’s words', { timeout }, async ({
      skip,
    }) => {
      const bench = getBench(skip);
      const { call, log } = endings.failedBuild;
      const image = await bench.imageOf('FROM debian:bookworm-slim\nCOPY data /data\n', { data: `fails ${bench.dir}` });
      bench.script([at(call, { kind: 'build-failure' }, null)]);
      const error = await failure(() => bench.prepare(image));
      bench.calm();
      expect([error.type, error.origin], error.message).toEqual(['ImageBuildError', 'task']);
      expect(`${error.message}\n${error.details.log ?? ''}`).toContain(log);
    });

    test('a sandbox that never starts ends with the caller’s reason, and goes', { timeout }, async ({ skip }) => {
      const bench = getBench(skip);
      const { script, states } = endings.stuckSandbox;
      const before = await bench.alive();
      bench.script([script]);
      const { signal, abort, reason } = stopper();
      const creating = bench.create({
        signal,
        onEvent: (state) => {
          if (state === states.at(-1)) abort();
        },
      });
      await expect(creating).rejects.toBe(reason);
      bench.calm();
      const told = new Set(bench.events);
      expect([...told].filter((state) => states.includes(state))).toEqual(states);
      await bench.sweep();
      expect(await bench.listed()).toEqual([bench.shared.id]);
      await bench.untilAlive(before);
    });

    test('a build that never ends ends with the caller’s reason', { timeout }, async ({ skip }) => {
      const bench = getBench(skip);
      const image = await bench.imageOf('FROM debian:bookworm-slim\nCOPY data /data\n', { data: `stuck ${bench.dir}` });
      const { call } = endings.stuckBuild;
      bench.script([endings.stuckBuild]);
      const { signal, abort, reason } = stopper();
      const preparing = expect(bench.prepare(image, { signal })).rejects.toBe(reason);
      const { calls } = bench.running.emulator;
      await expect.poll(() => calls.counts().get(call), { timeout: 20_000, interval: 50 }).toBeGreaterThan(0);
      abort();
      await preparing;
      bench.calm();
    });

    const { failedStart } = endings;
    if (failedStart === null) return;
    test('a sandbox that fails to start is SandboxCreateError with the provider’s state, and goes', {
      timeout,
    }, async ({ skip }) => {
      const bench = getBench(skip);
      const before = await bench.alive();
      bench.script([failedStart.script]);
      const error = await failure(() => bench.create());
      bench.calm();
      expect([error.type, error.origin, error.details.providerState], error.message).toEqual([
        'SandboxCreateError',
        'provider',
        failedStart.state,
      ]);
      expect(await bench.listed()).toEqual([bench.shared.id]);
      await bench.untilAlive(before);
    });
  });
}

async function use(bench: FaultBench, sandbox: Sandbox, does: 'exec' | 'upload' | 'download'): Promise<void> {
  if (does === 'exec') {
    await sandbox.exec(['sleep', '60']);
    return;
  }
  const dir = await mkdtemp(join(bench.dir, 'death-'));
  if (does === 'download') return sandbox.download('/etc/debian_version', join(dir, 'down'));
  await mkdir(join(dir, 'up'));
  await writeFile(join(dir, 'up', 'file'), 'content');
  await sandbox.upload(join(dir, 'up'), '/srv/up');
}

function stopper() {
  const controller = new AbortController();
  const reason = new Error('the start limit of the task');
  const abort = () => {
    setTimeout(() => controller.abort(reason), STUCK_MS);
  };
  return { signal: controller.signal, abort, reason };
}
