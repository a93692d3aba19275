/** The control plane's sandboxes: create, list, look, intervals, labels, network, stop, delete. */
import { setMaxListeners } from 'node:events';
import { isIPv4 } from 'node:net';
import type { PreparedImage } from '../../model/image.js';
import type { NetworkPolicy } from '../../model/provider.js';
import { errorMessage } from '../../util/cause-chain.js';
import { createProcessTable } from '../core/processes.js';
import { type EmulatorRequest, HttpError, type Reply, type Route } from '../core/routes.js';
import { createBuildLog } from './build-log.js';
import { buildImage, buildInfoOf } from './builder.js';
import { findSnapshot, sizeOf } from './snapshot-routes.js';
import { apiError, type Box, badRequest, boxOf, type Cloud, MIB_PER_GIB, ORGANIZATION, touch } from './state.js';

const DEFAULT_AUTO_STOP_MINUTES = 15;
const PAGE = 100;
const MAX_PAGE = 200;
const MAX_ENTRIES = 10;

export function sandboxRoutes(cloud: Cloud): Route[] {
  const one = (
    call: string,
    method: string,
    path: string,
    change: (box: Box, request: EmulatorRequest) => unknown,
  ): Route => ({
    call,
    method,
    path: `/api/sandbox/:id${path}`,
    async handle(request) {
      const box = boxOf(cloud, request);
      const body = await change(box, request);
      return { status: 200, body: (body as object | undefined) ?? dtoOf(cloud, box) };
    },
  });
  return [
    { call: 'sandbox.create', method: 'POST', path: '/api/sandbox', handle: (request) => create(cloud, request) },
    { call: 'sandbox.list', method: 'GET', path: '/api/sandbox', handle: (request) => list(cloud, request) },
    one('sandbox.get', 'GET', '', () => undefined),
    one('sandbox.delete', 'DELETE', '', async (box) => {
      const dto = { ...dtoOf(cloud, box), state: 'destroying', desiredState: 'destroyed' };
      await destroy(cloud, box);
      return dto;
    }),
    one('sandbox.stop', 'POST', '/stop', async (box) => {
      const dto = { ...dtoOf(cloud, box), state: 'stopping', desiredState: 'stopped' };
      await destroy(cloud, box);
      return dto;
    }),
    one('sandbox.activity', 'POST', '/last-activity', (box) => touch(cloud, box)),
    one('sandbox.autostop', 'POST', '/autostop/:minutes', (box, request) => {
      box.autoStopMinutes = minutes(request.params['minutes']);
      touch(cloud, box);
    }),
    one('sandbox.autodelete', 'POST', '/autodelete/:minutes', (box, request) => {
      box.autoDeleteMinutes = Number(request.params['minutes']);
    }),
    one('sandbox.ttl', 'POST', '/ttl/:minutes', (box, request) => {
      const value = minutes(request.params['minutes']);
      box.ttlEndsAt = value === 0 ? null : Date.now() + value * 60_000;
      touch(cloud, box);
    }),
    one('sandbox.labels', 'PUT', '/labels', async (box, request) => {
      box.labels = ((await request.json())['labels'] ?? {}) as Record<string, string>;
      return { labels: box.labels };
    }),
    one('sandbox.network', 'POST', '/network-settings', async (box, request) => {
      takeNetwork(box, await request.json());
      if (box.row?.sandbox.setNetwork === undefined) {
        throw badRequest('the backend of this emulator cannot change the network of a running sandbox');
      }
      await box.row.sandbox.setNetwork(policyOf(box));
    }),
    one('sandbox.toolbox-url', 'GET', '/toolbox-proxy-url', () => ({ url: `${cloud.url}/toolbox` })),
    one('sandbox.logs-url', 'GET', '/build-logs-url', (box) => ({ url: `${cloud.url}/build-logs/${box.id}` })),
  ];
}

