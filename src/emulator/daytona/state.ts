/** What the emulated Daytona cloud knows: snapshots, sandboxes with their sessions, uploaded build contexts. */
import type { PreparedImage } from '../../model/image.js';
import { EMULATOR_KEYS } from '../../provider/remote/emulated.js';
import type { SandboxFacts } from '../core/faults.js';
import type { EmulatedProcess, ProcessTable } from '../core/processes.js';
import { type EmulatorRequest, HttpError } from '../core/routes.js';
import type { EmulatedSandbox, SandboxTable } from '../core/sandboxes.js';
import type { TempFiles } from '../core/temp-files.js';
import type { BuildLog } from './build-log.js';

export const API_KEY = EMULATOR_KEYS.daytona;
export const ORGANIZATION = 'emulated-organization';
export const MIB_PER_GIB = 1024;

export interface Size {
  readonly cpu: number;
  /** GiB. */
  readonly memory: number;
  /** GiB. */
  readonly disk: number;
}

export type SnapshotState = 'pending' | 'building' | 'pulling' | 'active' | 'inactive' | 'error' | 'build_failed';

export interface Snapshot extends Size {
  readonly id: string;
  readonly name: string;
  state: SnapshotState;
  errorReason: string | null;
  image: PreparedImage | null;
  readonly log: BuildLog;
  readonly createdAt: Date;
}

export interface SessionCommand {
  readonly id: string;
  readonly command: string;
  readonly process: EmulatedProcess;
  /** What the labelers have passed on, as one text with markers. */
  output: string;
  stdout: string;
  stderr: string;
  /** Null while it runs, and for ever when the text has ended the session's own shell. */
  exitCode: number | null;
  readonly ended: Promise<void>;
}

export interface Box extends Size {
  readonly id: string;
  readonly name: string;
  readonly snapshot: string | null;
  labels: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  state: string;
  errorReason: string | null;
  autoStopMinutes: number;
  autoDeleteMinutes: number;
  /** End of life by `ttlMinutes`, milliseconds since the epoch; null is never. */
  ttlEndsAt: number | null;
  networkBlockAll: boolean;
  networkAllowList: string | null;
  domainAllowList: string | null;
  readonly log: BuildLog;
  readonly createdAt: Date;
  row: EmulatedSandbox | null;
  processes: ProcessTable | null;
  readonly sessions: Map<string, Map<string, SessionCommand>>;
}

export interface Cloud {
  readonly sandboxes: SandboxTable;
  readonly snapshots: Map<string, Snapshot>;
  readonly boxes: Map<string, Box>;
  readonly temp: TempFiles;
  /** Uploaded objects by `<bucket>/<key>`: a file on this machine. */
  readonly objects: Map<string, string>;
  /** Parts of uploads under way, by upload id. */
  readonly uploads: Map<string, Map<number, string>>;
  readonly stopping: AbortSignal;
  /** Where the server listens; known once it does. */
  url: string;
}

/** The API's error body. */
export function apiError(status: number, error: string, message: string, path = ''): object {
  return { path, timestamp: new Date().toISOString(), statusCode: status, error, message };
}

export function notFound(what: string, path = ''): HttpError {
  return new HttpError(404, apiError(404, 'Not Found', what, path));
}

export function badRequest(message: string): HttpError {
  return new HttpError(400, apiError(400, 'Bad Request', message));
}

/** A sandbox by id or name. @throws HttpError 404 */
export function boxOf(cloud: Cloud, request: EmulatorRequest): Box {
  const wanted = request.params['id'] ?? '';
  const box = cloud.boxes.get(wanted) ?? [...cloud.boxes.values()].find(({ name }) => name === wanted);
  if (box === undefined) throw notFound(`Sandbox with ID or name ${wanted} not found`, request.path);
  return box;
}

/** The sandbox that a call makes or is for. */
export async function sandboxOf(cloud: Cloud, request: EmulatorRequest, call: string): Promise<SandboxFacts | null> {
  if (call === 'sandbox.create') {
    const { name, labels } = await request.json();
    return { name: typeof name === 'string' ? name : null, labels: (labels ?? {}) as Record<string, string> };
  }
  return /^\/(api\/sandbox|toolbox)\//.test(request.path) ? boxOf(cloud, request) : null;
}

/** A sandbox that runs. Any call to it counts as activity. @throws HttpError as the toolbox proxy answers for one that does not */
export function runningBox(
  cloud: Cloud,
  request: EmulatorRequest,
): Box & { row: EmulatedSandbox; processes: ProcessTable } {
  const box = boxOf(cloud, request);
  const { row, processes } = box;
  if (row === null || processes === null || row.gone.aborted) {
    throw new HttpError(
      400,
      apiError(400, 'Bad Request', `failed to get runner info: sandbox is not running (state: ${box.state})`),
    );
  }
  touch(cloud, box);
  return box as Box & { row: EmulatedSandbox; processes: ProcessTable };
}

/** Begins the time to auto-stop anew. An ephemeral sandbox that stops is deleted; no other kind is emulated. */
export function touch(cloud: Cloud, box: Box): void {
  const stop = box.autoStopMinutes > 0 ? box.autoStopMinutes * 60_000 : null;
  const ttl = box.ttlEndsAt === null ? null : Math.max(1, box.ttlEndsAt - Date.now());
  const ends = [stop, ttl].filter((value) => value !== null);
  cloud.sandboxes.setLifetime(box.id, ends.length === 0 ? null : Math.min(...ends));
}

/** Acts out `death`: the container is gone, its record stays until somebody deletes it. */
export async function die(cloud: Cloud, box: Box): Promise<void> {
  box.state = 'error';
  box.errorReason = 'sandbox container exited unexpectedly';
  box.row = null;
  box.processes = null;
  await cloud.sandboxes.kill(box.id);
}
