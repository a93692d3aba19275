/** What a build does besides giving the right files: caching, sharing, failing, secrets. With real mounts and commands, so as root. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ImageBuildError } from '../../exception/errors.js';
import { chrootMachine } from '../../testing/chroot-machine.js';
import { makeMiniBase, tarOfDirectory } from '../../testing/mini-base.js';
import { ROOT_HOST } from '../layer/host.js';
import { hostPlatform } from '../platform.js';
import { type LocalImageStore, openImageStore } from '../store/store.js';
import type { StoredImage } from '../types.js';
import { buildImage } from './build.js';
import type { StepRequest } from './machine.js';
import type { BuildOptions } from './options.js';

/** sha256 of a tar without entries. */
const EMPTY_LAYER = '5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

let work: string;
let store: LocalImageStore;
let base: StoredImage;
let contexts = 0;
/** Commands that really ran. */
let ran: string[] = [];

const machine = {
  ...chrootMachine,
  run: (request: StepRequest) => {
    ran.push(request.argv.at(-1) ?? '');
    return chrootMachine.run(request);
  },
};

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'build-test-'));
  store = await openImageStore(join(work, 'store'));
  const tar = tarOfDirectory(makeMiniBase(join(work, 'mini')), join(work, 'mini.tar'));
  const layer = await store.putLayer(createReadStream(tar));
  const [os = '', architecture = ''] = hostPlatform().split('/');
  const config = { os, architecture, config: {}, rootfs: { type: 'layers' as const, diff_ids: [layer.diffId] } };
  base = await store.putImage({ config, refs: ['base'], provenance: 'archive' });
}, 60_000);

afterAll(async () => {
  await store.close();
  rmSync(work, { recursive: true, force: true });
});

function context(dockerfile: string[], files: Record<string, string> = {}): string {
  contexts += 1;
  const dir = join(work, `context-${contexts}`);
  mkdirSync(dir);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  writeFileSync(join(dir, 'Dockerfile'), `${dockerfile.join('\n')}\n`);
  return dir;
}

async function build(contextDir: string, options: Partial<BuildOptions> = {}) {
  ran = [];
  return buildImage({
    store,
    machine,
    host: ROOT_HOST,
    resolveImage: async () => base,
    contextDir,
    dockerfile: 'Dockerfile',
    hostPlatform: hostPlatform(),
    signal: new AbortController().signal,
    ...options,
  });
}

/** The text of a file in the image, from the uppermost layer that has it. */
function read(image: StoredImage, path: string): string | null {
  const layer = [...image.layers].reverse().find(({ dir }) => existsSync(join(dir, path)));
  return layer ? readFileSync(join(layer.dir, path), 'utf8') : null;
}

describe('the cache', () => {
  test('the same context is the same image, without a step', async () => {
    const dir = context(['FROM base', 'COPY a /a', 'RUN cat /a > /b'], { a: 'one' });
    const first = await build(dir);
    expect(first.cacheHit).toBe(false);
    utimesSync(join(dir, 'a'), 1, 1);
    const second = await build(dir, { refs: ['named:1'] });
    expect(second).toMatchObject({ cacheHit: true, digest: first.digest });
    expect([first.bases, second.bases]).toEqual([{ base: base.digest }, { base: base.digest }]);
    expect(second.image.digest).toBe(first.image.digest);
    expect(second.image.refs).toContain('docker.io/library/named:1');
    expect((await store.get('named:1'))?.digest).toBe(first.image.digest);
    expect(ran).toEqual([]);
  });

  test('a change runs what comes after it, and nothing that does not depend on it', async () => {
    const lines = ['FROM base', 'RUN echo shared > /s', 'COPY a /a', 'RUN cat /a > /b', 'ENV X=1', 'RUN echo $X > /x'];
    await build(context(lines, { a: 'one', unrelated: '1' }));
    await build(context(lines, { a: 'one', unrelated: '2' }));
    expect(ran).toEqual([]);
    const changed = await build(context(lines, { a: 'two' }));
    expect(ran).toEqual(['cat /a > /b', 'echo $X > /x']);
    expect(read(changed.image, 'b')).toBe('two');
    await build(context(lines.with(4, 'ENV X=2'), { a: 'one' }));
    expect(ran).toEqual(['echo $X > /x']);
  });

  test('steps are shared by different tasks; --no-cache runs them again', async () => {
    await build(context(['FROM base', 'RUN echo common > /c', 'RUN echo first > /f']));
    const other = context(['FROM base', 'RUN echo common > /c', 'RUN echo second > /f']);
    await build(other);
    expect(ran).toEqual(['echo second > /f']);
    expect((await build(other, { noCache: true })).cacheHit).toBe(false);
    expect(ran).toEqual(['echo common > /c', 'echo second > /f']);
  });

  test('a layer that was lost is made again', async () => {
    const dir = context(['FROM base', 'RUN echo lost > /l']);
    const { image } = await build(dir);
    await store.remove(image.digest);
    await store.close();
    await store.gc();
    const again = await build(dir);
    expect(ran).toEqual(['echo lost > /l']);
    expect(read(again.image, 'l')).toBe('lost\n');
  });

  test('another base under the same name is another image', async () => {
    const dir = context(['FROM base', 'RUN echo moved > /m']);
    await build(dir);
    const layers = { type: 'layers' as const, diff_ids: base.config.rootfs.diff_ids };
    const config = { ...base.config, config: { Labels: { moved: 'yes' } }, rootfs: layers };
    const moved = await store.putImage({ config, refs: ['base'], provenance: 'archive' });
    const { image } = await build(dir, { resolveImage: async () => moved });
    expect(image.config.config?.Labels).toEqual({ moved: 'yes' });
    await store.tag(base.digest, 'base');
  });

  test('concurrent builds of one context run each step once', async () => {
    const dir = context(['FROM base', 'RUN echo together > /t; sleep 0.3']);
    const results = await Promise.all([build(dir), build(dir), build(dir)]);
    expect(new Set(results.map(({ image }) => image.digest)).size).toBe(1);
    expect(results.filter(({ cacheHit }) => !cacheHit)).toHaveLength(1);
  });
});

