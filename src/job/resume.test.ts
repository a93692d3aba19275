import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ImageBuildError, SandboxLostError } from '../exception/errors.js';
import type { RunEvent } from '../model/event.js';
import type { RunOptions } from '../model/run.js';
import { foldEventLog } from '../record/fold.js';
import {
  cancelled,
  failed,
  makeDeps,
  makeIdleProvider,
  makeOptions,
  makeTask,
  makeTempDir,
  passed,
  seededRandom,
  untilCancelled,
} from '../testing/job-fixture.js';
import type { JobDeps } from './deps.js';
import { EmptyPlanError, RunDirectoryError, RunExistsError } from './errors.js';
import { runJob } from './run-job.js';
import { Interrupt } from './stop.js';

let temp: ReturnType<typeof makeTempDir>;
let dir: string;
beforeEach(() => {
  temp = makeTempDir();
  dir = join(temp.path, 'nightly');
});
afterEach(() => temp.remove());

/** Runs tasks a, b, c, d, where each ends as the map says; returns which of them were attempted. */
async function run(
  results: Record<string, () => Awaited<ReturnType<JobDeps['runAttempt']>>>,
  options: Partial<RunOptions> = {},
  overrides: Partial<JobDeps> & { digests?: Record<string, string> } = {},
) {
  const { digests = {}, ...deps } = overrides;
  const attempted: string[] = [];
  const runAttempt: JobDeps['runAttempt'] = async ({ task }) => {
    attempted.push(task.id);
    return (results[task.id] ?? passed)();
  };
  const tasks = ['a', 'b', 'c', 'd'].map((id) => makeTask(id, digests[id] ? { digest: digests[id] } : {}));
  const outcome = await runJob(makeOptions(dir, options), tasks, makeDeps({ runAttempt, ...deps }));
  return { ...outcome, attempted: attempted.sort() };
}

