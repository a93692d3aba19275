/** Reads a Harbor job configuration (harbor-semantics 5.1): what has a counterpart is used, the rest is named in a warning. */
import { isSetting } from '../provider/remote/settings.js';
import type { RunSettings } from './run-settings.js';
import { UsageError } from './usage-error.js';

type Json = Record<string, unknown>;
type Kind = 'string' | 'number' | 'boolean';

export interface ConfigResult {
  readonly settings: Partial<RunSettings>;
  readonly warnings: readonly string[];
}

const PLAIN: [path: string, key: keyof RunSettings, kind: Kind][] = [
  ['job_name', 'jobName', 'string'],
  ['jobs_dir', 'jobsDir', 'string'],
  ['n_attempts', 'nAttempts', 'number'],
  ['timeout_multiplier', 'timeoutMultiplier', 'number'],
  ['agent_timeout_multiplier', 'agentTimeoutMultiplier', 'number'],
  ['verifier_timeout_multiplier', 'verifierTimeoutMultiplier', 'number'],
  ['environment_build_timeout_multiplier', 'environmentBuildTimeoutMultiplier', 'number'],
  ['quiet', 'quiet', 'boolean'],
  ['retry.max_retries', 'maxRetries', 'number'],
  ['environment.force_build', 'forceBuild', 'boolean'],
  ['environment.delete', 'delete', 'boolean'],
];

/** @throws UsageError naming the file, the key and the value */
export function harborJobConfig(config: unknown, file: string): ConfigResult {
  const root = table(config, file, 'the file');
  const used = new Set<string>();
  const settings: Partial<Record<keyof RunSettings, unknown>> = {};
  const take = (path: string): unknown => {
    used.add(path);
    return at(root, path);
  };
  for (const [path, key, kind] of PLAIN) {
    const value = take(path);
    if (value === undefined || value === null) continue;
    if (typeof value !== kind) throw new UsageError(`${file}: ${path} is ${JSON.stringify(value)}, not a ${kind}`);
    settings[key] = value;
  }
  const concurrent = take('n_concurrent_trials');
  if (typeof concurrent === 'number') settings.nConcurrent = [String(concurrent)];
  for (const [path, key] of [
    ['retry.include_exceptions', 'retryInclude'],
    ['retry.exclude_exceptions', 'retryExclude'],
  ] as const) {
    const value = take(path);
    if (Array.isArray(value)) settings[key] = strings(value, file, path);
  }
  const type = take('environment.type');
  if (typeof type === 'string') settings.env = [type];
  const kwargs = Object.entries(optionalTable(take('environment.kwargs'), file, 'environment.kwargs'));
  settings.environmentKwarg = kwargs.filter(([name]) => isSetting(name)).map(assignment);
  settings.verifierEnv = Object.entries(optionalTable(take('verifier.env'), file, 'verifier.env')).map(assignment);
  const agents = take('agents');
  if (Array.isArray(agents) && agents.length > 0) settings.agent = agentName(agents, file);
  settings.path = paths(take('tasks'), file, 'tasks');
  applyDatasets(settings, take('datasets'), file);
  const empty = Object.entries(settings).filter(([, value]) => Array.isArray(value) && value.length === 0);
  for (const [key] of empty) delete settings[key as keyof RunSettings];
  return { settings: settings as Partial<RunSettings>, warnings: ignored(root, used, kwargs, file) };
}

function applyDatasets(settings: Partial<Record<keyof RunSettings, unknown>>, value: unknown, file: string): void {
  if (value === undefined || value === null) return;
  const datasets = list(value, file, 'datasets').map((entry, n) => table(entry, file, `datasets[${n}]`));
  settings.path = [...((settings.path as string[] | undefined) ?? []), ...paths(datasets, file, 'datasets')];
  const [only] = datasets;
  if (datasets.length !== 1 || !only) return;
  if (Array.isArray(only['task_names']))
    settings.includeTaskName = strings(only['task_names'], file, 'datasets[0].task_names');
  if (Array.isArray(only['exclude_task_names'])) {
    settings.excludeTaskName = strings(only['exclude_task_names'], file, 'datasets[0].exclude_task_names');
  }
  if (typeof only['n_tasks'] === 'number') settings.nTasks = only['n_tasks'];
}

function agentName(agents: unknown[], file: string): string {
  const names = agents.map((agent, n) => table(agent, file, `agents[${n}]`)['name'] ?? 'oracle');
  const [name] = names;
  if (names.length !== 1 || (name !== 'oracle' && name !== 'nop')) {
    throw new UsageError(`${file}: agents is ${JSON.stringify(names)}`, 'Plumbline runs one agent: oracle or nop');
  }
  return name;
}

function paths(value: unknown, file: string, key: string): string[] {
  if (value === undefined || value === null) return [];
  return list(value, file, key).map((entry, n) => {
    const path = table(entry, file, `${key}[${n}]`)['path'];
    if (typeof path !== 'string')
      throw new UsageError(
        `${file}: ${key}[${n}] has no path`,
        'only local tasks and datasets can be read from a config',
      );
    return path;
  });
}

function optionalTable(value: unknown, file: string, key: string): Json {
  return value === undefined || value === null ? {} : table(value, file, key);
}

function assignment([name, value]: [string, unknown]): string {
  return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
}

function ignored(
  root: Json,
  used: ReadonlySet<string>,
  kwargs: readonly [name: string, value: unknown][],
  file: string,
): string[] {
  const tops = new Set([...used].map((path) => path.split('.')[0]));
  const unknown = Object.keys(root).filter((key) => !tops.has(key) && root[key] !== null);
  const nested = ['environment', 'retry', 'verifier'].flatMap((key) =>
    isTable(root[key])
      ? Object.keys(root[key])
          .filter((sub) => !used.has(`${key}.${sub}`) && !isBlank(root[key], sub))
          .map((sub) => `${key}.${sub}`)
      : [],
  );
  // Harbor's own, of a provider's class
  const foreign = kwargs.filter(([name]) => !isSetting(name)).map(([name]) => `environment.kwargs.${name}`);
  const keys = [...unknown, ...nested, ...foreign].sort();
  return keys.length > 0 ? [`${file}: not used by Plumbline: ${keys.join(', ')}`] : [];
}

function isBlank(value: unknown, key: string): boolean {
  return isTable(value) && value[key] === null;
}

function at(root: Json, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (isTable(value) ? value[key] : undefined), root);
}

function isTable(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function table(value: unknown, file: string, key: string): Json {
  if (!isTable(value)) throw new UsageError(`${file}: ${key} is not an object`);
  return value;
}

function list(value: unknown, file: string, key: string): unknown[] {
  if (!Array.isArray(value)) throw new UsageError(`${file}: ${key} is not a list`);
  return value;
}

function strings(value: unknown[], file: string, key: string): string[] {
  const wrong = value.find((entry) => typeof entry !== 'string');
  if (wrong !== undefined) throw new UsageError(`${file}: ${key} holds ${JSON.stringify(wrong)}, not a string`);
  return value as string[];
}
