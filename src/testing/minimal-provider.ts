/** The provider of docs/writing-a-provider.md: complete, and no more than that. Its sandboxes are containers of a Docker client. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  EnvironmentDefinitionError,
  ImageBuildError,
  NetworkError,
  SandboxCreateError,
  SandboxLostError,
} from '../exception/errors.js';
import { contextDigest } from '../image/context-digest.js';
import type { Capabilities, SandboxProvider, SandboxRef } from '../model/provider.js';
import type { ProviderName } from '../model/words.js';
import { EXEC_INTERVENTION, KEEP_ALIVE } from '../provider/keep-alive.js';
import { LABEL_RUN, ownerFromLabels, sandboxLabels } from '../provider/labels.js';
import type { ProviderOptions } from '../provider/options.js';
import { createTagPool, execRemote } from '../provider/remote/exec.js';
import { downloadRemote, uploadRemote } from '../provider/remote/files.js';
import { runtimeDefaults } from '../provider/remote/image-config.js';
import { quote } from '../provider/remote/quote.js';
import { REMOTE_DIR, type RemoteShell } from '../provider/remote/shell.js';
import { errorMessage } from '../util/cause-chain.js';

/** Until it stands in PROVIDER_NAMES. */
const NAME = 'minimal' as ProviderName;
/** Tells our containers from those of the docker provider, whose labels are the same. */
const OURS = 'plumbline.provider=minimal';

