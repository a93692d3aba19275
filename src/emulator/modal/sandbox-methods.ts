/** Sandboxes of the newer backend (V2): created at once, booted behind the caller's back, listed while they live. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../exception/errors.js';
import type { PreparedImage } from '../../model/image.js';
import type { NetworkPolicy } from '../../model/provider.js';
import { errorMessage } from '../../util/cause-chain.js';
import { clampTimer, sleep } from '../../util/deadline.js';
import type { SandboxFacts } from '../core/faults.js';
import type { EmulatedSandbox } from '../core/sandboxes.js';
import { jwt } from './account-methods.js';
import { listOf, type Message, mapOf, messageOf, numberOf, textOf, textsOf } from './codec.js';
import { Code, GrpcError } from './grpc-errors.js';
import type { GrpcCall, Method } from './grpc-server.js';
import { imageOf } from './image-methods.js';
import { type Cloud, endSandbox, newId, newSandboxId, type SandboxRow, Status, sandboxOf } from './state.js';

const CLIENT = 'modal.client';
/** What the harness starts; the backend starts it by itself behind the image's ENTRYPOINT. */
const KEEP_ALIVE = JSON.stringify(['sh', '-c', 'sleep infinity']);
const LIST_PAGE = 100;

const Access = { blocked: 2, allowlist: 3 } as const;

export function sandboxMethods(cloud: Cloud): Method[] {
  // request and reply of the V2 calls are those of the older ones
  const method = (name: string, message: string, handle: Method['handle']): Method => ({
    name,
    service: `${CLIENT}.ModalClient`,
    request: `${CLIENT}.${message}Request`,
    response: `${CLIENT}.${message}Response`,
    handle,
  });
  const access = () => ({ jwt: jwt(), url: cloud.url });
  return [
    method('SandboxCreateV2', 'SandboxCreate', (call) => {
      const row = create(cloud, call);
      return { sandboxId: row.id, taskId: row.taskId, commandRouterAccess: access() };
    }),
    method('SandboxGetTaskIdV2', 'SandboxGetTaskId', ({ request }) => {
      const row = sandboxOf(cloud, textOf(request, 'sandboxId'));
      return row.result === null ? { taskId: row.taskId } : { taskResult: row.result };
    }),
    method('SandboxGetCommandRouterAccess', 'SandboxGetCommandRouterAccess', ({ request }) => {
      const row = sandboxOf(cloud, textOf(request, 'sandboxId'));
      if (row.result !== null) throw new GrpcError(Code.failedPrecondition, 'the sandbox has finished');
      return access();
    }),
    method('SandboxWaitV2', 'SandboxWait', async ({ request, signal }) => {
      const row = sandboxOf(cloud, textOf(request, 'sandboxId'));
      await untilEnded(row, numberOf(request, 'timeout') * 1000, signal);
      return row.result === null ? {} : { result: row.result };
    }),
    method('SandboxTerminateV2', 'SandboxTerminate', async ({ request }) => {
      const row = sandboxOf(cloud, textOf(request, 'sandboxId'));
      const existing = row.result;
      await endSandbox(cloud, row, { status: Status.terminated });
      return existing === null ? {} : { existingResult: existing };
    }),
    method('SandboxListV2', 'SandboxList', ({ request }) => ({ sandboxes: list(cloud, request) })),
    method('SandboxTagsGetV2', 'SandboxTagsGet', ({ request }) => ({
      tags: tagList(sandboxOf(cloud, textOf(request, 'sandboxId')).tags),
    })),
    {
      ...method('SandboxTagsSetV2', 'SandboxTagsSet', ({ request }) => {
        sandboxOf(cloud, textOf(request, 'sandboxId')).tags = tagsOf(request);
        return {};
      }),
      response: `${CLIENT}.Empty`,
    },
    ...['SandboxGetFromNameV2', 'SandboxGetFromName'].map((name) =>
      method(name, 'SandboxGetFromName', ({ request }) => {
        const appId = cloud.apps.get(textOf(request, 'appName'));
        const wanted = textOf(request, 'sandboxName');
        const row = [...cloud.sandboxes.values()].find(
          (one) => one.name === wanted && one.appId === appId && one.result === null,
        );
        if (row === undefined || name === 'SandboxGetFromName') {
          throw new GrpcError(Code.notFound, `Sandbox with name '${wanted}' not found`);
        }
        return { sandboxId: row.id };
      }),
    ),
  ];
}

