/**
 * The one way from what a call names to tasks that can run: directories, suites, datasets of registries, single packages.
 * Filters apply before anything is downloaded, to all of it alike.
 */

import type { LoadedTask } from '../../model/task.js';
import { createLimiter } from '../../util/limit.js';
import { webAccess } from '../../util/web.js';
import type { HostEnv } from '../env-template.js';
import { filtered, type Suite, type SuiteLoad, uniqueById } from '../load-suite.js';
import { finishTask, readTask } from '../load-task.js';
import { needsOf, needWords } from '../needs.js';
import { SelectionError, type SuiteFilters } from '../selection.js';
import { hasCompose } from '../task-files.js';
import { type Entry, sweep } from './cache.js';
import { type Candidate, sourceKey } from './candidate.js';
import { collect, type Named, nothingNamed, type Sources } from './collect.js';
import { type DatasetProgress, DEFAULT_REGISTRY, type RegistryChoice } from './context.js';
import { createGit } from './git.js';
import { DEFAULT_POLICY, type HttpPolicy } from './http.js';
import { createHubClient } from './hub-client.js';
import { materialise } from './materialise.js';

export interface DatasetSettings {
  /** Absolute; made when something is downloaded. */
  readonly cacheDir: string;
  readonly cwd: string;
  /** Read: Harbor's registry variables, PATH and git's variables. */
  readonly env: HostEnv;
  /** Default: Harbor's default registry.json. */
  readonly registry?: RegistryChoice;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DatasetProgress) => void;
  /** Waits of requests; default: DEFAULT_POLICY. */
  readonly http?: Partial<Omit<HttpPolicy, 'signal'>>;
}

export interface SelectionRequest extends DatasetSettings, Named {
  readonly filters: SuiteFilters;
}

/** Connections to registries under one signal: `stop` ends them all, as the caller's signal does. */
export interface OpenSources extends Sources {
  readonly stop: AbortController;
  readonly notes: string[];
}

/** Opens nothing yet: the first request does. */
export function openSources(settings: DatasetSettings): OpenSources {
  const stop = new AbortController();
  const signal = settings.signal === undefined ? stop.signal : AbortSignal.any([settings.signal, stop.signal]);
  const policy: HttpPolicy = { ...DEFAULT_POLICY, web: webAccess(settings.env), ...settings.http, signal };
  const notes: string[] = [];
  const { cacheDir, cwd, env, registry = DEFAULT_REGISTRY, onProgress = () => {} } = settings;
  const note = (text: string) => void notes.push(text);
  return {
    stop,
    notes,
    hub: createHubClient(env, policy),
    git: createGit(env, policy),
    context: { cacheDir, cwd, env, registry, policy, onProgress, note },
  };
}

/**
 * Resolves, filters, downloads what is not in the cache, verifies, reads and validates.
 * @throws SelectionError for what a person can mend by calling differently; DatasetError, which is one, for what a
 * registry does not have or does not answer; the signal's reason
 */
export async function resolveSelection(request: SelectionRequest): Promise<SuiteLoad> {
  try {
    return await resolved(request);
  } catch (error) {
    throw unwritable(error, request.cacheDir) ?? error;
  }
}

async function resolved(request: SelectionRequest): Promise<SuiteLoad> {
  if (request.paths.length + request.datasets.length + request.tasks.length === 0) throw nothingNamed();
  const sources = openSources(request);
  const { suites, candidates, notes } = await collect(request, sources);
  const unique = uniqueById(candidates, { key: sourceKey, place: ({ place }) => place }, notes);
  const chosen = filtered(unique, request.filters);
  const remote = chosen.some(({ source }) => source.kind !== 'local');
  if (remote) await sweep(request.cacheDir, Date.now());
  const entries = await materialise(chosen, sources, sources.stop);
  const limiter = createLimiter(FINISHED_AT_A_TIME);
  const tasks = await Promise.all(chosen.map((candidate) => limiter(() => finish(candidate, entries.get(candidate)))));
  return { suites, tasks, notes: [...notes, ...sources.notes, ...brokenPromises(suites, tasks)] };
}

/** A suite.toml may promise what its tasks need at most; for directories `check` says so, a dataset is only seen here. */
function brokenPromises(suites: readonly Suite[], tasks: readonly LoadedTask[]): string[] {
  const promises = new Map(suites.flatMap(({ name, needs }) => (needs === null ? [] : [[name, needs] as const])));
  return tasks.flatMap((loaded) => {
    const promised = loaded.ok ? promises.get(loaded.task.suite ?? '') : undefined;
    if (!loaded.ok || promised === undefined) return [];
    const { id, config, dir, suite } = loaded.task;
    const extra = needWords(needsOf(config, { hasCompose: hasCompose(dir) })).filter(
      (word) => !promised.some((known) => known === word),
    );
    return extra.length === 0 ? [] : [`${id} needs ${extra.join(', ')}, which needs of suite ${suite} does not list`];
  });
}

/** A full disk or a cache that cannot be written is no fault of ours; null for other errors. */
function unwritable(error: unknown, cacheDir: string): SelectionError | null {
  const { code = '', path = '', message = '' } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const full = ['ENOSPC', 'EDQUOT'].includes(code);
  const closed = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'].includes(code) && path.startsWith(cacheDir);
  if (!full && !closed) return null;
  const fix = full
    ? 'free some space, or move the cache'
    : 'make it a directory that can be written, or move the cache';
  return new SelectionError(
    `datasets cannot be kept in ${cacheDir}: ${message}`,
    [],
    `${fix}: XDG_DATA_HOME names the directory above it`,
    error,
  );
}

/** Files are hashed by the thread pool of Node, which has four threads. */
const FINISHED_AT_A_TIME = 8;

async function finish(candidate: Candidate, entry: Entry | undefined): Promise<LoadedTask> {
  const { id, suite, source } = candidate;
  // A suite's name is the caller's choice (suite.toml), so it is set here for local tasks too.
  if (source.kind === 'local' || entry === undefined) {
    if (source.kind !== 'local') throw new TypeError(`${id} was not downloaded`);
    return await finishTask({ ...source.read, id, suite });
  }
  const read = { ...readTask(entry.dir, entry.dir, suite), id };
  return await finishTask(read, source.kind === 'package' ? `sha256:${source.pin.digest}` : null);
}