describe('failures', () => {
  test('name file, line, command and exit code, and carry the log', async () => {
    const dir = context([
      'FROM base',
      '',
      'RUN echo fine',
      'RUN echo some output; \\',
      '    echo the reason >&2; exit 42',
    ]);
    const error = await build(dir).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ImageBuildError);
    const { message, details } = error as ImageBuildError;
    expect(message).toMatch(/^Dockerfile:4: RUN echo some output; +echo the reason >&2; exit 42: exit code 42\n/);
    expect(message).toMatch(/the reason$/);
    expect(details.log).toMatch(/#2 \[stage-0 1\/2\] RUN echo fine\n#2 \d+\.\d+ fine\n#2 DONE/);
    expect(details.log).toMatch(/#3 ERROR: exit code 42/);
  });

  test('leave nothing mounted and no scratch directory, and are not remembered', async () => {
    const dir = context(['FROM base', 'RUN exit 1']);
    await expect(build(dir)).rejects.toThrow('exit code 1');
    await expect(build(dir)).rejects.toThrow('exit code 1');
    expect(ran).toEqual(['exit 1']);
    expect(readdirSync(join(store.root, 'tmp')).filter((name) => name.startsWith('build-'))).toEqual([]);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(store.root);
  });

  test('a broken archive is the task’s fault, at its line', async () => {
    const dir = context(['FROM base', 'ADD a.tar /x/']);
    execFileSync('sh', ['-c', 'tar -cf whole.tar Dockerfile && head -c 1500 whole.tar > a.tar'], { cwd: dir });
    await expect(build(dir)).rejects.toMatchObject({
      type: 'ImageBuildError',
      message: expect.stringMatching(/^Dockerfile:2: ADD a\.tar \/x\/: The archive is not valid: /),
    });
  });

  test('a missing program is 127 with its name in the log', async () => {
    await expect(build(context(['FROM base', 'RUN no-such-program']))).rejects.toThrow(
      /exit code 127\n.*no-such-program/,
    );
  });

  test('an abort ends a running step with its reason', async () => {
    const controller = new AbortController();
    const dir = context(['FROM base', 'RUN echo started; sleep 60']);
    const running = build(dir, {
      signal: controller.signal,
      onLog: (chunk) => {
        if (chunk.includes(' started\n')) controller.abort(new Error('enough'));
      },
    });
    await expect(running).rejects.toThrow(/enough|aborted/);
  });
});

describe('secrets', () => {
  test('stay out of layers, config and cache keys', async () => {
    const dir = context([
      'FROM base',
      'RUN --mount=type=secret,id=t,env=TOKEN --mount=type=secret,id=f,target=/run/f,mode=0444 echo ${#TOKEN} > /n; wc -c < /run/f >> /n',
    ]);
    const secrets = { t: Buffer.from('hush'), f: Buffer.from('quiet') };
    const { image } = await build(dir, { secrets });
    expect(read(image, 'n')).toBe('4\n5\n');
    expect(JSON.stringify(image.config)).not.toMatch(/hush|quiet/);
    await build(context(['FROM base', readFileSync(join(dir, 'Dockerfile'), 'utf8').split('\n')[1] ?? '']), {
      secrets: { t: Buffer.from('other') },
    });
    expect(ran).toEqual([]);
  });
});

describe('ADD of a URL', () => {
  let server: Server;
  let origin: string;
  let hits = 0;
  let body = 'first';
  beforeAll(async () => {
    server = createServer((request, response) => {
      hits += 1;
      if (request.url === '/missing') response.writeHead(404).end();
      else response.writeHead(200, { 'last-modified': 'Tue, 01 Jan 2019 00:00:00 GMT' }).end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test('keeps name, mode and time; is fetched again to see whether it changed', async () => {
    const lines = [
      'FROM base',
      `ADD ${origin}/dir/file.tar?q=1 /d/`,
      `ADD --chmod=755 --chown=3:4 ${origin}/x /renamed`,
    ];
    const { image } = await build(context(lines));
    expect(read(image, 'd/file.tar')).toBe('first');
    const layer = image.layers.find(({ dir }) => existsSync(join(dir, 'd/file.tar')))?.dir ?? '';
    expect(statSync(join(layer, 'd/file.tar'))).toMatchObject({
      mode: 0o100600,
      uid: 0,
      mtimeMs: Date.UTC(2019, 0, 1),
    });
    const renamed = statSync(join(image.layers.at(-1)?.dir ?? '', 'renamed'));
    expect(renamed).toMatchObject({ mode: 0o100755, uid: 3, gid: 4 });
    body = 'second';
    const again = await build(context([...lines, 'LABEL a=b']));
    expect(read(again.image, 'renamed')).toBe('second');
  });

  test('with a checksum it is fetched once, and must fit', async () => {
    body = 'summed';
    const sum = `sha256:${createHash('sha256').update(body).digest('hex')}`;
    await build(context(['FROM base', `ADD --checksum=${sum} ${origin}/s /s`]));
    const before = hits;
    await build(context(['FROM base', `ADD --checksum=${sum} ${origin}/s /s`, 'LABEL a=b']));
    expect(hits).toBe(before);
    const wrong = `sha256:${'0'.repeat(64)}`;
    await expect(build(context(['FROM base', `ADD --checksum=${wrong} ${origin}/s /s`]))).rejects.toThrow(
      /digest mismatch/,
    );
  });

  test('an HTTP error is the task’s, an unreachable host the network’s', async () => {
    await expect(build(context(['FROM base', `ADD ${origin}/missing /x`]))).rejects.toMatchObject({
      type: 'ImageBuildError',
      message: expect.stringMatching(/Dockerfile:2: ADD .*: invalid response status 404/),
    });
    await expect(build(context(['FROM base', 'ADD http://127.0.0.1:1/x /x']))).rejects.toMatchObject({
      type: 'NetworkError',
    });
  });
});

test('cache mounts live on between builds, by id', async () => {
  await build(context(['FROM base', 'RUN --mount=type=cache,id=k,target=/c echo kept > /c/f']));
  const { image } = await build(
    context(['FROM base', 'RUN --mount=type=cache,id=k,sharing=locked,target=/d cat /d/f > /seen']),
  );
  expect(read(image, 'seen')).toBe('kept\n');
});

test('a cache mount in use is not deleted by gc, one that nobody uses is', async () => {
  const dir = context(['FROM base', 'RUN --mount=type=cache,id=gc,target=/c echo kept > /c/f']);
  let during: unknown = null;
  const watched = {
    ...machine,
    run: async (request: StepRequest) => {
      during = await store.gc();
      return machine.run(request);
    },
  };
  await build(dir, { machine: watched });
  expect(during).toMatchObject({ cacheMounts: 1 }); // that of the test before
  expect(await store.gc()).toMatchObject({ cacheMounts: 1 });
});

test('a step that changes nothing is a layer too: the history and the layers of the config agree', async () => {
  const { image } = await build(context(['FROM base', 'RUN true', 'WORKDIR /tmp', 'ENV A=1', 'WORKDIR /']));
  const { history = [], rootfs } = image.config;
  expect(rootfs.diff_ids).toHaveLength(3);
  // 1024 zero bytes: the layer that Docker has for these steps as well
  expect(new Set(rootfs.diff_ids.slice(1))).toEqual(new Set([`sha256:${EMPTY_LAYER}`]));
  expect(history.map((entry) => [entry.created_by, entry.empty_layer === true])).toEqual([
    ['RUN /bin/sh -c true # buildkit', false],
    ['WORKDIR /tmp', false],
    ['ENV A=1', true],
    ['WORKDIR /', true],
  ]);
});

test('of the base’s config only what an image has is taken over', async () => {
  const { diff_ids } = base.config.rootfs;
  const odd = {
    ...base.config,
    created: '2001-01-01T00:00:00Z',
    author: 'kept',
    docker_version: '1.0',
    container_config: { Hostname: 'x' },
    config: { Hostname: 'x', Image: 'sha256:0', StopTimeout: 5, Cmd: ['c'] },
    rootfs: { type: 'layers' as const, diff_ids },
  };
  const named = await store.putImage({ config: odd, refs: ['odd'], provenance: 'archive' });
  const { image } = await build(context(['FROM odd']), { resolveImage: async () => named });
  expect(Object.keys(image.config).sort()).toEqual(
    ['architecture', 'author', 'config', 'created', 'history', 'os', 'rootfs'].sort(),
  );
  expect(image.config.config).toMatchObject({ StopTimeout: 5, Cmd: ['c'] });
  expect(image.config.config).not.toHaveProperty('Hostname');
  expect(image.config.config).not.toHaveProperty('Image');
  expect(image.config.created).not.toBe('2001-01-01T00:00:00Z');
});

test('names that are whiteouts in layers are files for COPY and ADD', async () => {
  const dir = context(['FROM base', 'COPY .wh.x /', 'ADD t.tar /t/'], { '.wh.x': 'x' });
  execFileSync('tar', ['-cf', 't.tar', '.wh.x'], { cwd: dir });
  const { image } = await build(dir);
  expect(read(image, '.wh.x')).toBe('x');
  expect(read(image, 't/.wh.x')).toBe('x');
});

test('directories that are made below a setgid directory inherit its group', async () => {
  const dir = context(['FROM base', 'ADD sg.tar /', 'WORKDIR /sg/w/x', 'COPY Dockerfile /sg/c/d']);
  execFileSync('sh', ['-c', 'mkdir sg && chgrp 50 sg && chmod 2775 sg && tar -cf sg.tar sg'], { cwd: dir });
  const { image } = await build(dir);
  const [workdir = '', copied = ''] = image.layers.slice(-2).map((layer) => layer.dir);
  expect(statSync(join(workdir, 'sg/w/x'))).toMatchObject({ mode: 0o42755, gid: 50 });
  expect(statSync(join(copied, 'sg/c'))).toMatchObject({ mode: 0o42755, gid: 50 });
});

test.each([
  ['WORKDIR /f'],
  ['WORKDIR /f/below'],
  ['WORKDIR /loop/x'],
  ['ADD t.tar /f/'],
  ['RUN --mount=type=cache,target=/f/x true'],
])('what cannot be a directory is the task’s fault: %s', async (line) => {
  const dir = context(['FROM base', 'COPY f /f', 'COPY loop /', line]);
  execFileSync('sh', ['-c', 'echo > f; mkdir loop; ln -s loop loop/loop; tar -cf t.tar f'], { cwd: dir });
  await expect(build(dir)).rejects.toMatchObject({
    type: 'ImageBuildError',
    message: expect.stringMatching(/Dockerfile:4: /),
  });
});

test('directories that are made below one with a default ACL inherit it', async () => {
  const dir = context(['FROM base', 'ADD d.tar /', 'WORKDIR /d/w/x']);
  const acl = 'user::rwx,user:1234:r-x,group::r-x,mask::r-x,other::---';
  const script = `mkdir d && setfacl -d -m ${acl} d && tar --format=pax --xattrs --xattrs-include=* --acls -cf d.tar d`;
  execFileSync('sh', ['-c', script], { cwd: dir });
  const { image } = await build(dir);
  const made = join(image.layers.at(-1)?.dir ?? '', 'd/w/x');
  expect(statSync(made).mode & 0o7777).toBe(0o750);
  expect(execFileSync('getfacl', ['-c', '-n', made]).toString()).toMatch(/^user:1234:r-x$/m);
  expect(execFileSync('getfattr', ['-m', '-', made]).toString()).not.toContain('plumbline');
});