function create(cloud: Cloud, { request, fault }: GrpcCall): SandboxRow {
  const definition = messageOf(request, 'definition') ?? {};
  const appId = textOf(request, 'appId');
  const name = textOf(definition, 'name');
  if (![...cloud.apps.values()].includes(appId)) throw new GrpcError(Code.notFound, `App '${appId}' not found`);
  const taken = [...cloud.sandboxes.values()].some(
    (row) => name !== '' && row.name === name && row.appId === appId && row.result === null,
  );
  if (taken) throw new GrpcError(Code.alreadyExists, `Sandbox with name '${name}' already exists`);
  const image = imageOf(cloud, textOf(definition, 'imageId'));
  const command = textsOf(definition, 'entrypointArgs');
  if (JSON.stringify(command) !== KEEP_ALIVE) {
    throw new GrpcError(Code.unimplemented, `this emulator starts no other command than ${KEEP_ALIVE}`);
  }
  const network = policyOf(messageOf(definition, 'networkAccess') ?? {});
  const id = newSandboxId();
  const taskId = newId('ta');
  const env = environmentOf(cloud, request, 'ephemeralSecrets');
  const ended = new AbortController();
  const boot =
    fault?.kind === 'stuck'
      ? new Promise<EmulatedSandbox>((_, reject) =>
          ended.signal.addEventListener('abort', () => reject(ended.signal.reason)),
        )
      : bootSandbox(cloud, id, { ...env, MODAL_SANDBOX_ID: id, MODAL_TASK_ID: taskId }, image, definition, network);
  const row: SandboxRow = {
    id,
    taskId,
    appId,
    name,
    imageId: image.id,
    createdAt: Date.now() / 1000,
    timeoutSecs: numberOf(definition, 'timeoutSecs'),
    env,
    tags: tagsOf(request),
    boot,
    result: null,
    ended,
    execs: new Map(),
    lastActive: Date.now(),
  };
  cloud.sandboxes.set(id, row);
  boot.then(
    () => (row.result === null ? undefined : cloud.table.kill(id)),
    (error: unknown) => endSandbox(cloud, row, { status: Status.initFailure, exception: errorMessage(error) }),
  );
  watchLife(cloud, row, numberOf(definition, 'idleTimeoutSecs'));
  return row;
}

/** The sandbox that a call makes (its definition) or is for (an id of it or of its task). */
export function factsOf(cloud: Cloud, request: Message): SandboxFacts | null {
  const definition = messageOf(request, 'definition');
  if (definition !== null) return { name: textOf(definition, 'name'), labels: tagsOf(request) };
  const [sandboxId, taskId] = [textOf(request, 'sandboxId'), textOf(request, 'taskId')];
  for (const row of cloud.sandboxes.values()) {
    if (row.id === sandboxId || row.taskId === taskId) return { name: row.name, labels: row.tags };
  }
  return null;
}

async function bootSandbox(
  cloud: Cloud,
  id: string,
  env: Record<string, string>,
  image: ReturnType<typeof imageOf>,
  definition: Message,
  network: NetworkPolicy,
): Promise<EmulatedSandbox> {
  const prepared = await asRoot(cloud, image);
  const resources = messageOf(definition, 'resources') ?? {};
  const cpu = numberOf(resources, 'milliCpuMax');
  const memory = numberOf(resources, 'memoryMbMax');
  const workdir = textOf(definition, 'workdir');
  return await cloud.table.create({
    id,
    image: prepared,
    metadata: {},
    lifetimeMs: null,
    resources: {
      // what is only requested may be exceeded: limits alone are enforced
      cpus: cpu === 0 ? null : cpu / 1000,
      memoryMb: memory === 0 ? null : memory,
      storageMb: null,
      gpus: null,
    },
    env,
    network,
    workdir: workdir === '' ? null : workdir,
  });
}

/** Modal ignores USER: the image's command runs as root too (reported by Harbor, pull request 2544). */
async function asRoot(cloud: Cloud, { prepared }: ReturnType<typeof imageOf>): Promise<PreparedImage> {
  if (prepared === null) throw new HarnessError('the image is not built');
  const contextDir = cloud.temp.path();
  const dockerfile = join(contextDir, 'Dockerfile');
  await mkdir(contextDir, { recursive: true });
  await writeFile(dockerfile, `FROM ${prepared.ref}\nUSER root\n`);
  const source = { kind: 'dockerfile', contextDir, dockerfile } as const;
  return cloud.table.prepare({ ...prepared.spec, source }, { signal: new AbortController().signal });
}

