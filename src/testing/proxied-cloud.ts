/**
 * The emulator of a provider as a cloud behind a proxy: at https://api.plumbline.test, a name that only the proxy can resolve, with a
 * certificate of a private authority. The provider runs compiled, in a process of its own.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processEnvironment } from '../cli/environment.js';
import { startEmulator } from '../emulator/index.js';
import type { SandboxProvider } from '../model/provider.js';
import type { ProviderName } from '../model/words.js';
import { guardProvider } from '../provider/guard.js';
import { openJournal } from '../provider/journal.js';
import { currentOwner } from '../provider/owner.js';
import { compile } from './compiled.js';
import { startHttpsFront, startProxy, startTlsFront, type TestProxy } from './proxy.js';
import { TEST_CA } from './test-certificate.js';

export const CLOUD_URL = 'https://api.plumbline.test';
/** What the cloud's own replies name: daemons of sandboxes, storage, logs. */
export const PARTS_URL = 'https://parts.plumbline.test';
export const LOGIN = 'me:secret-word';

export interface ProxiedCloud {
  /** Wants LOGIN. */
  readonly proxy: TestProxy;
  /** The proxy's URL with LOGIN, or another. */
  proxyUrl(login?: string): string;
  /** File of the private authority. */
  readonly ca: string;
  /** Variables that point at the emulator itself, on loopback and in plain HTTP. */
  readonly near: Readonly<Record<string, string>>;
  /** What preflight says in a process with these variables beside the emulator's. */
  preflight(env: Readonly<Record<string, string>>): Promise<unknown>;
  /** How many sandboxes are listed, without a preflight, or the error. */
  list(env: Readonly<Record<string, string>>): Promise<unknown>;
  /** Preflight, an image from a Dockerfile with a file, a sandbox, a command, files both ways, the list, the end. */
  trial(env: Readonly<Record<string, string>>): Promise<unknown>;
  close(): Promise<void>;
}

export interface CloudOptions {
  readonly backend: SandboxProvider;
  /** Of the provider in its own process. Default: the emulator's, at CLOUD_URL. */
  readonly env?: (far: Readonly<Record<string, string>>) => Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: http/1.1. */
  readonly protocol?: 'http/1.1' | 'h2';
  /** For a cloud whose paths are others than the emulator's. */
  readonly rewrite?: (host: string, path: string) => string;
  /** Bytes of a file in the build context. Default: few. */
  readonly contextBytes?: number;
}

/** What a trial answers when everything worked. */
export const TRIAL = { prepared: 'built', logged: true, stdout: 'from the context', downloaded: 'uploaded', left: 0 };

export async function startProxiedCloud(name: ProviderName, options: CloudOptions): Promise<ProxiedCloud> {
  const dir = await mkdtemp(join(tmpdir(), `plumbline-proxied-${name}-`));
  const journal = openJournal(join(dir, 'journal'), currentOwner());
  const backend = guardProvider(options.backend, { journal });
  const emulator = await startEmulator(name, { backend, publicUrl: PARTS_URL });
  const port = emulatedPort(emulator.env);
  const front = await (options.rewrite === undefined
    ? startTlsFront(port, options.protocol)
    : startHttpsFront(port, options.rewrite));
  const proxy = await startProxy({
    route: (host, asked) => (host.endsWith('plumbline.test') && asked === 443 ? front.port : null),
    credentials: LOGIN,
  });
  const compiled = await compile(['provider/registry.ts', `provider/${name}/index.ts`, 'provider/owner.ts']);
  const ca = join(dir, 'ca.pem');
  await writeFile(ca, TEST_CA);
  await mkdir(join(dir, 'context'));
  await writeFile(join(dir, 'context', 'data'), 'from the context');
  await writeFile(join(dir, 'context', 'large'), randomBytes(options.contextBytes ?? 10));
  const from = 'FROM debian:bookworm-slim\n';
  await writeFile(join(dir, 'context', 'Dockerfile'), `${from}COPY . /context/\nRUN echo ${Date.now()} > /made\n`);
  const run = (program: string, env: Readonly<Record<string, string>>) =>
    compiled.run(`${program}\nconsole.log(JSON.stringify(answer));\nexit(0);\n`, {
      PATH: processEnvironment()['PATH'] ?? '',
      HOME: dir,
      ...far,
      ...env,
    });
  const atCloud = Object.entries(emulator.env).map(([key, value]) => [
    key,
    value.replace(`http://127.0.0.1:${port}`, CLOUD_URL),
  ]);
  const far = (options.env ?? ((env) => env))(Object.fromEntries(atCloud));
  const input = JSON.stringify({ name, dir, settings: options.settings ?? {} });
  return {
    proxy,
    ca,
    near: emulator.env,
    proxyUrl: (login = LOGIN) => proxy.url.replace('//', `//${login}@`),
    preflight: (env) => run(`${open(input)}\nconst answer = await preflight();`, env),
    list: (env) => run(`${open(input)}\n${LIST_PROGRAM}`, env),
    trial: (env) => run(`${open(input)}\n${TRIAL_PROGRAM}`, env),
    async close() {
      await proxy.close();
      await front.close();
      await emulator.close();
      await compiled.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function emulatedPort(env: Readonly<Record<string, string>>): number {
  const url = Object.values(env).find((value) => value.startsWith('http://127.0.0.1:'));
  return Number(new URL(url ?? 'http://nowhere').port);
}

const open = (input: string) => `
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { env, exit, pid } from 'node:process';
import { loadProvider } from './provider/registry.js';
const { name, dir, settings } = ${input};
const provider = await loadProvider(name, { env, stateDir: dir + '/state', settings });
const signal = AbortSignal.timeout(60_000);
const onEvent = () => {};
const preflight = () => provider.preflight(signal);
`;

const LIST_PROGRAM = `
const answer = await provider.list('all').then(({ length }) => length, ({ type, message }) => ({ type, message }));
`;

const TRIAL_PROGRAM = `
import { currentOwner } from './provider/owner.js';
const owner = { runId: 'proxied-' + pid, owner: currentOwner(), expiresAt: new Date(Date.now() + 600_000).toISOString() };
const resources = { cpus: null, memoryMb: null, storageMb: null, gpus: null };
const source = { kind: 'dockerfile', contextDir: dir + '/context', dockerfile: dir + '/context/Dockerfile' };
const spec = { source, compose: null, platform: null, resources };
let log = '';
const work = async () => {
  const ready = await preflight();
  if (ready.status !== 'ready') throw new Error(JSON.stringify(ready));
  const image = await provider.prepare(spec, { owner, forceBuild: false, signal, onEvent, onLog: (text) => { log += text; } });
  const sandbox = await provider.create({
    name: 'proxied-' + pid, image, owner, labels: {}, resources, env: {}, workdir: null,
    network: { mode: 'public' }, networkWillChange: false, raw: true,
  }, { signal, onEvent });
  const { stdout } = await sandbox.exec(['cat', '/context/data']);
  await writeFile(dir + '/up', 'uploaded');
  await sandbox.upload(dir + '/up', '/tmp/up');
  await sandbox.download('/tmp/up', dir + '/down');
  const downloaded = await readFile(dir + '/down', 'utf8');
  await sandbox[Symbol.asyncDispose]();
  const left = (await provider.list({ runId: owner.runId })).length;
  return { prepared: image.source, logged: log !== '', stdout: Buffer.from(stdout).toString(), downloaded, left };
};
const answer = await work().catch((error) => ({ type: error.type ?? error.name, message: error.message, log, stack: error.stack }));
`;
