/** What the emulated E2B cloud knows: templates and, for each sandbox, what envd holds. */
import type { PreparedImage } from '../../model/image.js';
import { EMULATOR_KEYS } from '../../provider/remote/emulated.js';
import type { SandboxFacts } from '../core/faults.js';
import { createProcessTable, type ProcessTable } from '../core/processes.js';
import { type EmulatorRequest, HttpError } from '../core/routes.js';
import type { EmulatedSandbox, SandboxTable } from '../core/sandboxes.js';
import type { TempFiles } from '../core/temp-files.js';

export const API_KEY = EMULATOR_KEYS.e2b;
/** Of builds and lookups that name none. */
export const DEFAULT_TAG = 'default';
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
  /** Once it is ready. */
  result: BuildResult | null;
  /** Aborts when another build takes its place. */
  readonly canceled: AbortController;
}

export interface BuildResult {
  readonly image: PreparedImage;
  /** Default user and directory of processes: the last USER and WORKDIR of the build. */
  readonly user: string;
  readonly workdir: string;
}

export interface Template {
  readonly id: string;
  /** Lower case; unique. Registered by the first request for a build, and from then on known, whatever becomes of the build. */
  readonly name: string;
  readonly builds: Map<string, Build>;
  /** The latest last; a tag may be given to many builds. */
  readonly assignments: { readonly tag: string; readonly build: Build }[];
}

/** What envd of one sandbox holds. */
export interface Envd {
  readonly row: EmulatedSandbox;
  readonly template: Template;
  readonly build: Build;
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

export interface TemplateName {
  readonly template: Template | null;
  /** Null: none was named. */
  readonly tag: string | null;
}

/** `<id or name>[:<tag>]` */
export function findTemplate(cloud: Cloud, text: string): TemplateName {
  const [name = '', tag = null] = text.toLowerCase().split(':', 2);
  for (const template of cloud.templates.values()) {
    if (template.id === name || template.name === name) return { template, tag };
  }
  return { template: null, tag };
}

/** The build that a sandbox gets: the last one with this tag that is ready (e2b-dev/infra, get_template_with_build_by_tag.sql). */
export function readyBuild({ template, tag }: TemplateName): (Build & { readonly result: BuildResult }) | null {
  const found = template?.assignments.findLast(
    (each) => each.tag === (tag ?? DEFAULT_TAG) && each.build.result !== null,
  );
  return found?.build.result == null ? null : { ...found.build, result: found.build.result };
}

export function openEnvd(
  row: EmulatedSandbox,
  rest: Pick<Envd, 'template' | 'build' | 'user' | 'workdir' | 'accessToken' | 'envs'>,
): Envd {
  return { row, ...rest, processes: createProcessTable(row.sandbox, { gone: row.gone }) };
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