/** @throws GrpcError INVALID_ARGUMENT for a CIDR that is none */
export function policyOf(access: Message): NetworkPolicy {
  const type = numberOf(access, 'type');
  if (type === Access.blocked) return { mode: 'no-network' };
  if (type !== Access.allowlist) return { mode: 'public' };
  const cidrs = textsOf(access, 'allowedCidrs');
  const domains = textsOf(access, 'allowedDomains');
  const bad = cidrs.find((cidr) => !/^[0-9a-f.:]+\/\d+$/i.test(cidr));
  if (bad !== undefined) throw new GrpcError(Code.invalidArgument, `Invalid CIDR: ${bad}`);
  if (cidrs.includes('0.0.0.0/0') && domains.includes('*')) return { mode: 'public' };
  if (cidrs.length + domains.length === 0) return { mode: 'no-network' };
  return { mode: 'allowlist', hosts: [...domains, ...cidrs.map((cidr) => cidr.replace(/\/32$/, ''))] };
}

/** Variables of a request in their order: older releases send a map, newer ones sources. */
export function environmentOf(cloud: Cloud, request: Message, mapField: string): Record<string, string> {
  const map = messageOf(request, mapField) ?? {};
  const env: Record<string, string> = { ...(mapField === 'env' ? mapOf(request, 'env') : mapOf(map, 'contents')) };
  for (const source of listOf(request, 'secretSources')) {
    const inline = messageOf(source, 'env');
    if (inline !== null) Object.assign(env, mapOf(inline, 'contents'));
    else Object.assign(env, cloud.secrets.get(textOf(source, 'secretId')));
  }
  return env;
}

function watchLife(cloud: Cloud, row: SandboxRow, idleSecs: number): void {
  const end = (status: number) => {
    endSandbox(cloud, row, { status }).catch(() => undefined); // the backend's guard keeps it in the journal, where `reap` finds it
  };
  const life = setTimeout(() => end(Status.timeout), clampTimer(row.timeoutSecs * 1000));
  const idle =
    idleSecs === 0
      ? undefined
      : setInterval(
          () => {
            const busy = [...row.execs.values()].some((exec) => exec.end === null);
            if (!busy && Date.now() - row.lastActive > idleSecs * 1000) end(Status.idleTimeout);
          },
          Math.min(1000, idleSecs * 250),
        );
  life.unref();
  idle?.unref();
  row.ended.signal.addEventListener('abort', () => {
    clearTimeout(life);
    clearInterval(idle);
  });
}

async function untilEnded(row: SandboxRow, ms: number, signal: AbortSignal): Promise<void> {
  if (row.result !== null || ms <= 0) return;
  await sleep(ms, AbortSignal.any([row.ended.signal, signal])).catch(() => undefined); // either way the row says how it is
}

/** The newest first, a page at a time. */
function list(cloud: Cloud, request: Message): object[] {
  const before = numberOf(request, 'beforeTimestamp');
  const wanted = Object.entries(tagsOf(request));
  const appId = textOf(request, 'appId');
  return [...cloud.sandboxes.values()]
    .filter((row) => row.result === null || request['includeFinished'] === true)
    .filter((row) => appId === '' || row.appId === appId)
    .filter((row) => before === 0 || row.createdAt < before)
    .filter((row) => wanted.every(([name, value]) => row.tags[name] === value))
    .sort((a, b) => b.createdAt - a.createdAt)
    .slice(0, LIST_PAGE)
    .map((row) => ({
      id: row.id,
      createdAt: row.createdAt,
      appId: row.appId,
      tags: tagList(row.tags),
      name: row.name,
      imageId: row.imageId,
      timeoutSecs: row.timeoutSecs,
    }));
}

function tagsOf(request: Message): Record<string, string> {
  return Object.fromEntries(listOf(request, 'tags').map((tag) => [textOf(tag, 'tagName'), textOf(tag, 'tagValue')]));
}

function tagList(tags: Readonly<Record<string, string>>): object[] {
  return Object.entries(tags).map(([tagName, tagValue]) => ({ tagName, tagValue }));
}
