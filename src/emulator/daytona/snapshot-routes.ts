/** The control plane's snapshots: create, look, list, activate, delete, logs. */
import { errorMessage } from '../../util/cause-chain.js';
import { type EmulatorRequest, HttpError, type Reply, type Route } from '../core/routes.js';
import { createBuildLog } from './build-log.js';
import { type BuildInfo, buildImage, buildInfoOf } from './builder.js';
import { apiError, badRequest, type Cloud, notFound, type Size, type Snapshot, type SnapshotState } from './state.js';

/** The server's defaults for what is built (v0.190). */
const DEFAULTS: Size = { cpu: 1, memory: 1, disk: 3 };
const STUCK_STATES: readonly SnapshotState[] = ['pending', 'building', 'pulling'];

export function snapshotRoutes(cloud: Cloud): Route[] {
  return [
    { call: 'snapshot.create', method: 'POST', path: '/api/snapshots', handle: (request) => create(cloud, request) },
    {
      call: 'snapshot.list',
      method: 'GET',
      path: '/api/snapshots',
      handle(request) {
        const limit = Number(request.query.get('limit') ?? 100) || 100;
        const page = Number(request.query.get('page') ?? 1) || 1;
        const name = request.query.get('name') ?? '';
        const all = [...cloud.snapshots.values()].filter((one) => one.name.includes(name));
        const items = all.slice((page - 1) * limit, page * limit).map(dtoOf);
        return {
          status: 200,
          body: { items, total: all.length, page, totalPages: Math.max(1, Math.ceil(all.length / limit)) },
        };
      },
    },
    {
      call: 'snapshot.get',
      method: 'GET',
      path: '/api/snapshots/:id',
      handle: (request) => ({ status: 200, body: dtoOf(snapshotOf(cloud, request)) }),
    },
    {
      call: 'snapshot.logs-url',
      method: 'GET',
      path: '/api/snapshots/:id/build-logs-url',
      handle: (request) => ({ status: 200, body: { url: `${cloud.url}/build-logs/${snapshotOf(cloud, request).id}` } }),
    },
    {
      call: 'snapshot.activate',
      method: 'POST',
      path: '/api/snapshots/:id/activate',
      handle(request) {
        const snapshot = snapshotOf(cloud, request);
        if (snapshot.state !== 'inactive') throw badRequest(`Snapshot ${snapshot.id} is already active`);
        snapshot.state = 'active';
        return { status: 200, body: dtoOf(snapshot) };
      },
    },
    {
      call: 'snapshot.delete',
      method: 'DELETE',
      path: '/api/snapshots/:id',
      handle(request) {
        cloud.snapshots.delete(snapshotOf(cloud, request).id);
        return { status: 200 };
      },
    },
    {
      call: 'build.logs',
      method: 'GET',
      path: '/build-logs/:id',
      handle(request) {
        const id = request.params['id'] ?? '';
        const log = cloud.snapshots.get(id)?.log ?? cloud.boxes.get(id)?.log;
        if (log === undefined) throw notFound(`no build ${id}`, request.path);
        return {
          status: 200,
          headers: { 'content-type': 'application/octet-stream' },
          body: log.follow(request.signal),
        };
      },
    },
  ];
}

async function create(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const body = await request.json();
  const name = String(body['name'] ?? '');
  if (!/^[\w.:-]+(?:\/[\w.:-]+)?$/.test(name)) throw badRequest(`Invalid snapshot name: ${name}`);
  const info = buildInfoOf(body['buildInfo']);
  const imageName = String(body['imageName'] ?? '');
  if (info === null && !/(?::(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$/.test(imageName)) {
    throw badRequest('Image name must include either a tag (e.g., ubuntu:22.04) or a digest (@sha256:...)');
  }
  if ([...cloud.snapshots.values()].some((other) => other.name === name)) {
    const message = `Snapshot with name "${name}" already exists for this organization`;
    throw new HttpError(409, apiError(409, 'Conflict', message, request.path));
  }
  const snapshot: Snapshot = {
    id: crypto.randomUUID(),
    name,
    state: 'pending',
    errorReason: null,
    image: null,
    ...sizeOf(body),
    log: createBuildLog(),
    createdAt: new Date(),
  };
  cloud.snapshots.set(snapshot.id, snapshot);
  if (request.fault?.kind === 'build-failure') {
    snapshot.log.push('#1 RUN scripted failure\n');
    fail(snapshot, 'process "/bin/sh -c scripted failure" did not complete successfully: exit code: 1');
  } else if (request.fault?.kind === 'death') {
    fail(snapshot, 'Timeout while building snapshot on runner');
  } else if (request.fault?.kind === 'stuck') {
    const { state } = request.fault;
    snapshot.state = STUCK_STATES.find((known) => known === state) ?? snapshot.state;
  } else {
    const reply = { status: 200, body: dtoOf(snapshot) };
    build(cloud, snapshot, info ?? { imageName }).catch((error: unknown) => fail(snapshot, errorMessage(error)));
    return reply;
  }
  return { status: 200, body: dtoOf(snapshot) };
}

async function build(cloud: Cloud, snapshot: Snapshot, info: BuildInfo | { imageName: string }): Promise<void> {
  snapshot.state = 'imageName' in info ? 'pulling' : 'building';
  snapshot.image = await buildImage(cloud, info, snapshot.log);
  snapshot.state = 'active';
}

function fail(snapshot: Snapshot, reason: string): void {
  snapshot.state = 'build_failed';
  snapshot.errorReason = reason;
  snapshot.log.end();
}

/** @throws HttpError 400 for what is no positive whole number */
export function sizeOf(body: Record<string, unknown>): Size {
  const whole = (name: 'cpu' | 'memory' | 'disk') => {
    const value = body[name] ?? DEFAULTS[name];
    if (!Number.isInteger(value) || Number(value) < 1) throw badRequest(`${name} must be a positive integer`);
    return Number(value);
  };
  return { cpu: whole('cpu'), memory: whole('memory'), disk: whole('disk') };
}

function snapshotOf(cloud: Cloud, request: EmulatorRequest): Snapshot {
  const wanted = request.params['id'] ?? '';
  const found = cloud.snapshots.get(wanted) ?? findSnapshot(cloud, wanted);
  if (found === null) throw notFound(`Snapshot with ID or name ${wanted} not found`, request.path);
  return found;
}

export function findSnapshot(cloud: Cloud, name: string): Snapshot | null {
  return [...cloud.snapshots.values()].find((one) => one.name === name || one.id === name) ?? null;
}

function dtoOf({ id, name, state, errorReason, cpu, memory, disk, createdAt }: Snapshot): object {
  const at = createdAt.toISOString();
  return {
    id,
    name,
    general: false,
    state,
    size: null,
    entrypoint: null,
    cpu,
    gpu: 0,
    mem: memory,
    disk,
    errorReason,
    createdAt: at,
    updatedAt: at,
    lastUsedAt: null,
  };
}
