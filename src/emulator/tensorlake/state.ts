/** What the emulated Tensorlake cloud knows: sandboxes with their processes, and registered images ("templates"). */
import type { PreparedImage } from '../../model/image.js';
import { EMULATOR_KEYS } from '../../provider/remote/emulated.js';
import type { SandboxFacts } from '../core/faults.js';
import type { ProcessTable } from '../core/processes.js';
import { type EmulatorRequest, HttpError } from '../core/routes.js';
import type { EmulatedSandbox, SandboxTable } from '../core/sandboxes.js';
import type { TempFiles } from '../core/temp-files.js';
import type { LineLog } from './line-log.js';

export const API_KEY = EMULATOR_KEYS.tensorlake;
export const ORGANIZATION = 'org_emulated';
export const PROJECT = 'project_emulated';
/** The image of the machines that build images. */
export const BUILDER_IMAGE = 'tensorlake/rootfs-builder';

export interface Template {
  readonly id: string;
  readonly name: string;
  readonly snapshotId: string;
  readonly image: PreparedImage;
  readonly public: boolean;
  readonly createdAt: string;
  readonly rootfsDiskBytes: number;
}

export interface Build {
  readonly id: string;
  readonly name: string;
  readonly snapshotId: string;
  readonly public: boolean;
  /** What the builder made; null until it has. */
  image: PreparedImage | null;
}

/** A process of the daemon. */
export interface DaemonProcess {
  readonly pid: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly startedAt: number;
  readonly stdinWritable: boolean;
  readonly log: LineLog;
  status: 'running' | 'exited' | 'signaled' | 'oom_killed';
  code: number | null;
  signal: number | null;
  endedAt: number | null;
  readonly ended: Promise<void>;
  /** Only with `stdin_mode: "pipe"`. */
  writeStdin(data: Uint8Array): void;
  closeStdin(): void;
  /** Kills the whole tree. */
  kill(): void;
}

export interface Box {
  readonly id: string;
  name: string | null;
  readonly image: string;
  readonly resources: { readonly cpus: number; readonly memory_mb: number; readonly ephemeral_disk_mb: number };
  readonly timeoutSecs: number | null;
  readonly network: object | null;
  readonly createdAt: number;
  status: 'pending' | 'running' | 'terminated';
  terminationReason: string | null;
  /** Settles when it runs or has failed to; null where nothing is started. */
  starting: Promise<void> | null;
  row: EmulatedSandbox | null;
  table: ProcessTable | null;
  readonly processes: Map<number, DaemonProcess>;
  /** The directory behind a machine that builds images; null for any other. */
  readonly builderDir: string | null;
}

export interface Cloud {
  readonly sandboxes: SandboxTable;
  readonly boxes: Map<string, Box>;
  readonly templates: Map<string, Template>;
  readonly builds: Map<string, Build>;
  readonly temp: TempFiles;
  /** Aborts when the emulator is closed. */
  readonly stopping: AbortSignal;
  /** Acts out `build-failure` in the builder that runs next. */
  failNextBuild: boolean;
  url: string;
}

/** A sandbox by id or name. @throws HttpError 404 */
export function findBox(cloud: Cloud, idOrName: string): Box {
  const box = cloud.boxes.get(idOrName) ?? [...cloud.boxes.values()].find((each) => each.name === idOrName);
  if (box === undefined) throw new HttpError(404, { error: `sandbox not found: ${idOrName}`, code: 'NOT_FOUND' });
  return box;
}

/** The sandbox that a call makes or is for; there are names and no labels. */
export async function sandboxOf(cloud: Cloud, request: EmulatorRequest, call: string): Promise<SandboxFacts | null> {
  if (call === 'sandbox.create') {
    const { name } = await request.json();
    return { name: typeof name === 'string' ? name : null, labels: {} };
  }
  const id = call.startsWith('sandbox.') ? request.params['id'] : daemonId(request);
  return id === undefined || id === '' ? null : { name: findBox(cloud, id).name, labels: {} };
}

/** Named by header, or by the host `<id>.local`. */
function daemonId(request: EmulatorRequest): string {
  const header = request.headers['x-tensorlake-sandbox-id'];
  const host = (request.headers.host ?? '').split(':')[0] ?? '';
  return typeof header === 'string' ? header : host.replace(/\.local$/, '');
}

/** The running sandbox that a call to the daemon is for. @throws HttpError 404 */
export async function daemonOf(cloud: Cloud, request: EmulatorRequest): Promise<Box> {
  const id = daemonId(request);
  const box = findBox(cloud, id);
  if (request.fault?.kind === 'death') await terminate(cloud, box, 'the machine died');
  if (box.status !== 'running') throw new HttpError(404, { error: `sandbox ${id} is not running`, code: 'NOT_FOUND' });
  return box;
}

/** The sandbox is gone; its record says why. */
export async function terminate(cloud: Cloud, box: Box, reason: string): Promise<void> {
  box.status = 'terminated';
  box.terminationReason = reason;
  for (const process of box.processes.values()) process.kill();
  if (box.row !== null) await cloud.sandboxes.kill(box.row.id);
}

/** Sets the end of a process once. */
export function finish(process: DaemonProcess, end: { exitCode?: number | null; signal?: number }): void {
  if (process.status !== 'running') return;
  process.status = end.signal === undefined ? 'exited' : 'signaled';
  process.code = end.exitCode ?? null;
  process.signal = end.signal ?? null;
  process.endedAt = Date.now();
  process.log.end();
}

export function nextPid(box: Box): number {
  return 100 + box.processes.size;
}
