/** The control plane's sandboxes: create, list, look, lifetime, network, kill. */
import { randomBytes } from 'node:crypto';
import type { NetworkPolicy } from '../../model/provider.js';
import { type EmulatorRequest, HttpError, type Reply, type Route } from '../core/routes.js';
import { type EmulatedSandbox, randomId } from '../core/sandboxes.js';
import { type Cloud, ENVD_VERSION, findTemplate, openEnvd, readyBuild, type Template } from './state.js';

const DEFAULT_TIMEOUT_SEC = 300;
/** The Pro plan's; Hobby has 1 h. */
const MAX_TIMEOUT_SEC = 24 * 3600;
const PAGE = 100;

export function sandboxRoutes(cloud: Cloud): Route[] {
  const create = (request: EmulatorRequest) => createSandbox(cloud, request);
  const connect = async (request: EmulatorRequest): Promise<Reply> => {
    const id = request.params['id'] ?? '';
    const row = found(cloud, id);
    cloud.sandboxes.setLifetime(id, seconds((await request.json())['timeout']) * 1000);
    return { status: 200, body: created(cloud, row) };
  };
  return [
    { call: 'sandbox.create', method: 'POST', path: '/v2/sandboxes', handle: create },
    { call: 'sandbox.create', method: 'POST', path: '/sandboxes', handle: create },
    { call: 'sandbox.list', method: 'GET', path: '/v2/sandboxes', handle: (request) => list(cloud, request) },
    {
      call: 'sandbox.get',
      method: 'GET',
      path: '/sandboxes/:id',
      handle: (request) => ({ status: 200, body: info(cloud, found(cloud, request.params['id'] ?? '')) }),
    },
    {
      call: 'sandbox.kill',
      method: 'DELETE',
      path: '/sandboxes/:id',
      async handle(request) {
        const id = request.params['id'] ?? '';
        found(cloud, id);
        cloud.envds.delete(id);
        await cloud.sandboxes.kill(id);
        return { status: 204 };
      },
    },
    {
      call: 'sandbox.timeout',
      method: 'POST',
      path: '/sandboxes/:id/timeout',
      async handle(request) {
        const row = found(cloud, request.params['id'] ?? '');
        cloud.sandboxes.setLifetime(row.id, seconds((await request.json())['timeout']) * 1000);
        return { status: 204 };
      },
    },
    {
      call: 'sandbox.network',
      method: 'PUT',
      path: '/sandboxes/:id/network',
      async handle(request) {
        const row = found(cloud, request.params['id'] ?? '');
        if (row.sandbox.setNetwork === undefined) {
          throw new HttpError(400, { code: 400, message: 'the backend of this emulator cannot change the network' });
        }
        await row.sandbox.setNetwork(policy(await request.json()));
        return { status: 204 };
      },
    },
    { call: 'sandbox.connect', method: 'POST', path: '/v2/sandboxes/:id/connect', handle: connect },
    { call: 'sandbox.connect', method: 'POST', path: '/sandboxes/:id/connect', handle: connect },
  ];
}

async function createSandbox(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const body = await request.json();
  const wanted = String(body['templateID'] ?? '');
  const named = findTemplate(cloud, wanted);
  const build = readyBuild(named);
  const { template } = named;
  if (template === null || build === null) {
    throw new HttpError(404, { code: 404, message: `template '${wanted}' not found` });
  }
  const id = randomId();
  const userEnvs = record(body['envVars']);
  const row = await cloud.sandboxes.create({
    id,
    image: build.result.image,
    metadata: record(body['metadata']),
    lifetimeMs: seconds(body['timeout'] ?? DEFAULT_TIMEOUT_SEC) * 1000,
    resources: { cpus: build.cpuCount, memoryMb: build.memoryMB, storageMb: null, gpus: null },
    network: policy(body),
  });
  const envs = { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: id, E2B_TEMPLATE_ID: template.id, ...userEnvs };
  const { user, workdir } = build.result;
  cloud.envds.set(
    id,
    openEnvd(row, { template, build, user, workdir, envs, accessToken: randomBytes(16).toString('hex') }),
  );
  return { status: 201, body: created(cloud, row) };
}

