/** Images: defined by what they are made of, so that asking again finds the first answer. Also the mounts they are built from. */
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { PlumblineError } from '../../exception/errors.js';
import type { ImageSource } from '../../model/image.js';
import { errorMessage } from '../../util/cause-chain.js';
import { sleep } from '../../util/deadline.js';
import { bytesOf, listOf, type Message, messageOf, numberOf, textOf, textsOf } from './codec.js';
import { Code, GrpcError } from './grpc-errors.js';
import type { GrpcCall, Method } from './grpc-server.js';
import { type Cloud, type ImageRow, newId, Status } from './state.js';

const CLIENT = 'modal.client';
const NO_REQUEST = { cpus: null, memoryMb: null, storageMb: null, gpus: null };
/** The control plane takes no bigger message; above it the SDK of another language uses blob storage, which is not emulated. */
const MAX_INLINE_BYTES = 100 * 1024 * 1024;

export function imageMethods(cloud: Cloud): Method[] {
  const method = (name: string, handle: Method['handle']): Method => ({
    name,
    service: `${CLIENT}.ModalClient`,
    request: `${CLIENT}.${name}Request`,
    response: `${CLIENT}.${name}Response`,
    handle,
  });
  return [
    method('MountBatchedCheckExistence', ({ request }) => ({
      missingSha256HexHashes: textsOf(request, 'sha256HexHashes').filter((hash) => !cloud.blobs.has(hash)),
    })),
    method('MountPutFile', async ({ request }) => ({ exists: await putFile(cloud, request) })),
    method('MountGetOrCreate', ({ request }) => ({ mountId: makeMount(cloud, request) })),
    method('ImageGetOrCreate', (call) => {
      const row = findOrBuild(cloud, call);
      return { imageId: row.id, ...(row.result === null ? {} : { result: row.result }) };
    }),
    method('ImageJoinStreaming', (call) => follow(cloud, call)),
    method('ImageFromId', ({ request }) => ({ imageId: imageOf(cloud, textOf(request, 'imageId')).id })),
    {
      ...method('ImageDelete', ({ request }) => {
        const row = imageOf(cloud, textOf(request, 'imageId'));
        cloud.images.delete(row.id);
        for (const [key, value] of cloud.imagesByDefinition) if (value === row) cloud.imagesByDefinition.delete(key);
        return {};
      }),
      response: `${CLIENT}.Empty`,
    },
  ];
}

/** @throws GrpcError NOT_FOUND */
export function imageOf(cloud: Cloud, id: string): ImageRow {
  const row = cloud.images.get(id);
  if (row === undefined) throw new GrpcError(Code.notFound, `Image with ID '${id}' not found`);
  return row;
}

async function putFile(cloud: Cloud, request: Message): Promise<boolean> {
  const hash = textOf(request, 'sha256Hex');
  if (request['data'] === undefined) return cloud.blobs.has(hash);
  const data = bytesOf(request, 'data');
  if (data.byteLength > MAX_INLINE_BYTES) throw new GrpcError(Code.resourceExhausted, 'the file is too large');
  if (createHash('sha256').update(data).digest('hex') !== hash) {
    throw new GrpcError(Code.invalidArgument, `the content does not have the sha256 ${hash}`);
  }
  const path = cloud.temp.path();
  await writeFile(path, data);
  cloud.blobs.set(hash, path);
  return true;
}