async function create(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const body = await request.json();
  const info = buildInfoOf(body['buildInfo']);
  const snapshotName = typeof body['snapshot'] === 'string' ? body['snapshot'] : null;
  if (info === null && snapshotName === null) throw badRequest('this emulator has no default snapshot');
  const snapshot = snapshotName === null ? null : findSnapshot(cloud, snapshotName);
  if (snapshotName !== null && ['cpu', 'memory', 'disk', 'gpu'].some((key) => body[key] !== undefined)) {
    throw badRequest('Cannot specify Sandbox resources when using a snapshot');
  }
  if (snapshotName !== null && snapshot === null)
    throw badRequest(`Snapshot ${snapshotName} not found. Did you add it through the Daytona Dashboard?`);
  if (snapshot !== null && snapshot.state !== 'active')
    throw badRequest(`Snapshot ${snapshotName} is ${snapshot.state}`);
  const id = crypto.randomUUID();
  const name = String(body['name'] ?? id);
  if ([...cloud.boxes.values()].some((other) => other.name === name)) {
    const message = `Sandbox with name ${name} already exists`;
    throw new HttpError(409, apiError(409, 'Conflict', message, request.path));
  }
  const ttl = minutes(body['ttlMinutes'] ?? 0);
  const box: Box = {
    id,
    name,
    snapshot: snapshotName,
    ...(snapshot === null ? sizeOf(body) : { cpu: snapshot.cpu, memory: snapshot.memory, disk: snapshot.disk }),
    labels: (body['labels'] ?? {}) as Record<string, string>,
    env: (body['env'] ?? {}) as Record<string, string>,
    state: info === null ? 'creating' : 'pending_build',
    errorReason: null,
    autoStopMinutes: minutes(body['autoStopInterval'] ?? DEFAULT_AUTO_STOP_MINUTES),
    autoDeleteMinutes: Number(body['autoDeleteInterval'] ?? -1),
    ttlEndsAt: ttl === 0 ? null : Date.now() + ttl * 60_000,
    networkBlockAll: false,
    networkAllowList: null,
    domainAllowList: null,
    log: createBuildLog(),
    createdAt: new Date(),
    row: null,
    processes: null,
    sessions: new Map(),
  };
  takeNetwork(box, body);
  cloud.boxes.set(id, box);
  const reply = { status: 200, body: dtoOf(cloud, box) };
  if (request.fault?.kind === 'build-failure') fail(box, 'build_failed', 'scripted build failure');
  else if (request.fault?.kind === 'stuck') box.state = request.fault.state ?? box.state;
  else {
    const build = async (): Promise<PreparedImage> => {
      if (snapshot?.image) return snapshot.image;
      if (info === null) throw new Error('the snapshot has no image');
      box.state = 'building_snapshot';
      return buildImage(cloud, info, box.log);
    };
    start(cloud, box, build).catch((error: unknown) =>
      fail(box, box.state === 'building_snapshot' ? 'build_failed' : 'error', errorMessage(error)),
    );
  }
  return reply;
}

/** The states that a client sees on the way. A sandbox that is deleted meanwhile is not started. */
async function start(cloud: Cloud, box: Box, build: () => Promise<PreparedImage>): Promise<void> {
  const image = await build();
  box.state = 'starting';
  const row = await cloud.sandboxes.create({
    id: box.id,
    image,
    metadata: box.labels,
    lifetimeMs: null,
    resources: {
      cpus: box.cpu,
      memoryMb: box.memory * MIB_PER_GIB,
      storageMb: box.disk * MIB_PER_GIB,
      gpus: null,
    },
    env: { ...box.env, DAYTONA_SANDBOX_ID: box.id },
    network: policyOf(box),
  });
  if (!cloud.boxes.has(box.id)) {
    await cloud.sandboxes.kill(box.id);
    return;
  }
  box.row = row;
  setMaxListeners(0, row.gone); // every call that runs listens
  box.processes = createProcessTable(row.sandbox, { gone: row.gone });
  row.gone.addEventListener('abort', () => {
    // the end of its life: an ephemeral sandbox is deleted when it stops
    if (box.state === 'started') cloud.boxes.delete(box.id);
  });
  touch(cloud, box);
  box.state = 'started';
}

