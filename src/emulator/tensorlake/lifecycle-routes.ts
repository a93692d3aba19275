/** Sandboxes: create, look, list, rename, delete. */
import { mkdir } from 'node:fs/promises';
import type { NetworkPolicy } from '../../model/provider.js';
import { errorMessage } from '../../util/cause-chain.js';
import { createProcessTable } from '../core/processes.js';
import { type EmulatorRequest, HttpError, type Reply, type Route } from '../core/routes.js';
import { randomId } from '../core/sandboxes.js';
import { type Box, BUILDER_IMAGE, type Cloud, findBox, type Template, terminate } from './state.js';

/** Milliseconds for which a finished process can be looked at. */
const KEEP_PROCESSES_MS = 300_000;
const DEFAULT_DISK_MB = 10_240;
/** What a list holds at most; the newest first. */
const LIST_PAGE = 100;
const MB = 1024 * 1024;

export function lifecycleRoutes(cloud: Cloud): Route[] {
  const at = '/v1/namespaces/:namespace/sandboxes';
  const box = (request: EmulatorRequest) => findBox(cloud, request.params['id'] ?? '');
  return [
    { call: 'sandbox.create', method: 'POST', path: at, handle: (request) => create(cloud, request) },
    {
      call: 'sandbox.list',
      method: 'GET',
      path: at,
      handle() {
        const page = [...cloud.boxes.values()].reverse().slice(0, LIST_PAGE);
        return { status: 200, body: { sandboxes: page.map((each) => info(cloud, each)) } };
      },
    },
    {
      call: 'sandbox.get',
      method: 'GET',
      path: `${at}/:id`,
      handle: (request) => ({ status: 200, body: info(cloud, box(request)) }),
    },
    {
      call: 'sandbox.update',
      method: 'PATCH',
      path: `${at}/:id`,
      async handle(request) {
        const found = box(request);
        const name = (await request.json())['name'];
        if (typeof name === 'string') found.name = checkedName(cloud, name);
        return { status: 200, body: info(cloud, found) };
      },
    },
    {
      call: 'sandbox.delete',
      method: 'DELETE',
      path: `${at}/:id`,
      async handle(request) {
        const found = box(request);
        cloud.boxes.delete(found.id);
        await terminate(cloud, found, 'deleted');
        await found.starting; // one that is deleted while it starts is gone from the backend, too, when this is answered
        return { status: 200, body: {} };
      },
    },
  ];
}

async function create(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const body = await request.json();
  const image = String(body['image'] ?? '');
  const template = cloud.templates.get(image) ?? null;
  const isBuilder = image === BUILDER_IMAGE;
  if (template === null && !isBuilder) {
    throw new HttpError(400, { error: `sandbox image '${image}' not found`, code: 'BAD_REQUEST' });
  }
  const asked = (body['resources'] ?? {}) as { cpus?: number; memory_mb?: number; disk_mb?: number };
  const authoritative = template === null ? DEFAULT_DISK_MB : Math.ceil(template.rootfsDiskBytes / MB);
  if (asked.disk_mb !== undefined && asked.disk_mb < authoritative) {
    throw new HttpError(400, {
      error: `cannot shrink image '${image}' below its authoritative size of ${authoritative} MB`,
      code: 'BAD_REQUEST',
    });
  }
  const id = randomId('s').concat('0'); // 21 characters, as the real ids
  const box: Box = {
    id,
    name: typeof body['name'] === 'string' ? checkedName(cloud, body['name']) : null,
    image,
    resources: {
      cpus: asked.cpus ?? 1,
      memory_mb: asked.memory_mb ?? 1024,
      ephemeral_disk_mb: asked.disk_mb ?? authoritative,
    },
    timeoutSecs: typeof body['timeout_secs'] === 'number' ? body['timeout_secs'] : null,
    network: typeof body['network'] === 'object' ? body['network'] : null,
    createdAt: Date.now(),
    status: 'pending',
    terminationReason: null,
    starting: null,
    row: null,
    table: null,
    processes: new Map(),
    builderDir: isBuilder ? cloud.temp.path() : null,
  };
  cloud.boxes.set(id, box);
  if (request.fault?.kind !== 'stuck') {
    box.starting = start(cloud, box, template).catch((error: unknown) => {
      box.status = 'terminated';
      box.terminationReason = `failed to start: ${errorMessage(error)}`;
    });
  }
  return { status: 200, body: { sandbox_id: id, status: 'pending' } };
}

async function start(cloud: Cloud, box: Box, template: Template | null): Promise<void> {
  if (template === null) {
    if (box.builderDir !== null) await mkdir(box.builderDir);
    box.status = 'running';
    return;
  }
  const row = await cloud.sandboxes.create({
    id: box.id,
    image: template.image,
    metadata: {},
    lifetimeMs: box.timeoutSecs === null || box.timeoutSecs === 0 ? null : box.timeoutSecs * 1000,
    resources: { cpus: box.resources.cpus, memoryMb: box.resources.memory_mb, storageMb: null, gpus: null },
    network: policy(box.network),
  });
  box.row = row;
  if (!cloud.boxes.has(box.id)) {
    await cloud.sandboxes.kill(row.id); // deleted while it was starting
    return;
  }
  box.table = createProcessTable(row.sandbox, { gone: row.gone, keepMs: KEEP_PROCESSES_MS });
  box.status = 'running';
  row.gone.addEventListener('abort', () => {
    if (box.status !== 'running') return;
    box.status = 'terminated';
    box.terminationReason = 'timeout';
  });
}

function info(cloud: Cloud, box: Box): object {
  return {
    id: box.id,
    namespace: 'default',
    status: box.status,
    image: box.image,
    resources: box.resources,
    timeout_secs: box.timeoutSecs,
    entrypoint: null,
    network: box.network,
    created_at: box.createdAt,
    name: box.name,
    allow_unauthenticated_access: false,
    exposed_ports: [],
    file_systems: [],
    ...(box.status === 'running' ? { sandbox_url: cloud.url } : {}),
    ...(box.terminationReason === null
      ? {}
      : { termination_reason: box.terminationReason, error_details: box.terminationReason }),
  };
}

/** @throws HttpError 400 or 409 */
function checkedName(cloud: Cloud, name: string): string {
  if (!/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name) || /^[a-z0-9]{21}$/.test(name)) {
    throw new HttpError(400, { error: `invalid sandbox name '${name}'`, code: 'BAD_REQUEST' });
  }
  if ([...cloud.boxes.values()].some((box) => box.name === name && box.status !== 'terminated')) {
    throw new HttpError(409, { error: `sandbox name '${name}' already exists`, code: 'CONFLICT' });
  }
  return name;
}

function policy(network: object | null): NetworkPolicy {
  if (network === null) return { mode: 'public' };
  const given = network as { allow_internet_access?: boolean; allow_out?: string[] };
  if ((given.allow_out ?? []).length > 0) return { mode: 'allowlist', hosts: given.allow_out ?? [] };
  return { mode: given.allow_internet_access === false ? 'no-network' : 'public' };
}