/** What is not true here makes a task that needs it `unsupported`, before anything runs. */
const CAPABILITIES: Capabilities = {
  networkModes: ['public', 'no-network'],
  allowlistKinds: [],
  dynamicNetwork: false,
  compose: false,
  gpu: false,
  windows: false,
  limits: { cpus: true, memory: true, storage: false },
  deadlineSlackMs: 15_000,
  platforms: [process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'],
  notes: [],
};

export function createMinimalProvider({ env }: Pick<ProviderOptions, 'env'>): SandboxProvider {
  const docker = client(env);
  const inspect = async (ids: readonly string[], what: string) =>
    ids.length === 0 ? [] : (JSON.parse((await docker(['inspect', '--type', what, ...ids])).stdout) as Inspected[]);

  return {
    name: NAME,
    capabilities: CAPABILITIES,
    defaultConcurrency: 2,
    emulated: false,

    async preflight(signal) {
      try {
        const { stdout } = await docker(['version', '--format', '{{.Server.Version}}'], { signal });
        return { status: 'ready', versions: { engine: stdout.trim() } };
      } catch (error) {
        return {
          status: 'missing',
          what: `a Docker engine (${errorMessage(error)})`,
          fix: 'start one, or set DOCKER_HOST',
        };
      }
    },

    async prepare(image, { onLog, signal, forceBuild }) {
      const { source } = image;
      if (source === null) throw new EnvironmentDefinitionError('docker-compose.yaml is not supported');
      const known = async (ref: string) =>
        (await docker(['image', 'inspect', ref], { signal, mayFail: true })).code === 0;
      if (source.kind === 'prebuilt') {
        const cacheHit = await known(source.ref);
        if (!cacheHit) await docker(['pull', source.ref], { signal, onOutput: onLog });
        const [found] = await inspect([source.ref], 'image');
        return {
          source: 'prebuilt',
          ref: source.ref,
          digest: found?.Id ?? '',
          cacheHit,
          provenance: 'pull',
          spec: image,
          warnings: [],
        };
      }
      const { digest } = await contextDigest({ ...source, platform: image.platform });
      const ref = `plumbline-minimal:${digest.slice('sha256:'.length, 30)}`;
      const cacheHit = !forceBuild && (await known(ref));
      if (!cacheHit) {
        const build = ['build', '-t', ref, '-f', source.dockerfile, source.contextDir];
        const { code, stderr } = await docker(build, { signal, onOutput: onLog, mayFail: true });
        if (code !== 0) throw new ImageBuildError(stderr.trim().split('\n').at(-1) ?? 'the build failed');
      }
      return { source: 'built', ref, digest, cacheHit, provenance: 'build', spec: image, warnings: [] };
    },

    async create(spec, { onEvent, signal }) {
      const { cpus, memoryMb } = spec.resources;
      onEvent('creating');
      const started = await docker(
        [
          ...['run', '-d', '--name', spec.name, '--label', OURS],
          ...Object.entries(sandboxLabels(spec)).flatMap(([name, value]) => ['--label', `${name}=${value}`]),
          ...Object.entries(spec.env).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
          ...(spec.raw ? [] : ['--init']),
          ...(spec.network.mode === 'no-network' ? ['--network', 'none'] : []),
          ...(cpus === null ? [] : ['--cpus', String(cpus)]),
          ...(memoryMb === null ? [] : ['--memory', `${memoryMb}m`]),
          ...(spec.workdir === null ? [] : ['-w', spec.workdir]),
          ...[spec.image.ref, ...KEEP_ALIVE],
        ],
        { signal, mayFail: true },
      );
      if (started.code !== 0) throw new SandboxCreateError(started.stderr.trim());
      const id = started.stdout.trim();
      const shell = shellOf(docker, id);
      await shell.script(`mkdir -p -m 711 ${REMOTE_DIR}`, { limitMs: 60_000, signal });
      const [found] = await inspect([spec.image.ref], 'image');
      const defaults = runtimeDefaults(found?.Config);
      const target = {
        shell,
        workdir: spec.workdir ?? defaults.workdir,
        user: defaults.user,
        env: { ...defaults.env, ...spec.env },
        tags: createTagPool(),
        finished: [],
        onEvent,
      };
      return {
        id,
        effective: { cpus, memoryMb, storageMb: null },
        interventions: [EXEC_INTERVENTION, ...(spec.raw ? [] : ['init'])],
        exec: (argv, options) => execRemote(target, argv, options),
        upload: (hostPath, to, options) => uploadRemote(target, hostPath, to, options),
        download: (from, hostPath, options) => downloadRemote(target, from, hostPath, options),
        [Symbol.asyncDispose]: async () => void (await docker(['rm', '-f', '-v', id])),
      };
    },

    async list(scope) {
      const mine = scope === 'all' ? [] : ['--filter', `label=${LABEL_RUN}=${scope.runId}`];
      const { stdout } = await docker(['ps', '-aq', '--no-trunc', '--filter', `label=${OURS}`, ...mine]);
      const found = await inspect(stdout.split('\n').filter(Boolean), 'container');
      return found.flatMap(({ Id, Config, State }): SandboxRef[] => {
        const owner = ownerFromLabels(Config.Labels ?? {});
        return owner === null ? [] : [{ ref: Id, kind: 'sandbox', ...owner, state: State?.Status ?? 'unknown' }];
      });
    },

    async destroy({ ref }) {
      const { code, stderr } = await docker(['rm', '-f', '-v', ref], { mayFail: true });
      if (code !== 0 && !/No such container/.test(stderr))
        throw new SandboxLostError(`${ref} could not be removed: ${stderr}`);
    },
  };
}

interface Inspected {
  readonly Id: string;
  readonly Config: Parameters<typeof runtimeDefaults>[0] & { Labels?: Record<string, string> };
  readonly State?: { Status: string };
}

/** The three things that exec, upload and download are made of (src/provider/remote). */
function shellOf(docker: Docker, id: string): RemoteShell {
  const run = async (script: string, call: Call) => {
    const end = await docker(['exec', '-i', '-u', '0', '-w', '/', id, '/bin/sh', '-c', script], {
      ...call,
      mayFail: true,
    });
    // The client's exit code does not tell its own failures from the command's: their words do.
    if (/No such container|is not running/.test(end.stderr))
      throw new SandboxLostError(`the container ${id.slice(0, 12)} is gone`);
    if (/^Error response from daemon|Cannot connect to/m.test(end.stderr)) throw new NetworkError(end.stderr.trim());
    return end;
  };
  return {
    inlineLimit: 60_000,
    async script(text, { onStdout, signal }) {
      const { code, stderr } = await run(text, { onOutput: onStdout, signal });
      return { exitCode: code, stderr };
    },
    async write(path, data, signal) {
      const { code, stderr } = await run(`cat > ${quote(path)}`, { input: data, signal });
      if (code !== 0) throw new NetworkError(`${path} was not written: ${stderr.trim()}`);
    },
    async *read(path, signal) {
      const { code, stderr, bytes } = await run(`cat ${quote(path)}`, { signal });
      if (code !== 0) throw new NetworkError(`${path} was not read: ${stderr.trim()}`);
      yield bytes;
    },
  };
}

interface Call {
  readonly input?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  readonly onOutput?: ((text: string) => void) | undefined;
  /** The caller looks at the exit code. */
  readonly mayFail?: boolean;
}

type Docker = (
  argv: readonly string[],
  call?: Call,
) => Promise<{ code: number; stdout: string; bytes: Buffer; stderr: string }>;

function client(env: ProviderOptions['env']): Docker {
  return async (argv, call = {}) => {
    call.signal?.throwIfAborted();
    const child = spawn('docker', argv, {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(call.signal && { signal: call.signal }),
    });
    child.stdin.on('error', () => undefined); // a command need not read its input
    child.stdin.end(call.input ?? '');
    const chunks: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      call.onOutput?.(chunk.toString('latin1'));
    });
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      const bytes = Buffer.concat(chunks);
      if (code !== 0 && !call.mayFail) throw new NetworkError(`docker ${argv[0]}: ${stderr.trim()}`);
      return { code: code ?? 137, stdout: bytes.toString('utf8'), bytes, stderr };
    } catch (error) {
      call.signal?.throwIfAborted();
      throw error;
    }
  };
}