const events = (): RunEvent[] =>
  readFileSync(join(dir, 'events.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

test('keeps passes, fails and the task’s own errors; tries provider errors again under the same name', async () => {
  const fail = () => ({ ...passed(), outcome: 'fail' as const, rewards: { reward: 0 } });
  const first = await run({
    b: fail,
    c: () => failed(new SandboxLostError('gone')),
    d: () => failed(new ImageBuildError('x')),
  });
  const names = first.folded.trials.map((trial) => trial.trial_name);
  const second = await run({}, { resume: true }, { random: seededRandom(77) });
  expect(second.attempted).toEqual(['c']);
  expect(second.folded.trials.map((trial) => trial.outcome)).toEqual(['pass', 'fail', 'pass', 'error']);
  expect(second.folded.trials.map((trial) => trial.trial_name)).toEqual(names);
  expect(second.folded.run.id).toBe(first.folded.run.id);
  expect(events().map((event) => event.seq)).toEqual(events().map((_, index) => index));
  expect(await foldEventLog(join(dir, 'events.jsonl'))).toEqual(JSON.parse(JSON.stringify(second.folded)));
  const job = JSON.parse(readFileSync(join(dir, 'docker', 'result.json'), 'utf8'));
  expect(job.stats).toMatchObject({ n_completed_trials: 4, n_errored_trials: 1 });
});

test('a changed task, changed settings and changed provider settings are run again', async () => {
  await run({});
  expect((await run({}, { resume: true }, { digests: { b: 'sha256:new' } })).attempted).toEqual(['b']);
  const settings = { ...makeOptions(dir).settings, timeoutMultiplier: 2 };
  expect((await run({}, { resume: true, settings }, { digests: { b: 'sha256:new' } })).attempted).toEqual([
    'a',
    'b',
    'c',
    'd',
  ]);
  const same = { resume: true, settings: { ...settings, keep: 'failed' as const } };
  expect((await run({}, same, { digests: { b: 'sha256:new' } })).attempted).toEqual([]);
  const region = { providerSettings: { region: 'eu' }, digests: { b: 'sha256:new' } };
  expect((await run({}, same, region)).attempted).toEqual(['a', 'b', 'c', 'd']);
});

test('results of an emulator are none of the service, and the other way round', async () => {
  const on = (emulated: boolean) => ({ providers: [makeIdleProvider('docker', { emulated })] });
  const again = async (emulated: boolean) => (await run({}, { resume: true }, on(emulated))).attempted;
  await run({}, {}, on(true));
  expect(await again(true)).toEqual([]);
  expect(await again(false)).toEqual(['a', 'b', 'c', 'd']);
  expect(await again(true)).toEqual(['a', 'b', 'c', 'd']);
});

test('goes on after an interrupt; the old files of a trial that runs again are gone', async () => {
  const controller = new AbortController();
  const runAttempt: JobDeps['runAttempt'] = async (input) => {
    if (input.task.id === 'a') return passed();
    writeFileSync(join(input.dir, 'half-written'), '');
    controller.abort(new Interrupt('SIGINT'));
    await untilCancelled(input);
    return cancelled();
  };
  const one = { concurrency: { docker: 1 } };
  const first = await run({}, one, { runAttempt, signal: controller.signal });
  expect(first.folded.trials.map((trial) => trial.outcome)).toEqual(['pass', 'cancelled', 'not_run', 'not_run']);
  const second = await run({}, { ...one, resume: true });
  expect(second.attempted).toEqual(['b', 'c', 'd']);
  expect(second.folded.run.interrupted).toBe(false);
  expect(second.folded.trials.every((trial) => trial.outcome === 'pass')).toBe(true);
  expect(existsSync(join(dir, second.folded.trials[1]?.dir ?? '', 'half-written'))).toBe(false);
});

test('a run that another process is working on is refused, resumed or begun again', async () => {
  const refused: unknown[] = [];
  const intrude = async () => {
    for (const resume of [true, false]) refused.push(await run({}, { resume }).catch((error: unknown) => error));
  };
  const runAttempt: JobDeps['runAttempt'] = async ({ task }) => {
    if (task.id === 'a') await intrude();
    return passed();
  };
  const first = await run({}, {}, { runAttempt });
  expect(refused).toEqual([expect.any(RunExistsError), expect.any(RunExistsError)]);
  expect(String(refused[0])).toContain('is writing to it');
  expect(first.folded.trials.map((trial) => trial.outcome)).toEqual(['pass', 'pass', 'pass', 'pass']);
  expect(existsSync(join(dir, '.lock'))).toBe(false);
});

test('the lock of a process that was killed is taken over', async () => {
  await run({ b: () => failed(new SandboxLostError('gone')) });
  // No pid is above the kernel's maximum of 2^22.
  writeFileSync(join(dir, '.lock'), `${hostname()}:4194305:1 0`);
  expect((await run({}, { resume: true })).attempted).toEqual(['b']);
  expect(existsSync(join(dir, '.lock'))).toBe(false);
});

test('a directory that cannot be written is no fault of ours', async () => {
  dir = '/sys/plumbline/nightly';
  await expect(run({})).rejects.toThrow(RunDirectoryError);
});

test('a run that is not begun leaves no directory behind', async () => {
  await expect(run({}, { only: new Set() })).rejects.toThrow(EmptyPlanError);
  expect(existsSync(dir)).toBe(false);
});

test('a log that was torn by a kill at any event is resumed to a whole run', async () => {
  await run({});
  const path = join(dir, 'events.jsonl');
  const whole = readFileSync(path);
  const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([index]) => index);
  for (const end of [3, ...ends.flatMap((at) => [at, at + 1, at + 9])]) {
    writeFileSync(path, whole);
    truncateSync(path, Math.min(end, whole.length));
    const { folded } = await run({}, { resume: true });
    expect(folded.trials.map((trial) => trial.outcome)).toEqual(['pass', 'pass', 'pass', 'pass']);
    expect(await foldEventLog(path)).toEqual(JSON.parse(JSON.stringify(folded)));
  }
});

test('--resume of what is not there is a new run; of a directory that is no run it is refused', async () => {
  expect((await run({}, { resume: true })).attempted).toEqual(['a', 'b', 'c', 'd']);
  const other = join(temp.path, 'other');
  writeFileSync(other, '');
  await expect(run({}, { dir: other, resume: true })).rejects.toThrow('is a file');
  await expect(run({}, { dir: temp.path, resume: true })).rejects.toThrow('not a run that could be resumed');
});

test('secrets of settings are written as names, and still compare as equal', async () => {
  const { createRedactor } = await import('../record/redact.js');
  const redact = createRedactor([['API_KEY', 'very-secret-value']]);
  const settings = { ...makeOptions(dir).settings, verifierEnv: { API_KEY: 'very-secret-value' } };
  const argv = ['run', '--ve', 'API_KEY=very-secret-value'];
  await run({}, { settings, argv }, { redact });
  expect((await run({}, { settings, argv, resume: true }, { redact })).attempted).toEqual([]);
  for (const file of ['events.jsonl', 'docker/config.json', 'docker/result.json']) {
    expect(readFileSync(join(dir, file), 'utf8')).not.toContain('very-secret-value');
  }
});

test('sinks that ask for it see the events of the first start too', async () => {
  await run({});
  const collect = (seen: string[]) => ({ handle: (event: RunEvent) => void seen.push(event.type) });
  const [plain, replaying]: string[][] = [[], []];
  const sinks = [
    { name: 'plain', sink: collect(plain ?? []) },
    { name: 'replaying', sink: collect(replaying ?? []), replay: true },
  ];
  await run({}, { resume: true }, { sinks });
  expect(plain).toEqual(['run_resumed', 'run_planned', 'provider_finished', 'run_finished']);
  expect(replaying).toEqual(events().map((event) => event.type));
});
