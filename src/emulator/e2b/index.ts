/**
 * E2B on loopback: the control plane and every sandbox's envd behind one port, as the SDK finds them through E2B_API_URL and
 * E2B_SANDBOX_URL. Not emulated: start commands, pause and snapshots, PTYs, directory watches, volumes, signed URLs.
 */
import { startFacts } from '../core/facts.js';
import { createFaultScript } from '../core/faults.js';
import { createSandboxTable } from '../core/sandboxes.js';
import { type RunningServer, startServer } from '../core/server.js';
import { createTempFiles } from '../core/temp-files.js';
import { type EmulatorOptions, emulatedFlags, type RunningEmulator } from '../core/types.js';
import { fileRoutes } from './file-routes.js';
import { processRoutes } from './process-routes.js';
import { sandboxRoutes } from './sandbox-routes.js';
import { API_KEY, type Cloud, findTemplate, readyBuild, sandboxOf } from './state.js';
import { templateRoutes } from './template-routes.js';

const ENVD_CALLS = /^(process|fs|files|envd)\./;

export async function startE2bEmulator(options: EmulatorOptions): Promise<RunningEmulator> {
  const calls = createFaultScript(options.faults);
  const temp = await createTempFiles('e2b');
  const sandboxes = createSandboxTable(options.backend, 'e2b');
  const cloud: Cloud = { sandboxes, templates: new Map(), envds: new Map(), temp, uploads: new Map(), url: '' };
  const unauthorized = {
    status: 401,
    body: { code: 401, message: 'Invalid API key, please visit https://e2b.dev/docs/api-key for more information.' },
  };
  const routes = [sandboxRoutes, templateRoutes, processRoutes, fileRoutes].flatMap((make) => make(cloud));
  let server: RunningServer;
  try {
    server = await startServer(
      {
        routes,
        faults: calls,
        authReply: unauthorized,
        errorReply: (status) => ({ status, body: { code: status, message: WORDS[status] ?? 'internal server error' } }),
        guard: (request, route) =>
          ENVD_CALLS.test(route.call) || route.call === 'template.upload' || request.headers['x-api-key'] === API_KEY
            ? null
            : unauthorized,
        sandboxOf: (request, call) => sandboxOf(cloud, request, call),
        ...(options.onProblem === undefined ? {} : { onProblem: options.onProblem }),
      },
      options.port,
    );
  } catch (error) {
    await temp.close();
    throw error;
  }
  cloud.url = options.publicUrl ?? server.url;
  const facts = await startFacts((name) => readyBuild(findTemplate(cloud, name))?.result.image ?? null);
  return {
    env: {
      E2B_API_KEY: API_KEY,
      E2B_API_URL: server.url,
      E2B_SANDBOX_URL: server.url,
      ...emulatedFlags('E2B', options.backend, facts),
    },
    calls,
    callNames: routes.map(({ call }) => call),
    async close() {
      await server.close();
      await facts.close();
      await sandboxes.close();
      await temp.close();
    },
  };
}

/** As the API's error bodies say it. */
const WORDS: Readonly<Record<number, string>> = {
  404: 'not found',
  429: 'Rate limit exceeded, please try again later',
  500: 'internal server error',
  502: 'bad gateway',
  503: 'no capacity to place the sandbox',
  504: 'timed out while placing the sandbox',
};
