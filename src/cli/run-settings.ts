/** The settings of a run, their defaults, and the small languages of single flags. */
import { UsageError } from './usage-error.js';

/** Named as commander names the flags of `run`. */
export interface RunSettings {
  path: string[];
  dataset: string[];
  task: string[];
  registryPath: string | null;
  registryUrl: string | null;
  repo: string | null;
  env: string[];
  nConcurrent: string[];
  maxConcurrent: number | null;
  nAttempts: number;
  includeTaskName: string[];
  excludeTaskName: string[];
  nTasks: number | null;
  shard: string | null;
  onlyFailed: string | null;
  agent: 'oracle' | 'nop';
  withNop: boolean;
  jobsDir: string;
  jobName: string | null;
  resume: boolean;
  maxRetries: number;
  retryInclude: string[];
  retryExclude: string[];
  timeoutMultiplier: number;
  agentTimeoutMultiplier: number | null;
  verifierTimeoutMultiplier: number | null;
  environmentBuildTimeoutMultiplier: number | null;
  forceBuild: boolean;
  delete: boolean;
  keepFailed: boolean;
  raw: boolean;
  emulated: boolean;
  faults: string | null;
  verifierEnv: string[];
  environmentKwarg: string[];
  envFile: string | null;
  require: string[];
  minPassRate: number;
  failOnUnsupported: boolean;
  expectations: string | null;
  baseline: string[];
  updateBaseline: boolean;
  history: string | null;
  failFast: boolean;
  maxRunTime: number | null;
  reporter: string[];
  quiet: boolean;
}

export const DEFAULT_SETTINGS: RunSettings = {
  path: [],
  dataset: [],
  task: [],
  registryPath: null,
  registryUrl: null,
  repo: null,
  env: [],
  nConcurrent: [],
  maxConcurrent: null,
  nAttempts: 1,
  includeTaskName: [],
  excludeTaskName: [],
  nTasks: null,
  shard: null,
  onlyFailed: null,
  agent: 'oracle',
  withNop: false,
  jobsDir: 'reports',
  jobName: null,
  resume: false,
  maxRetries: 0,
  retryInclude: [],
  retryExclude: [],
  timeoutMultiplier: 1,
  agentTimeoutMultiplier: null,
  verifierTimeoutMultiplier: null,
  environmentBuildTimeoutMultiplier: null,
  forceBuild: false,
  delete: true,
  keepFailed: false,
  raw: false,
  emulated: false,
  faults: null,
  verifierEnv: [],
  environmentKwarg: [],
  envFile: null,
  require: [],
  minPassRate: 1,
  failOnUnsupported: false,
  expectations: null,
  baseline: [],
  updateBaseline: false,
  history: null,
  failFast: false,
  maxRunTime: null,
  reporter: [],
  quiet: false,
};

/** `NAME=VALUE` flags as a record. @throws UsageError naming the flag and the value */
export function assignments(flag: string, values: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (const value of values) {
    const at = value.indexOf('=');
    if (at < 1) throw new UsageError(`${flag} "${value}" has no name`, `write ${flag} NAME=VALUE`);
    record[value.slice(0, at)] = value.slice(at + 1);
  }
  return record;
}

/** `-n 4 -n docker=2`: the number for all, and those for one provider. @throws UsageError */
export function concurrencies(values: readonly string[]): { all: number | null; per: Record<string, number> } {
  let all: number | null = null;
  const per: Record<string, number> = {};
  for (const value of values) {
    const match = /^(?:([a-z0-9]+)=)?([1-9]\d{0,4})$/.exec(value);
    if (!match) throw new UsageError(`-n "${value}" is not a number from 1, or PROVIDER=NUMBER`);
    if (match[1] === undefined) all = Number(match[2]);
    else per[match[1]] = Number(match[2]);
  }
  return { all, per };
}

/** `2/5` as index (from 1) and count. @throws UsageError */
export function parseShard(value: string): { index: number; count: number } {
  const match = /^([1-9]\d*)\/([1-9]\d*)$/.exec(value);
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || index > count)
    throw new UsageError(`--shard "${value}" is not K/N with K from 1 to N`, 'for example --shard 2/5');
  return { index, count };
}
