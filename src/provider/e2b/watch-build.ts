/** A template build that is begun and followed to its end: by the SDK's single calls, since its own loop can hang for ever. */
import { HarnessError, NetworkError } from '../../exception/errors.js';
import type { PrepareContext } from '../../model/provider.js';
import { clampTimer, sleep } from '../../util/deadline.js';
import { bounded } from '../bounded.js';
import { retrying } from '../remote/retry.js';
import { buildError } from './build-error.js';
import { type Cloud, limited } from './calls.js';
import type { BegunBuild, BuildSettings, E2bTemplate } from './sdk.js';
import { isRepeatable } from './template.js';

/** Milliseconds between two looks. */
const PAUSE_MS = 300;
const LOG_LIMIT = 256 * 1024;
/** The slowest upload that we wait for, in bytes for each millisecond. */
const SLOWEST_UPLOAD = 256;

/** @param uploadBytes what goes with it at most @throws what `buildError` makes of a failure */
export async function runBuild(
  cloud: Cloud,
  template: E2bTemplate,
  name: string,
  settings: BuildSettings,
  uploadBytes: number,
  { signal, onEvent, onLog }: Pick<PrepareContext, 'signal' | 'onEvent' | 'onLog'>,
): Promise<void> {
  const { client, policy } = cloud;
  let log = '';
  const failed = (error: unknown) => {
    signal.throwIfAborted();
    return buildError(error, name, log);
  };
  const begun = await begin(cloud, template, name, settings, uploadBytes, signal).catch((error: unknown) => {
    throw failed(error);
  });
  const look = { what: 'look at the build', policy, signal, mayRetry: isRepeatable, onEvent };
  for (let offset = 0; ; ) {
    const { status, logEntries, reason } = await retrying(look, () =>
      limited(cloud, look.what, signal, (limit) =>
        client.Template.getBuildStatus(begun, { logsOffset: offset, signal: limit }),
      ).catch((error: unknown) => {
        throw failed(error);
      }),
    );
    offset += logEntries.length;
    for (const { message } of logEntries) {
      if (log.length < LOG_LIMIT) log += `${message}\n`;
      onLog(`${message}\n`);
    }
    // The log comes in pages, the last of them empty, also after the end.
    const ended = status === 'ready' || status === 'error';
    if (ended && logEntries.length > 0) continue;
    if (status === 'ready') return;
    if (status === 'error')
      throw failed(Object.assign(new Error(reason?.message ?? 'unknown'), { name: 'BuildError' }));
    await sleep(PAUSE_MS, signal);
  }
}

/**
 * Node 20 can forget the limits that the SDK gives its requests (calls.ts), so silence has one of ours; the SDK says something after
 * each of them. What is given up here may go on at E2B, and its name with it.
 */
async function begin(
  { client, requestTimeoutMs }: Cloud,
  template: E2bTemplate,
  name: string,
  settings: BuildSettings,
  uploadBytes: number,
  signal: AbortSignal,
): Promise<BegunBuild> {
  let timer: NodeJS.Timeout | undefined;
  let arm = (_bytes: number): void => {};
  const silence = new Promise<never>((_, reject) => {
    arm = (bytes) => {
      clearTimeout(timer);
      const ms = requestTimeoutMs + 1_000 + bytes / SLOWEST_UPLOAD;
      const message = `build of ${name}: no answer in ${Math.round(ms / 1000)} s`;
      timer = setTimeout(() => reject(new NetworkError(message, { origin: 'provider' })), clampTimer(ms));
    };
  });
  const onBuildLogs = ({ message }: { readonly message: string }) =>
    arm(/^(?:Requesting|Starting) build/.test(message) ? 0 : uploadBytes);
  const never = () => new HarnessError('unreachable: there is no limit for all of it');
  arm(0);
  try {
    return await bounded({ ms: null, onExpiry: never, signal }, () =>
      Promise.race([client.Template.buildInBackground(template, name, { ...settings, onBuildLogs }), silence]),
    );
  } finally {
    clearTimeout(timer);
    arm = () => {}; // what was given up may still have something to say
  }
}
