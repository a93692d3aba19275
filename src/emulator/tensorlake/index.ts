/**
 * The emulator of Tensorlake, as the npm package `tensorlake` 0.5.89 speaks with it: namespaces' sandboxes, the daemon in
 * each, and the platform's registry of images. On loopback the SDK puts all three on one origin.
 */
import { startFacts } from '../core/facts.js';
import { createFaultScript } from '../core/faults.js';
import type { EmulatorRequest, Reply } from '../core/routes.js';
import { createSandboxTable } from '../core/sandboxes.js';
import { startServer } from '../core/server.js';
import { createTempFiles } from '../core/temp-files.js';
import { type EmulatorOptions, emulatedFlags, type RunningEmulator } from '../core/types.js';
import { fileRoutes } from './file-routes.js';
import { lifecycleRoutes } from './lifecycle-routes.js';
import { platformRoutes } from './platform-routes.js';
import { processRoutes } from './process-routes.js';
import { API_KEY, type Cloud, ORGANIZATION, PROJECT, sandboxOf } from './state.js';

export async function startTensorlakeEmulator(options: EmulatorOptions): Promise<RunningEmulator> {
  const faults = createFaultScript(options.faults);
  const stopping = new AbortController();
  const cloud: Cloud = {
    sandboxes: createSandboxTable(options.backend, 'tensorlake'),
    boxes: new Map(),
    templates: new Map(),
    builds: new Map(),
    temp: await createTempFiles('tensorlake'),
    stopping: stopping.signal,
    failNextBuild: false,
    url: '',
  };
  const routes = [platformRoutes, lifecycleRoutes, processRoutes, fileRoutes].flatMap((make) => make(cloud));
  const server = await startServer(
    {
      routes,
      faults,
      authReply: UNAUTHORIZED,
      errorReply: (status) => ({ status, body: { error: `emulated error ${status}`, code: String(status) } }),
      guard: (request) => (authorized(request) ? null : UNAUTHORIZED),
      sandboxOf: (request, call) => sandboxOf(cloud, request, call),
      ...(options.onProblem === undefined ? {} : { onProblem: options.onProblem }),
    },
    options.port,
  );
  cloud.url = options.publicUrl ?? server.url;
  const facts = await startFacts(
    (name) => [...cloud.templates.values()].find((template) => template.name === name)?.image ?? null,
  );
  return {
    env: {
      TENSORLAKE_API_URL: server.url,
      TENSORLAKE_API_KEY: API_KEY,
      TENSORLAKE_ORGANIZATION_ID: ORGANIZATION,
      TENSORLAKE_PROJECT_ID: PROJECT,
      ...emulatedFlags('TENSORLAKE', options.backend, facts),
    },
    calls: faults,
    callNames: routes.map(({ call }) => call),
    async close() {
      stopping.abort(new Error('the emulator was closed'));
      await cloud.sandboxes.close();
      await server.close();
      await facts.close();
      await cloud.temp.close();
    },
  };
}

const UNAUTHORIZED: Reply = { status: 401, body: { error: 'invalid or missing API key', code: 'UNAUTHORIZED' } };

function authorized(request: EmulatorRequest): boolean {
  return request.headers.authorization === `Bearer ${API_KEY}`;
}
