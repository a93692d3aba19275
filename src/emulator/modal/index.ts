/**
 * Modal on loopback: the control plane and the task command router behind one port, as SDK 0.11.1 finds them through
 * MODAL_SERVER_URL. Not emulated: the older sandbox backend (gpu), other main commands than the harness's, stdin of commands,
 * snapshots, volumes, tunnels, PTYs, directory watches.
 */
import { startFacts } from '../core/facts.js';
import { createFaultScript } from '../core/faults.js';
import { createSandboxTable } from '../core/sandboxes.js';
import { createTempFiles } from '../core/temp-files.js';
import { type EmulatorOptions, emulatedFlags, type RunningEmulator } from '../core/types.js';
import { accountMethods, BUILDER_VERSION, checkToken } from './account-methods.js';
import { createCodec } from './codec.js';
import { type Method, type RunningGrpcServer, startGrpcServer } from './grpc-server.js';
import { imageMethods } from './image-methods.js';
import { routerMethods } from './router-methods.js';
import { factsOf, sandboxMethods } from './sandbox-methods.js';
import { type Cloud, TOKEN_ID, TOKEN_SECRET } from './state.js';

export async function startModalEmulator(options: EmulatorOptions): Promise<RunningEmulator> {
  const calls = createFaultScript(options.faults);
  const temp = await createTempFiles('modal');
  const cloud: Cloud = {
    table: createSandboxTable(options.backend, 'modal'),
    temp,
    apps: new Map(),
    secrets: new Map(),
    imagesByDefinition: new Map(),
    images: new Map(),
    blobs: new Map(),
    mounts: new Map(),
    sandboxes: new Map(),
    url: '',
  };
  const methods = [
    ...[...accountMethods(cloud), ...imageMethods(cloud), ...sandboxMethods(cloud)].map(authorized),
    ...routerMethods(cloud),
  ];
  let server: RunningGrpcServer;
  try {
    server = await startGrpcServer({
      methods,
      sandboxOf: (request) => factsOf(cloud, request),
      codec: createCodec(),
      faults: calls,
      ...(options.port === undefined ? {} : { port: options.port }),
      ...(options.onProblem === undefined ? {} : { onProblem: options.onProblem }),
    });
  } catch (error) {
    await temp.close();
    throw error;
  }
  // https in name only: for a control plane on loopback the SDK dials the router in cleartext
  cloud.url = options.publicUrl ?? `https://127.0.0.1:${server.port}`;
  const facts = await startFacts((id) => cloud.images.get(id)?.prepared ?? null);
  return {
    env: {
      MODAL_SERVER_URL: `http://127.0.0.1:${server.port}`,
      MODAL_TOKEN_ID: TOKEN_ID,
      MODAL_TOKEN_SECRET: TOKEN_SECRET,
      MODAL_IMAGE_BUILDER_VERSION: BUILDER_VERSION,
      ...emulatedFlags('MODAL', options.backend, facts),
    },
    calls,
    callNames: methods.map(({ name }) => name),
    async close() {
      for (const row of cloud.sandboxes.values()) row.ended.abort(new Error('the emulator was closed'));
      await server.close();
      await facts.close();
      await cloud.table.close();
      await temp.close();
    },
  };
}

/** The router has a token of its own; everything else carries the account's. */
function authorized(method: Method): Method {
  return {
    ...method,
    handle(call) {
      checkToken(call.headers);
      return method.handle(call);
    },
  };
}
