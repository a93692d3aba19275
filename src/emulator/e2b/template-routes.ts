/** The control plane's templates: request a build, upload its files, start it, watch it. */
import { errorMessage } from '../../util/cause-chain.js';
import { type EmulatorRequest, HttpError, type Reply, type Route } from '../core/routes.js';
import { randomId } from '../core/sandboxes.js';
import { type BuildRequest, buildContext, inWordsOfProvisioning, type RequestedStep } from './build-context.js';
import { type Build, type Cloud, DEFAULT_TAG, findTemplate, readyBuild, type Template } from './state.js';

const LOG_PAGE = 100;
const MAX_CPUS = 32;
const MIN_MEMORY_MB = 128;

export function templateRoutes(cloud: Cloud): Route[] {
  return [
    {
      call: 'template.alias',
      method: 'GET',
      path: '/templates/aliases/:alias',
      handle(request) {
        const named = findTemplate(cloud, request.params['alias'] ?? '');
        if (named.template === null) throw new HttpError(404, { code: 404, message: 'template alias not found' });
        // without a tag the name alone counts, whether its build failed, is under way or was never started
        if (named.tag !== null && readyBuild(named) === null) {
          throw new HttpError(404, { code: 404, message: `tag '${named.tag}' does not exist for template` });
        }
        return { status: 200, body: { templateID: named.template.id, public: false } };
      },
    },
    {
      call: 'template.request',
      method: 'POST',
      path: '/v3/templates',
      handle: (request) => requestBuild(cloud, request),
    },
    {
      call: 'template.file',
      method: 'GET',
      path: '/templates/:template/files/:hash',
      handle(request) {
        const hash = request.params['hash'] ?? '';
        const present = cloud.uploads.has(hash);
        return { status: 201, body: { present, ...(present ? {} : { url: `${cloud.url}/upload/${hash}` }) } };
      },
    },
    {
      call: 'template.upload',
      method: 'PUT',
      path: '/upload/:hash',
      async handle(request) {
        cloud.uploads.set(request.params['hash'] ?? '', await cloud.temp.save(request.stream));
        return { status: 200 };
      },
    },
    {
      call: 'template.start',
      method: 'POST',
      path: '/v2/templates/:template/builds/:build',
      handle: (request) => startBuild(cloud, request),
    },
    {
      call: 'template.tag',
      method: 'POST',
      path: '/templates/tags',
      handle: (request) => assignTags(cloud, request),
    },
    {
      call: 'template.status',
      method: 'GET',
      path: '/templates/:template/builds/:build/status',
      handle: (request) => status(cloud, request),
    },
  ];
}

async function requestBuild(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const body = await request.json();
  const { template: known, tag } = findTemplate(cloud, String(body['name'] ?? ''));
  const name =
    String(body['name'] ?? '')
      .toLowerCase()
      .split(':')[0] ?? '';
  const named = [...(tag === null ? [] : [tag]), ...strings(body['tags'])];
  const tags = named.length === 0 ? [DEFAULT_TAG] : named;
  const cpuCount = Number(body['cpuCount'] ?? 2);
  const memoryMB = Number(body['memoryMB'] ?? 1024);
  if (!/^[a-z0-9-_]+$/.test(name)) refuse(`Invalid template name: ${name}`);
  if (cpuCount < 1 || cpuCount > MAX_CPUS || (cpuCount !== 1 && cpuCount % 2 !== 0)) {
    refuse(`CPU count must be 1 or an even number up to ${MAX_CPUS}`);
  }
  if (memoryMB < MIN_MEMORY_MB || memoryMB % 2 !== 0) {
    refuse(`Memory must be an even number of at least ${MIN_MEMORY_MB} MiB`);
  }
  for (const each of tags) if (!/^[a-z0-9-_.]+$/.test(each)) refuse(`Invalid tag: ${each}`);
  const template: Template = known ?? { id: randomId(''), name, builds: new Map(), assignments: [] };
  cloud.templates.set(template.id, template);
  for (const other of withTag(template, tags)) if (other.status === 'waiting') cancel(other, SUPERSEDED);
  const build: Build = {
    id: crypto.randomUUID(),
    status: 'waiting',
    log: [],
    reason: null,
    cpuCount,
    memoryMB,
    result: null,
    canceled: new AbortController(),
  };
  template.builds.set(build.id, build);
  for (const each of tags) template.assignments.push({ tag: each, build });
  return {
    status: 202,
    body: {
      templateID: template.id,
      buildID: build.id,
      public: false,
      names: [`emulated/${name}`],
      aliases: [name],
      tags,
    },
  };
}

