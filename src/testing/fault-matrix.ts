/**
 * The fault matrix of a remote provider: every call of its API that the adapter makes × every fault, through the real SDK. A fault of
 * one occurrence is recovered from, visibly, with exactly one effect; one that never ends ends the work in time, with the right
 * exception type and origin; and nothing is left of either. Effects and leaks are counted on the emulator's backend.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../emulator/core/faults.js';
import { PlumblineError } from '../exception/errors.js';
import type { ProviderName } from '../model/words.js';
import {
  at,
  type BenchOptions,
  type FaultBench,
  failure,
  type GetBench,
  openFaultBench,
  type WorkName,
} from './fault-bench.js';
import { type Ending, endingsOf, LASTING, mayHaveWorked, nameOf, ONCE } from './fault-cases.js';
import { describeFaultEndings, type FaultEndings } from './fault-endings.js';
import { sample } from './sample.js';

/** Names of faults as `nameOf` gives them. */
type ByFault<T> = Readonly<Record<string, T>>;

export interface MatrixCall {
  /** As the emulator's routes name it. */
  readonly call: string;
  /** Work that needs the call. */
  readonly does: WorkName;
  /** A way to do such work that makes the call, where the general one does not. */
  readonly by?: (bench: FaultBench) => Promise<void>;
  /** Why the call may fail for ever and nothing is the worse for it. */
  readonly dispensable?: string;
  /** Why the work may succeed although these faults last. */
  readonly outlived?: ByFault<string>;
  /** Why the call cannot be refused for its credential. */
  readonly credential?: string;
  /** Why nobody is told of a recovery from these faults; `any`: why some of the others may be as quiet. */
  readonly unseen?: ByFault<string>;
  /** Other endings than the general ones, each list with the reason; `any` holds for all faults that are not named. */
  readonly ends?: ByFault<{ readonly as: readonly Ending[]; readonly why: string }>;
}

export interface FaultMatrix extends BenchOptions {
  readonly calls: readonly MatrixCall[];
  /** Milliseconds that one call may hang, as in `settings`. */
  readonly requestMs: number;
  /** Milliseconds within which every work has ended, whatever goes wrong. */
  readonly limitMs: number;
  readonly endings: FaultEndings;
}

/** Work of which nobody is told anything: it belongs to no trial. */
const SILENT: readonly WorkName[] = ['list'];

/** Declares the tests; call it at the top level of a `faults.contract.test.ts`. @returns the bench, for tests of the provider's own */
export function describeFaults(name: ProviderName, matrix: FaultMatrix): GetBench {
  let opened: FaultBench | null = null;
  const { calls, requestMs, limitMs } = matrix;
  const timeout = limitMs + 60_000;

  beforeAll(async () => {
    opened = await openFaultBench(name, matrix);
  }, 600_000);

  afterAll(async () => {
    await opened?.close();
  }, 120_000);

  const getBench: GetBench = (skip) => opened ?? skip('there is no local provider to stand behind the emulator');
  const numbered = calls.map((call, index) => ({ ...call, index }));

  describe.each(sample(numbered, 6))('$call', (one) => {
    const doing = (bench: FaultBench) => within(limitMs, one.by ?? bench.work[one.does], bench);

    test.for(sample(ONCE, 6, one.index).map((fault) => [nameOf(fault), fault] as const))(
      'one %s is recovered from, with one effect',
      { timeout },
      async ([, fault], { skip }) => {
        const bench = getBench(skip);
        bench.script([at(one.call, fault)]);
        await doing(bench);
        bench.calm();
        expect(bench.fired(), 'the fault did not happen').toBe(1);
        if (fault.kind !== 'delay') expectReport(bench, one, fault, true);
      },
    );

    test('a wrong credential is ProviderAuthError at once', { timeout }, async ({ skip }) => {
      const needless = one.dispensable ?? one.credential;
      if (needless !== undefined) return skip(needless);
      const bench = getBench(skip);
      const before = await bench.alive();
      const fault: Fault = { kind: 'auth' };
      bench.script([at(one.call, fault, null)]);
      const started = Date.now();
      const error = await failure(() => doing(bench));
      const took = Date.now() - started;
      bench.calm();
      expectEnding(error, one, fault);
      expect(took).toBeLessThan(requestMs);
      await bench.sweep();
      await bench.untilAlive(before);
    });

    test.for(sample(LASTING, LASTING.length, one.index).map((fault) => [nameOf(fault), fault] as const))(
      'a lasting %s ends in time with its type and leaves nothing',
      { timeout },
      async ([, fault], { skip }) => {
        const bench = getBench(skip);
        const before = await bench.alive();
        bench.script([at(one.call, fault, null)]);
        const error = await ended(() => doing(bench));
        bench.calm();
        expect(bench.fired(), 'the fault did not happen').toBeGreaterThan(0);
        if (error !== null) expectEnding(error, one, fault);
        else if (mayHaveWorked(fault)) expectReport(bench, one, fault, false);
        else {
          const outlived = (one.dispensable ?? one.outlived?.[nameOf(fault)]) !== undefined;
          expect(outlived || isReplayed(bench), 'it passed').toBe(true);
        }
        await bench.sweep();
        await bench.untilAlive(before);
      },
    );
  });

  describeFaultEndings(matrix.endings, getBench, timeout);
  return getBench;
}

/** The way out where a provider's builder is down for good. */
function isReplayed({ events }: FaultBench): boolean {
  return events.some((event) => /for a replay/.test(event));
}

/** @param strict what nobody is told of must stay so until its reason is struck out; among many tries one may be told of */
function expectReport(
  bench: FaultBench,
  { does, unseen = {}, dispensable }: MatrixCall,
  fault: Fault,
  strict: boolean,
): void {
  if (SILENT.includes(does) || dispensable !== undefined) return;
  const seen = bench.recoveries.length > 0 || isReplayed(bench);
  const reason = unseen[nameOf(fault)];
  if (reason === undefined ? unseen['any'] !== undefined : !strict) return;
  const told = `told: ${bench.events.join(' | ')}`;
  expect(seen, `${reason ?? 'nobody was told of the recovery'}; ${told}`).toBe(reason === undefined);
}

function expectEnding(error: PlumblineError, { does, ends = {} }: MatrixCall, fault: Fault): void {
  // a deletion that failed is a sandbox that may live on; why stands in its cause
  const { cause } = error.details;
  const root =
    does === 'delete' && error.type === 'SandboxLostError' && cause instanceof PlumblineError ? cause : error;
  const allowed = (ends[nameOf(fault)] ?? ends['any'])?.as ?? endingsOf(fault, does);
  expect(allowed, error.message).toContain(`${root.type}/${root.origin}`);
}

/** Null: it passed. */
async function ended(work: () => Promise<void>): Promise<PlumblineError | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (error instanceof PlumblineError) return error;
    throw error;
  }
}

async function within(ms: number, work: (bench: FaultBench) => Promise<void>, bench: FaultBench): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it hangs past its limit of ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work(bench), expiry]);
  } finally {
    clearTimeout(timer);
  }
}