function fail(box: Box, state: string, reason: string): void {
  box.state = state;
  box.errorReason = reason;
}

async function destroy(cloud: Cloud, box: Box): Promise<void> {
  box.state = 'destroying';
  await cloud.sandboxes.kill(box.id);
  cloud.boxes.delete(box.id);
}

function list(cloud: Cloud, request: EmulatorRequest): Reply {
  const { query } = request;
  const wanted = JSON.parse(query.get('labels') ?? '{}') as Record<string, string>;
  const states = query.getAll('states');
  const name = (query.get('name') ?? '').toLowerCase();
  const limit = Math.min(Number(query.get('limit') ?? PAGE) || PAGE, MAX_PAGE);
  const from = Number(query.get('cursor') ?? 0) || 0;
  const matching = [...cloud.boxes.values()].filter(
    (box) =>
      Object.entries(wanted).every(([key, value]) => box.labels[key] === value) &&
      (states.length === 0 || states.includes(box.state)) &&
      box.name.toLowerCase().startsWith(name),
  );
  const items = matching.slice(from, from + limit).map((box) => ({ ...dtoOf(cloud, box), env: undefined }));
  return { status: 200, body: { items, nextCursor: from + limit < matching.length ? String(from + limit) : null } };
}

function dtoOf(cloud: Cloud, box: Box): object {
  const { createdAt, row: _row, processes: _processes, sessions: _sessions, log: _log, ...rest } = box;
  const { autoStopMinutes, autoDeleteMinutes, ttlEndsAt: _ttl, errorReason, snapshot, ...shown } = rest;
  return {
    ...shown,
    organizationId: ORGANIZATION,
    user: 'daytona',
    public: false,
    target: 'us',
    gpu: 0,
    autoStopInterval: autoStopMinutes,
    autoDeleteInterval: autoDeleteMinutes,
    ...(snapshot === null ? {} : { snapshot }),
    ...(errorReason === null ? {} : { errorReason }),
    createdAt: createdAt.toISOString(),
    toolboxProxyUrl: `${cloud.url}/toolbox`,
  };
}

/** @throws HttpError 400 for lists that the API refuses */
function takeNetwork(box: Box, body: Record<string, unknown>): void {
  const text = (name: 'networkAllowList' | 'domainAllowList') =>
    typeof body[name] === 'string' && body[name] !== '' ? body[name] : body[name] === undefined ? box[name] : null;
  const addresses = text('networkAllowList');
  const domains = text('domainAllowList');
  const entries = (list: string | null) => (list === null ? [] : list.split(',').map((entry) => entry.trim()));
  for (const entry of entries(addresses)) {
    const [address = '', bits = ''] = entry.split('/');
    if (!isIPv4(address) || !/^\d+$/.test(bits) || Number(bits) > 32)
      throw badRequest(`Invalid CIDR in network allow list: ${entry}`);
  }
  if (Math.max(entries(addresses).length, entries(domains).length) > MAX_ENTRIES) {
    throw badRequest(`Network allow list cannot contain more than ${MAX_ENTRIES} networks`);
  }
  box.networkAllowList = addresses;
  box.domainAllowList = domains;
  if (typeof body['networkBlockAll'] === 'boolean') box.networkBlockAll = body['networkBlockAll'];
}

function policyOf(box: Box): NetworkPolicy {
  if (box.networkBlockAll) return { mode: 'no-network' };
  const hosts = [box.networkAllowList, box.domainAllowList].flatMap((list) => list?.split(',') ?? []);
  return hosts.length === 0 ? { mode: 'public' } : { mode: 'allowlist', hosts: hosts.map((host) => host.trim()) };
}

function minutes(value: unknown): number {
  const given = Number(value);
  if (!Number.isInteger(given) || given < 0) throw badRequest('an interval must be a non-negative number of minutes');
  return given;
}