async function startBuild(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const { template, build } = found(cloud, request);
  const body = await request.json();
  if (body['startCmd'] !== undefined || body['readyCmd'] !== undefined) refuse('this emulator runs no start command');
  if (build.status !== 'waiting') refuse('build is not in waiting state');
  const wanted: BuildRequest = {
    fromImage: typeof body['fromImage'] === 'string' ? body['fromImage'] : null,
    fromTemplate: typeof body['fromTemplate'] === 'string' ? body['fromTemplate'] : null,
    steps: (body['steps'] ?? []) as RequestedStep[],
  };
  const own = template.assignments.filter((each) => each.build === build).map((each) => each.tag);
  for (const other of withTag(template, own)) if (other.status === 'building') cancel(other, 'the build was canceled');
  build.status = 'building';
  if (request.fault?.kind === 'stuck') return { status: 202 };
  if (request.fault?.kind === 'build-failure') {
    fail(build, "failed to run command 'scripted failure': exit status 1");
    return { status: 202 };
  }
  run(cloud, build, wanted, body['force'] === true).catch((error: unknown) => {
    if (!build.canceled.signal.aborted) fail(build, inWordsOfProvisioning(errorMessage(error)));
  });
  return { status: 202 };
}

async function assignTags(cloud: Cloud, request: EmulatorRequest): Promise<Reply> {
  const body = await request.json();
  const named = findTemplate(cloud, String(body['target'] ?? ''));
  const ready = readyBuild(named);
  const build = named.template?.builds.get(ready?.id ?? '');
  if (named.template === null || build === undefined) {
    throw new HttpError(404, { code: 404, message: `Template '${body['target']}' not found` });
  }
  const tags = strings(body['tags']);
  if (tags.length === 0) refuse('At least one tag is required');
  for (const tag of tags) named.template.assignments.push({ tag, build });
  return { status: 201, body: { tags, buildID: build.id } };
}

const SUPERSEDED = 'The build was canceled because it was superseded by a newer one.';

function withTag(template: Template, tags: readonly string[]): Build[] {
  return template.assignments.filter(({ tag }) => tags.includes(tag)).map(({ build }) => build);
}

function cancel(build: Build, why: string): void {
  fail(build, why);
  build.canceled.abort(new Error(why));
}

function strings(value: unknown): string[] {
  return (Array.isArray(value) ? value : typeof value === 'string' ? [value] : []).map((each) =>
    String(each).toLowerCase(),
  );
}

async function run(cloud: Cloud, build: Build, wanted: BuildRequest, force: boolean): Promise<void> {
  const { source, user, workdir } = await buildContext(cloud, wanted);
  let rest = '';
  const image = await cloud.sandboxes.prepare(
    { source, compose: null, platform: null, resources: { cpus: null, memoryMb: null, storageMb: null, gpus: null } },
    {
      signal: build.canceled.signal,
      forceBuild: force,
      onLog(chunk) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) log(build, 'info', line);
      },
    },
  );
  if (rest !== '') log(build, 'info', rest);
  if (build.canceled.signal.aborted) return;
  build.result = { image, user, workdir };
  build.status = 'ready';
}

function fail(build: Build, message: string): void {
  log(build, 'error', message);
  build.reason = message;
  build.status = 'error';
}

function log(build: Build, level: 'info' | 'error', message: string): void {
  build.log.push({ timestamp: new Date().toISOString(), level, message });
}

function status(cloud: Cloud, request: EmulatorRequest): Reply {
  const { template, build } = found(cloud, request);
  const offset = Number(request.query.get('logsOffset') ?? 0) || 0;
  return {
    status: 200,
    body: {
      templateID: template.id,
      buildID: build.id,
      status: build.status,
      logs: [],
      logEntries: build.log.slice(offset, offset + LOG_PAGE),
      ...(build.reason === null ? {} : { reason: { message: build.reason, step: 'base', logEntries: [] } }),
    },
  };
}

function found(cloud: Cloud, request: EmulatorRequest): { template: Template; build: Build } {
  const template = cloud.templates.get(request.params['template'] ?? '');
  const build = template?.builds.get(request.params['build'] ?? '');
  if (template === undefined || build === undefined)
    throw new HttpError(404, { code: 404, message: 'build not found' });
  return { template, build };
}

function refuse(message: string): never {
  throw new HttpError(400, { code: 400, message });
}