function makeMount(cloud: Cloud, request: Message): string {
  const files = new Map(
    listOf(request, 'files').map((file) => {
      const sha256 = textOf(file, 'sha256Hex');
      if (!cloud.blobs.has(sha256)) throw new GrpcError(Code.failedPrecondition, `file ${sha256} was not uploaded`);
      return [textOf(file, 'filename'), { sha256, mode: numberOf(file, 'mode') || 0o644 }] as const;
    }),
  );
  // the id follows from the content: an image made of the same files is the same image
  const text = JSON.stringify([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
  const id = `mo-${createHash('sha256').update(text).digest('hex').slice(0, 22)}`;
  cloud.mounts.set(id, files);
  return id;
}

function findOrBuild(cloud: Cloud, call: GrpcCall): ImageRow {
  const { request, fault } = call;
  const image = messageOf(request, 'image') ?? {};
  const key = JSON.stringify([image, textOf(request, 'builderVersion')]);
  const known = cloud.imagesByDefinition.get(key);
  const again = request['forceBuild'] === true || (known?.result !== null && known?.result?.status !== Status.success);
  if (known !== undefined && !again) return known;
  const work =
    fault?.kind === 'stuck'
      ? () => new Promise<never>(() => undefined)
      : fault?.kind === 'build-failure'
        ? () => Promise.reject(new Error('scripted failure: exit status 1'))
        : fault?.kind === 'death'
          ? () => Promise.reject(new BuilderDown('scripted failure: the builder was lost'))
          : (row: ImageRow) => build(cloud, image, row, again);
  const row = startBuild(work);
  cloud.images.set(row.id, row);
  cloud.imagesByDefinition.set(key, row);
  return row;
}

function startBuild(work: (row: ImageRow) => Promise<void>): ImageRow {
  let settle: () => void = () => {};
  const row: ImageRow = {
    id: newId('im'),
    log: [],
    result: null,
    prepared: null,
    done: new Promise<void>((resolve) => {
      settle = resolve;
    }),
  };
  work(row).then(
    () => {
      row.result = { status: Status.success };
      settle();
    },
    (error: unknown) => {
      const status = error instanceof BuilderDown ? Status.internalFailure : Status.failure;
      row.result = { status, exception: failureText(error) };
      settle();
    },
  );
  return row;
}

/** The builder's failure, not the image's. */
class BuilderDown extends Error {}

/** The log is streamed apart; the result names the failure only. */
function failureText(error: unknown): string {
  return error instanceof PlumblineError ? error.message : errorMessage(error);
}

async function build(cloud: Cloud, image: Message, row: ImageRow, force: boolean): Promise<void> {
  const source = await sourceOf(cloud, image);
  row.prepared = await cloud.table.prepare(
    { source, compose: null, platform: null, resources: NO_REQUEST },
    { signal: new AbortController().signal, forceBuild: force, onLog: (chunk) => row.log.push(chunk) },
  );
}

async function sourceOf(cloud: Cloud, image: Message): Promise<ImageSource> {
  const bases = new Map(
    listOf(image, 'baseImages').map((base) => {
      const { prepared } = imageOf(cloud, textOf(base, 'imageId'));
      if (prepared === null) throw new GrpcError(Code.failedPrecondition, 'the base image is not built');
      return [textOf(base, 'dockerTag'), prepared.ref] as const;
    }),
  );
  const commands = textsOf(image, 'dockerfileCommands').map((line) =>
    line.replace(/^(FROM\s+)(\S+)/i, (whole, from: string, name: string) => {
      const ref = bases.get(name);
      return ref === undefined ? whole : from + ref;
    }),
  );
  const only = commands.length === 1 ? /^FROM\s+(\S+)\s*$/i.exec(commands[0] ?? '') : null;
  if (only?.[1] !== undefined && !bases.size) return { kind: 'prebuilt', ref: only[1] };
  const dir = cloud.temp.path();
  const contextDir = join(dir, 'context');
  await mkdir(contextDir, { recursive: true });
  for (const [path, file] of cloud.mounts.get(textOf(image, 'contextMountId')) ?? []) {
    const to = inside(contextDir, path);
    await mkdir(dirname(to), { recursive: true });
    await copyFile(cloud.blobs.get(file.sha256) ?? '', to);
    await chmod(to, file.mode & 0o7777);
  }
  for (const file of listOf(image, 'contextFiles')) {
    const to = inside(contextDir, textOf(file, 'filename'));
    await mkdir(dirname(to), { recursive: true });
    await writeFile(to, bytesOf(file, 'data'));
  }
  const dockerfile = join(dir, 'Dockerfile');
  await writeFile(dockerfile, `${commands.join('\n')}\n`);
  return { kind: 'dockerfile', contextDir, dockerfile };
}

function inside(dir: string, path: string): string {
  return join(dir, normalize(`/${path}`));
}

/** Follows a build for at most the seconds that the client asked for; the entry id is how much of the log has been sent. */
async function* follow(cloud: Cloud, { request, signal }: GrpcCall): AsyncGenerator<object> {
  const row = imageOf(cloud, textOf(request, 'imageId'));
  const endsAt = Date.now() + numberOf(request, 'timeout') * 1000;
  const wantsLog = row.result === null || request['includeLogsForFinished'] === true;
  let at = Number(textOf(request, 'lastEntryId')) || 0;
  for (;;) {
    const { result } = row;
    const lines = wantsLog ? row.log.slice(at) : [];
    at += lines.length;
    if (lines.length > 0) yield { taskLogs: lines.map((data) => ({ data })), entryId: String(at) };
    if (result !== null) {
      yield { result, entryId: String(at), eof: true };
      return;
    }
    const left = endsAt - Date.now();
    if (left <= 0 || signal.aborted) return;
    await Promise.race([row.done, sleep(Math.min(200, left), signal).catch(() => undefined)]);
  }
}
