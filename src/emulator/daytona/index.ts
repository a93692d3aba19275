/**
 * Daytona on loopback: the control plane under /api, every sandbox's toolbox under /toolbox, the object storage of build
 * contexts under /s3. Not emulated: events over socket.io (the SDK polls without them), PTYs, log streams over WebSocket, volumes,
 * preview links, archiving, pausing, forks.
 */
import { startFacts } from '../core/facts.js';
import { createFaultScript } from '../core/faults.js';
import type { EmulatorRequest, Reply } from '../core/routes.js';
import { createSandboxTable } from '../core/sandboxes.js';
import { type RunningServer, startServer } from '../core/server.js';
import { createTempFiles } from '../core/temp-files.js';
import { type EmulatorOptions, emulatedFlags, type RunningEmulator } from '../core/types.js';
import { fileRoutes } from './file-routes.js';
import { processRoutes } from './process-routes.js';
import { sandboxRoutes } from './sandbox-routes.js';
import { snapshotRoutes } from './snapshot-routes.js';
import { API_KEY, apiError, type Cloud, sandboxOf } from './state.js';
import { storageRoutes } from './storage-routes.js';

export async function startDaytonaEmulator(options: EmulatorOptions): Promise<RunningEmulator> {
  const calls = createFaultScript(options.faults);
  const temp = await createTempFiles('daytona');
  const sandboxes = createSandboxTable(options.backend, 'daytona');
  const stopping = new AbortController();
  const cloud: Cloud = {
    sandboxes,
    snapshots: new Map(),
    boxes: new Map(),
    temp,
    objects: new Map(),
    uploads: new Map(),
    stopping: stopping.signal,
    url: '',
  };
  const routes = [sandboxRoutes, snapshotRoutes, storageRoutes, processRoutes, fileRoutes].flatMap((make) =>
    make(cloud),
  );
  const unauthorized: Reply = { status: 401, body: apiError(401, 'Unauthorized', 'Invalid credentials') };
  let server: RunningServer;
  try {
    server = await startServer(
      {
        routes,
        faults: calls,
        authReply: unauthorized,
        errorReply: (status) => ({
          status,
          body: apiError(status, WORDS[status] ?? 'Internal Server Error', WORDS[status] ?? 'Internal Server Error'),
        }),
        guard: (request) =>
          isSigned(request) || request.headers.authorization === `Bearer ${API_KEY}` ? null : unauthorized,
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
  const facts = await startFacts(
    (name) => [...cloud.snapshots.values()].find((snapshot) => snapshot.name === name)?.image ?? null,
  );
  return {
    env: {
      DAYTONA_API_KEY: API_KEY,
      DAYTONA_API_URL: `${server.url}/api`,
      DAYTONA_TARGET: 'us',
      ...emulatedFlags('DAYTONA', options.backend, facts),
    },
    calls,
    callNames: routes.map(({ call }) => call),
    async close() {
      stopping.abort(new Error('the emulator was closed'));
      await server.close();
      await facts.close();
      await sandboxes.close();
      await temp.close();
    },
  };
}

/** The object storage has signatures of its own, which are not checked. */
function isSigned(request: EmulatorRequest): boolean {
  return request.path.startsWith('/s3/') && (request.headers.authorization ?? '').startsWith('AWS4-HMAC-SHA256 ');
}

const WORDS: Readonly<Record<number, string>> = {
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
