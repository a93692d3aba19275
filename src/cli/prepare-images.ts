/** Every image of a plan, made ahead: what is seen meanwhile, and what is left for a run. */
import { stripVTControlCharacters } from 'node:util';
import type { PlanItem } from '../job/plan.js';
import type { ImageSpec, PreparedImage } from '../model/image.js';
import type { Owner, SandboxProvider } from '../model/provider.js';
import type { Task } from '../model/task.js';
import { providerTitle } from '../model/words.js';
import { plural } from '../report/text.js';
import { errorMessage, errorType } from '../util/cause-chain.js';
import { createLimiter } from '../util/limit.js';

export interface Preparation {
  /** Those that can be used. */
  readonly providers: readonly SandboxProvider[];
  /** Trials of them; each task counts once per provider. */
  readonly plan: readonly PlanItem[];
  /** @throws what a trial of the task would report */
  readonly imagesOf: (task: Task) => Promise<readonly ImageSpec[]>;
  readonly owner: Owner;
  readonly forceBuild: boolean;
  /** Tasks whose images are made at the same time. */
  readonly atOnce: number;
  readonly signal: AbortSignal;
  /** States, recoveries, warnings and the lines of logs. */
  readonly onProgress: (line: string) => void;
  /** One line per task. */
  readonly onResult: (line: string) => void;
}

/** What became of one task on one provider, which is named as it is shown. */
export interface TaskOutcome {
  readonly provider: string;
  readonly task: string;
  readonly status: 'ready' | 'failed' | 'stopped' | 'not begun' | 'unsupported' | 'invalid';
  /** Of a failure. */
  readonly errorType?: string;
}

/** Never throws for an image: what could not be made is an outcome. An aborted signal begins nothing more. */
export async function prepareImages(preparation: Preparation): Promise<TaskOutcome[]> {
  const { providers, plan, atOnce, signal, onResult } = preparation;
  const limiter = createLimiter(atOnce);
  const work: Promise<TaskOutcome>[] = [];
  for (const provider of providers) {
    const ours = oncePerTask(plan.filter(({ planned }) => planned.provider === provider.name));
    const total = ours.filter((item) => item.loaded.ok && item.planned.unsupported_reason === null).length;
    /** Of one base of many tasks, a warning is news once. */
    const warned = new Set<string>();
    const title = providerTitle(provider);
    let done = 0;
    for (const { planned, loaded } of ours) {
      const facts = { provider: title, task: planned.task };
      const name = `${title}  ${planned.task}`;
      const settled = (status: 'unsupported' | 'invalid', why: string) => {
        onResult(`${name}  ${status}: ${why}`);
        work.push(Promise.resolve({ ...facts, status }));
      };
      if (!loaded.ok) {
        const [problem] = loaded.invalid.problems;
        const place = problem && `${problem.file}:${problem.line}:${problem.column} ${problem.key}: ${problem.message}`;
        settled('invalid', place ?? 'it cannot be read');
      } else if (planned.unsupported_reason !== null) {
        settled('unsupported', planned.unsupported_reason);
      } else {
        const { task } = loaded;
        const one = async (): Promise<TaskOutcome> => {
          if (signal.aborted) return { ...facts, status: 'not begun' };
          const end = await prepareTask(preparation, provider, task, name, warned);
          if ('stopped' in end) return { ...facts, status: 'stopped' };
          done += 1;
          onResult(`[${done}/${total}] ${name}  ${end.text}`);
          return end.errorType === null
            ? { ...facts, status: 'ready' }
            : { ...facts, status: 'failed', errorType: end.errorType };
        };
        work.push(limiter(one));
      }
    }
  }
  return Promise.all(work);
}

function oncePerTask(items: readonly PlanItem[]): PlanItem[] {
  const seen = new Set<string>();
  return items.filter(({ planned: { task, control } }) => {
    const first = !control && !seen.has(task);
    seen.add(task);
    return first;
  });
}

type End = { readonly stopped: true } | { readonly text: string; readonly errorType: string | null };

async function prepareTask(
  { imagesOf, owner, forceBuild, signal, onProgress }: Preparation,
  provider: SandboxProvider,
  task: Task,
  name: string,
  warned: Set<string>,
): Promise<End> {
  const startedAt = performance.now();
  let recoveries = 0;
  let state: string | null = null;
  const log = lineByLine((line) => onProgress(`${name} | ${line}`));
  const onEvent = (text: string, recovery?: unknown) => {
    if (recovery !== undefined) recoveries += 1;
    else if (text === state) return;
    state = recovery === undefined ? text : null;
    onProgress(`${name}: ${text}`);
  };
  try {
    const made: PreparedImage[] = [];
    for (const image of await imagesOf(task)) {
      made.push(await provider.prepare(image, { signal, owner, forceBuild, onEvent, onLog: log.add }));
    }
    log.end();
    for (const { code, message } of made.flatMap(({ warnings }) => warnings)) {
      const warning = `warning: ${code}: ${message}`;
      if (!warned.has(warning)) onProgress(`${name}: ${warning}`);
      warned.add(warning);
    }
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const sources = [...new Set(made.filter(({ cacheHit }) => !cacheHit).map(({ source }) => source))];
    const retries = recoveries === 0 ? '' : ` after ${recoveries === 1 ? '1 retry' : `${recoveries} retries`}`;
    const how = sources.length === 0 ? 'found' : `${sources.join(' and ')} in ${seconds} s`;
    return { text: `${how}${retries}  ${made.map(({ ref }) => ref).join(', ')}`, errorType: null };
  } catch (error) {
    log.end();
    if (signal.aborted) return { stopped: true };
    return { text: `${errorType(error)}: ${errorMessage(error)}`, errorType: errorType(error) };
  }
}

/** Whole lines of chunks, without what would move a terminal's cursor. */
function lineByLine(onLine: (line: string) => void): { add: (chunk: string) => void; end: () => void } {
  let rest = '';
  const say = (line: string) => {
    const text = stripVTControlCharacters(line.replace(/^.*\r(?=.)/, '')).trimEnd();
    if (text !== '') onLine(text);
  };
  return {
    add(chunk) {
      const lines = `${rest}${chunk}`.split(/\r?\n/);
      rest = lines.pop() ?? '';
      for (const line of lines) say(line);
    },
    end() {
      say(rest);
      rest = '';
    },
  };
}

/** Two lines per provider: what is there, and what a run would still have to make. */
export function lastSection(outcomes: readonly TaskOutcome[]): string[] {
  return [...new Set(outcomes.map(({ provider }) => provider))].flatMap((provider) => {
    const ours = outcomes.filter((outcome) => outcome.provider === provider);
    const of = (...wanted: TaskOutcome['status'][]) => ours.filter(({ status }) => wanted.includes(status));
    const ready = of('ready').length;
    const left = of('failed', 'stopped', 'not begun');
    const more = (['unsupported', 'invalid'] as const).flatMap((status) => {
      const count = of(status).length;
      return count === 0 ? [] : [`, ${count} more ${count === 1 ? 'is' : 'are'} ${status}`];
    });
    const names = left.map(({ task, status, errorType: type }) =>
      status === 'not begun' ? task : `${task} (${type ?? status})`,
    );
    const all = ready + left.length;
    return [
      `${provider}: ${ready} of ${plural(all, 'task')} ${all === 1 ? 'has its' : 'have their'} images${more.join('')}`,
      left.length === 0
        ? `${provider}: a run has no image left to make`
        : `${provider}: a run would still have to make the images of ${plural(left.length, 'task')}: ${names.join(', ')}`,
    ];
  });
}
