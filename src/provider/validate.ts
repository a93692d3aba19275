/** Rules on arguments that no backend should have to answer in its own words. */
import { isAbsolute } from 'node:path/posix';
import type { Capabilities, ExecOptions, SandboxSpec } from '../model/provider.js';

/** What is wrong with a call, in words; null when nothing is. */
export type Complaint = string | null;

export function complainAboutExec(argv: readonly string[], options: ExecOptions): Complaint {
  if (argv.length === 0) return 'argv is empty';
  if (argv[0] === '') return 'the program’s name is empty';
  const withNul = argv.findIndex((arg) => arg.includes('\0'));
  if (withNul >= 0) return `argument ${withNul} holds a NUL byte`;
  if (options.cwd !== undefined) {
    const complaint = complainAboutPath('cwd', options.cwd);
    if (complaint) return complaint;
  }
  if (typeof options.user === 'string' && (options.user === '' || options.user.includes('\0'))) {
    return `user ${JSON.stringify(options.user)} is not a name`;
  }
  if (typeof options.user === 'number' && !(Number.isInteger(options.user) && options.user >= 0)) {
    return `user ${options.user} is not a uid`;
  }
  if (options.timeoutMs !== undefined && !(options.timeoutMs > 0)) {
    return `timeoutMs ${options.timeoutMs} is not above zero`;
  }
  if (options.maxOutputBytes !== undefined && !(options.maxOutputBytes >= 0)) {
    return `maxOutputBytes ${options.maxOutputBytes} is below zero`;
  }
  return options.env === undefined ? null : complainAboutEnv(options.env);
}

export function complainAboutPath(what: string, path: string): Complaint {
  if (path.includes('\0')) return `${what} holds a NUL byte`;
  return isAbsolute(path) ? null : `${what} ${JSON.stringify(path)} is not an absolute path`;
}

/** Docker takes every name without `=`; so do we, or a task that runs there would not run here. */
export function complainAboutEnv(env: Readonly<Record<string, string>>): Complaint {
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=') || name.includes('\0')) {
      return `${JSON.stringify(name)} is not the name of an environment variable`;
    }
    if (value.includes('\0')) return `environment variable ${name} holds a NUL byte`;
  }
  return null;
}

export function complainAboutSpec(spec: SandboxSpec, { networkModes }: Capabilities): Complaint {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(spec.name)) {
    return `sandbox name ${JSON.stringify(spec.name)} is not 1 to 63 characters of [a-z0-9-]`;
  }
  if (spec.workdir !== null) {
    const complaint = complainAboutPath('workdir', spec.workdir);
    if (complaint) return complaint;
  }
  const long = Object.entries(spec.labels).find(([, value]) => value.length > 63);
  if (long) return `label ${long[0]} is longer than 63 characters`;
  if (!networkModes.includes(spec.network.mode)) {
    return `network_mode "${spec.network.mode}" is not a capability of this provider`;
  }
  return complainAboutEnv(spec.env);
}
