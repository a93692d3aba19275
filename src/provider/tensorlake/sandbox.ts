/** Creating a sandbox, and one that runs. */
import { ExecError, SandboxCreateError } from '../../exception/errors.js';
import type { PreparedImage } from '../../model/image.js';
import type { ProviderContext, Sandbox, SandboxSpec } from '../../model/provider.js';
import { sleep } from '../../util/deadline.js';
import { sandboxLabels } from '../labels.js';
import { holderOf, unlessFull } from '../remote/adaptive-limit.js';
import type { RuntimeDefaults } from '../remote/image-config.js';
import { startMainProcess } from '../remote/main-process.js';
import { type Planner, replayImage } from '../remote/replay.js';
import { runningSandbox } from '../remote/running.js';
import { REMOTE_DIR } from '../remote/shell.js';
import { answered, type Cloud, trying } from './calls.js';
import { isConflict, mapError } from './errors.js';
import { labelsText } from './label-store.js';
import { find, LABELS_FILE, look, removeById, removeQuietly } from './list.js';
import { sandboxName } from './names.js';
import { createNetwork } from './network.js';
import { effectiveOf, sizeOf } from './resources.js';
import type { SdkCreateRequest, SdkSandboxInfo } from './sdk.js';
import { INTERVENTIONS, LOOK, parseInterventions, parseLook } from './setup.js';
import { createShell, type TensorlakeShell } from './shell.js';

const MIN_LIFETIME_SEC = 300;
/** Milliseconds. */
const INTERVENTIONS_LIMIT_MS = 60_000;

export interface SandboxInput {
  readonly cloud: Cloud;
  readonly spec: SandboxSpec;
  readonly ctx: ProviderContext;
  readonly image: PreparedImage;
  readonly plan: Planner;
}

/** @throws SandboxCreateError and the provider errors. What a failed try left behind has been looked for and deleted. */
export async function createSandbox(input: SandboxInput): Promise<Sandbox> {
  const { cloud, spec, ctx } = input;
  const { sdk, store, tuning, policy } = cloud;
  const name = sandboxName(spec.name, spec.owner.expiresAt);
  await store.put(name, sandboxLabels(spec));
  const state = { id: null as string | null };
  const open = async () => {
    state.id = await create(input, requestOf(input, name));
    const info = await untilRunning(cloud, state.id, ctx);
    const shell = await createShell({
      sdk,
      sandboxId: info.sandboxId,
      keepBackground: !spec.raw,
      requestSec: tuning.daemonSec,
    });
    const intervened = await intervene(input, shell);
    await shell.write(LABELS_FILE, Buffer.from(labelsText(spec.owner, sandboxLabels(spec))), ctx.signal);
    return { info, shell, ...(await settle(input, shell, intervened)) };
  };
  const { info, shell, defaults, interventions } = await open().catch(async (error: unknown) => {
    await removeQuietly(cloud, state.id ?? name);
    cloud.creates.gone(spec.name);
    throw error;
  });
  return runningSandbox({
    id: info.sandboxId,
    spec,
    shell,
    defaults,
    effective: effectiveOf(info),
    interventions,
    policy,
    // its lifetime is fixed when it is made (tensorlake 0.5.89)
    keepAlive: null,
    setNetwork: null,
    onEvent: ctx.onEvent,
    async remove() {
      await removeById(cloud, info.sandboxId, ctx.onEvent);
      cloud.creates.gone(spec.name);
      await store.forget(name);
    },
  });
}

/** Our directory, made by us and not by the daemon as the parent of a file, so that it has its mode; then what is mended. */
async function intervene({ spec, ctx: { signal } }: SandboxInput, shell: TensorlakeShell): Promise<string[]> {
  let words = '';
  const onStdout = (text: string) => {
    words += text;
  };
  const script = `mkdir -p -m 711 ${REMOTE_DIR}\n${spec.raw ? '' : INTERVENTIONS}`;
  await shell.script(script, { limitMs: INTERVENTIONS_LIMIT_MS, signal, onStdout });
  // `background`: shell.ts
  return spec.raw ? [] : ['background', ...parseInterventions(words)];
}

/** From there to a machine in which a task can start. */
async function settle(
  { cloud, spec, ctx, image, plan }: SandboxInput,
  shell: TensorlakeShell,
  interventions: readonly string[],
) {
  const { signal } = ctx;
  const { policy } = cloud;
  if (image.source === 'replayed') {
    const defaults: RuntimeDefaults = await replayImage({ image: spec.image.spec, plan, shell, policy }, ctx);
    await startMainProcess(shell, { defaults, env: spec.env }, policy, ctx);
    return { defaults, interventions };
  }
  const defaults = parseLook(await shell.asImage(LOOK, signal));
  if (defaults === null) throw new ExecError('the surroundings of a process in the sandbox could not be read');
  return { defaults, interventions };
}

function requestOf({ cloud, spec, image }: SandboxInput, name: string): SdkCreateRequest {
  const untilExpiry = (Date.parse(spec.owner.expiresAt) - Date.now()) / 1000;
  const lifetime = Math.ceil(Math.min(untilExpiry, (spec.lifetimeMs ?? Number.POSITIVE_INFINITY) / 1000));
  return {
    image: image.ref,
    name,
    ...sizeOf(spec.resources),
    timeoutSecs: Math.min(Math.max(lifetime, MIN_LIFETIME_SEC), cloud.config.maxLifetimeSec),
    ...createNetwork(spec.network),
  };
}

/** The id. A try whose answer was lost may have made the sandbox: it is looked for by its name before the next one. */
async function create({ cloud, spec, ctx }: SandboxInput, request: SdkCreateRequest): Promise<string> {
  const { signal, onEvent, queued } = ctx;
  const what = 'create';
  const mayRetry = unlessFull((error) => error.retryable);
  const post = async () => {
    try {
      return (await answered(cloud, what, (client) => client.create(request))).sandboxId;
    } catch (error) {
      const found = isConflict(error) ? await find(cloud, request.name, ctx) : null;
      if (found === null) throw mapError(error, 'create', what);
      return takenOver(found, ctx);
    }
  };
  return trying(cloud, { what, call: 'create', signal, onEvent, queued, mayRetry }, async (tries) => {
    const found = tries > 1 ? await find(cloud, request.name, ctx) : null;
    return found === null ? cloud.creates.run(holderOf(spec), post, ctx) : takenOver(found, ctx);
  });
}

function takenOver({ sandboxId }: SdkSandboxInfo, { onEvent }: ProviderContext): string {
  onEvent('found the sandbox of the lost reply');
  return sandboxId;
}

async function untilRunning(cloud: Cloud, id: string, ctx: ProviderContext): Promise<SdkSandboxInfo> {
  let last: string | null = null;
  for (;;) {
    ctx.signal.throwIfAborted();
    const info = await look(cloud, id, ctx);
    if (info.status !== last) ctx.onEvent(info.status);
    last = info.status;
    if (info.status === 'running') return info;
    if (info.status !== 'pending') {
      const why = info.errorDetails ?? info.terminationReason ?? info.outcome ?? 'no reason given';
      throw new SandboxCreateError(`sandbox ${id} was ${info.status} before it ran: ${textOf(why)}`, {
        providerState: info.status,
      });
    }
    await sleep(cloud.tuning.pollMs, ctx.signal);
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
