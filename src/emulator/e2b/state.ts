/** What the emulated E2B cloud knows: templates and, for each sandbox, what envd holds. */
import type { PreparedImage } from '../../model/image.js';
import type { SandboxFacts } from '../core/faults.js';
import { createProcessTable, type ProcessTable } from '../core/processes.js';
import { type EmulatorRequest, HttpError } from '../core/routes.js';
import type { EmulatedSandbox, SandboxTable } from '../core/sandboxes.js';
import type { TempFiles } from '../core/temp-files.js';

export const API_KEY = 'e2b_emulated0000000000000000000000000000';
export const ENVD_VERSION = '0.6.13';

export interface BuildLogEntry {
  readonly timestamp: string;
  readonly level: 'info' | 'error';
  readonly message: string;
}

export interface Build {
  readonly id: string;
  status: 'waiting' | 'building' | 'ready' | 'error';
  readonly log: BuildLogEntry[];
  reason: string | null;
  readonly cpuCount: number;
  readonly memoryMB: number;
}

export interface Template {
  readonly id: string;
  /** Lower case; unique. */
  readonly name: string;
  readonly builds: Map<string, Build>;
  /** Of the last build that became ready. */
  ready: {
    readonly image: PreparedImage;
    readonly build: Build;
    /** Default user and directory of processes: the last USER and WORKDIR of the build. */
    readonly user: string;
    readonly workdir: string;
  } | null;
}

/** What envd of one sandbox holds. */
export interface Envd {
  readonly row: EmulatedSandbox;
  readonly template: Template;
  readonly user: string;
  readonly workdir: string;
  readonly accessToken: string;
  readonly envs: Readonly<Record<string, string>>;
  readonly processes: ProcessTable;
}

export interface Cloud {
  readonly sandboxes: SandboxTable;
  readonly templates: Map<string, Template>;
  readonly envds: Map<string, Envd>;
  readonly temp: TempFiles;
  /** Upload archives by content hash. */
  readonly uploads: Map<string, string>;
  /** Where the server listens; known once it does. */
  url: string;
}

/** A template by id or name. */
export function findTemplate(cloud: Cloud, idOrName: string): Template | null {
  const name = idOrName.toLowerCase();
  for (const template of cloud.templates.values()) {
    if (template.id === idOrName || template.name === name) return template;
  }
  return null;
}

export function openEnvd(
  row: EmulatedSandbox,
  template: Template,
  rest: Pick<Envd, 'user' | 'workdir' | 'accessToken' | 'envs'>,
): Envd {
  return { row, template, ...rest, processes: createProcessTable(row.sandbox, { gone: row.gone }) };
}

/** The envd that a request is for. @throws HttpError 502 for a sandbox that is not running, 401 for a wrong token */
export function envdOf(cloud: Cloud, request: EmulatorRequest): Envd {
  const id = String(request.headers['e2b-sandbox-id'] ?? '');
  const envd = cloud.envds.get(id);
  if (envd === undefined || cloud.sandboxes.get(id) === null) throw notRunning(id);
  if (request.headers['x-access-token'] !== envd.accessToken) {
    throw new HttpError(401, { code: 401, message: 'unauthorized access, please provide a valid access token' });
  }
  return envd;
}

/** The sandbox that a call makes or is for; sandboxes have no names. */
export async function sandboxOf(cloud: Cloud, request: EmulatorRequest, call: string): Promise<SandboxFacts | null> {
  if (call === 'sandbox.create') {
    return { name: null, labels: ((await request.json())['metadata'] ?? {}) as Record<string, string> };
  }
  const id = request.params['id'] ?? String(request.headers['e2b-sandbox-id'] ?? '');
  const row = cloud.sandboxes.get(id);
  return row === null ? null : { name: null, labels: row.metadata };
}

/** How E2B's proxy answers for a sandbox that is gone. */
export function notRunning(id: string): HttpError {
  return new HttpError(502, { sandboxId: id, message: 'The sandbox was not found', code: 502 });
}

/** Acts out `death`: the sandbox is gone before the call is answered. */
export async function dieIfAsked(cloud: Cloud, request: EmulatorRequest): Promise<void> {
  if (request.fault?.kind !== 'death') return;
  const id = String(request.headers['e2b-sandbox-id'] ?? '');
  await cloud.sandboxes.kill(id);
  cloud.envds.delete(id);
  throw notRunning(id);
}

/** User of an envd call: `Authorization: Basic <user>:`, `username=`, else the template's. */
export function userOf(envd: Envd, request: EmulatorRequest): string {
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (basic !== undefined) return Buffer.from(basic, 'base64').toString('utf8').split(':')[0] || envd.user;
  return request.query.get('username') || envd.user;
}