function list(cloud: Cloud, request: EmulatorRequest): Reply {
  const wanted = metadataQuery(request.query.get('metadata'));
  const limit = Math.min(Number(request.query.get('limit') ?? PAGE) || PAGE, PAGE);
  const start = Number(request.query.get('nextToken') ?? 0) || 0;
  const matching = cloud.sandboxes
    .list()
    .filter((row) => Object.entries(wanted).every(([key, value]) => row.metadata[key] === value));
  const page = matching.slice(start, start + limit);
  const more = start + limit < matching.length;
  return {
    status: 200,
    headers: more ? { 'x-next-token': String(start + limit) } : {},
    body: page.map((row) => info(cloud, row)),
  };
}

/** A urlencoded form inside a query value, whose keys and values are encoded once more (the SDK's sandboxApi.ts). */
function metadataQuery(text: string | null): Record<string, string> {
  const wanted: Record<string, string> = {};
  if (text === null) return wanted;
  for (const [key, value] of new URLSearchParams(text)) wanted[decodeURIComponent(key)] = decodeURIComponent(value);
  return wanted;
}

function found(cloud: Cloud, id: string): EmulatedSandbox {
  const row = cloud.sandboxes.get(id);
  if (row === null) throw new HttpError(404, { code: 404, message: `Sandbox "${id}" not found` });
  return row;
}

function templateOf(cloud: Cloud, row: EmulatedSandbox): Template | undefined {
  return cloud.envds.get(row.id)?.template;
}

function created(cloud: Cloud, row: EmulatedSandbox): object {
  const template = templateOf(cloud, row);
  return {
    sandboxID: row.id,
    templateID: template?.id,
    alias: template?.name,
    clientID: 'emulated',
    envdVersion: ENVD_VERSION,
    envdAccessToken: cloud.envds.get(row.id)?.accessToken,
    domain: null,
    trafficAccessToken: null,
  };
}

function info(cloud: Cloud, row: EmulatedSandbox): object {
  const { template, build } = cloud.envds.get(row.id) ?? {};
  return {
    sandboxID: row.id,
    templateID: template?.id,
    alias: template?.name,
    clientID: 'emulated',
    envdVersion: ENVD_VERSION,
    metadata: row.metadata,
    startedAt: row.startedAt.toISOString(),
    endAt: row.endsAt?.toISOString(),
    state: 'running',
    cpuCount: build?.cpuCount,
    memoryMB: build?.memoryMB,
    diskSizeMB: 10_240,
  };
}

/** @throws HttpError 400 for what the API refuses */
function seconds(value: unknown): number {
  const given = Number(value);
  if (!(given > 0)) throw new HttpError(400, { code: 400, message: 'Timeout must be greater than 0' });
  if (given > MAX_TIMEOUT_SEC) {
    throw new HttpError(400, { code: 400, message: `Timeout cannot be greater than ${MAX_TIMEOUT_SEC / 3600} hours` });
  }
  return given;
}

/** @throws HttpError 400 for a domain without the deny-all that it needs */
function policy(body: Record<string, unknown>): NetworkPolicy {
  const network = typeof body['network'] === 'object' && body['network'] !== null ? body['network'] : body;
  const { allowOut = [], denyOut = [] } = network as { allowOut?: string[]; denyOut?: string[] };
  if (allowOut.length > 0) {
    const domain = allowOut.find((entry) => /[a-z]/i.test(entry) && !entry.includes(':'));
    if (domain !== undefined && !denyOut.includes('0.0.0.0/0')) {
      throw new HttpError(400, { code: 400, message: 'When specifying allowed domains, block all other traffic' });
    }
    return { mode: 'allowlist', hosts: allowOut };
  }
  const offline = body['allow_internet_access'] === false || denyOut.includes('0.0.0.0/0');
  return { mode: offline ? 'no-network' : 'public' };
}

function record(value: unknown): Record<string, string> {
  return (value ?? {}) as Record<string, string>;
}
