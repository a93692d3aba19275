/** What the emulated cloud holds. */
import { randomBytes } from 'node:crypto';
import type { PreparedImage } from '../../model/image.js';
import { EMULATOR_KEYS } from '../../provider/remote/emulated.js';
import type { EmulatedSandbox, SandboxTable } from '../core/sandboxes.js';
import type { TempFiles } from '../core/temp-files.js';
import type { Exec } from './execs.js';
import { Code, GrpcError } from './grpc-errors.js';

export const TOKEN_ID = EMULATOR_KEYS.modal;
export const TOKEN_SECRET = 'as-emulated';

/** `GenericResult.status`. */
export const Status = {
  success: 1,
  failure: 2,
  terminated: 3,
  timeout: 4,
  initFailure: 5,
  internalFailure: 6,
  idleTimeout: 7,
} as const;

export interface Result {
  readonly status: number;
  readonly exception?: string;
  readonly exitcode?: number;
}

export interface ImageRow {
  readonly id: string;
  readonly log: string[];
  /** Null while it is built. */
  result: Result | null;
  prepared: PreparedImage | null;
  /** Resolves with `result`. */
  readonly done: Promise<void>;
}

export interface MountedFile {
  readonly sha256: string;
  readonly mode: number;
}

export interface SandboxRow {
  readonly id: string;
  readonly taskId: string;
  readonly appId: string;
  readonly name: string;
  readonly imageId: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly timeoutSecs: number;
  /** Sandbox-wide variables. */
  readonly env: Readonly<Record<string, string>>;
  tags: Readonly<Record<string, string>>;
  /** Resolves when the backend's sandbox runs; rejects when it could not be made. */
  readonly boot: Promise<EmulatedSandbox>;
  /** Null while it lives. */
  result: Result | null;
  /** Aborts with `result`. */
  readonly ended: AbortController;
  readonly execs: Map<string, Exec>;
  /** Of activity: execs and their input. Milliseconds since 1970. */
  lastActive: number;
}

export interface Cloud {
  readonly table: SandboxTable;
  readonly temp: TempFiles;
  /** App names to ids. */
  readonly apps: Map<string, string>;
  readonly secrets: Map<string, Readonly<Record<string, string>>>;
  /** By what was asked for, as text. */
  readonly imagesByDefinition: Map<string, ImageRow>;
  readonly images: Map<string, ImageRow>;
  /** Files of mounts by their sha256: where they lie on this machine. */
  readonly blobs: Map<string, string>;
  readonly mounts: Map<string, ReadonlyMap<string, MountedFile>>;
  readonly sandboxes: Map<string, SandboxRow>;
  /** `https://…`: where the router answers. */
  url: string;
}

/** `<prefix>-` and 22 characters of base 62, as apps, images, tasks and mounts are called. */
export function newId(prefix: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  return `${prefix}-${[...randomBytes(22)].map((byte) => alphabet[byte % alphabet.length]).join('')}`;
}

/** `sb-` and a ULID: the SDK tells the newer backend by the shape of its ids. */
export function newSandboxId(): string {
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  return `sb-01${[...randomBytes(24)].map((byte) => alphabet[byte % alphabet.length]).join('')}`;
}

/** @throws GrpcError NOT_FOUND */
export function sandboxOf(cloud: Cloud, id: string): SandboxRow {
  const row = cloud.sandboxes.get(id);
  if (row === undefined) throw new GrpcError(Code.notFound, `Sandbox with ID '${id}' not found`);
  return row;
}

/** @throws GrpcError NOT_FOUND, also once the task has ended */
export function taskOf(cloud: Cloud, taskId: string): SandboxRow {
  for (const row of cloud.sandboxes.values()) if (row.taskId === taskId && row.result === null) return row;
  throw new GrpcError(Code.notFound, `Task ${taskId} not found or already finished`);
}

/** Ends a sandbox once; what the backend holds of it is gone when the promise resolves. */
export async function endSandbox(cloud: Cloud, row: SandboxRow, result: Result): Promise<void> {
  if (row.result === null) {
    row.result = result;
    row.ended.abort(new Error('the sandbox has ended'));
    row.execs.clear();
  }
  await row.boot.then(
    () => cloud.table.kill(row.id),
    () => undefined, // it was never there
  );
}
