/** Contract: sandboxes come and go, and nothing of them stays. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { ImageSpec } from '../../model/image.js';
import { openJournal } from '../journal.js';
import { EXEC_INTERVENTION, INIT_INTERVENTION } from '../keep-alive.js';
import { reapProvider } from '../reap.js';
import { assertRejects, type ContractCheck, type ContractContext, eventually, out, sh } from './check.js';

const sandboxesOf = async (ctx: ContractContext, runId: string) =>
  (await ctx.provider.list({ runId })).filter((ref) => ref.runId === runId);

function prepare(ctx: ContractContext, image: ImageSpec, signal = new AbortController().signal) {
  const states: string[] = [];
  const prepared = ctx.provider.prepare(image, {
    owner: ctx.owner,
    forceBuild: false,
    signal,
    onEvent: (state) => states.push(state),
    onLog: () => {},
  });
  return { prepared, states };
}

async function contextOf(ctx: ContractContext, dockerfile: string): Promise<ImageSpec> {
  const contextDir = `${ctx.tmp}/context`;
  await mkdir(contextDir);
  await writeFile(`${contextDir}/Dockerfile`, dockerfile);
  return { ...ctx.imageSpec, source: { kind: 'dockerfile', contextDir, dockerfile: `${contextDir}/Dockerfile` } };
}

export const LIFECYCLE_CHECKS: ContractCheck[] = [
  {
    id: 'lifecycle/preflight',
    title: 'preflight answers ready, with versions, twice alike',
    async run(ctx) {
      const first = await ctx.provider.preflight(AbortSignal.timeout(20_000));
      assert.equal(first.status, 'ready', JSON.stringify(first));
      assert.deepEqual(await ctx.provider.preflight(AbortSignal.timeout(20_000)), first);
    },
  },
  {
    id: 'lifecycle/prepare-again',
    title: 'the same image is prepared once: later calls find it and name the same digest',
    async run(ctx) {
      const again = await prepare(ctx, ctx.imageSpec).prepared;
      assert.equal(again.cacheHit, true);
      assert.deepEqual([again.digest, again.ref], [ctx.image.digest, ctx.image.ref]);
    },
  },
  {
    id: 'lifecycle/prepare-failing-build',
    title: 'a build step that fails is ImageBuildError and its output is in the log',
    timeoutMs: 120_000,
    async run(ctx) {
      const image = await contextOf(ctx, 'FROM debian:bookworm-slim\nRUN echo reason-of-failure && exit 17\n');
      const error = await assertRejects(prepare(ctx, image).prepared, 'ImageBuildError');
      const log = (error as { details?: { log?: string } }).details?.log ?? '';
      assert.match(`${error.message}\n${log}`, /reason-of-failure/);
    },
  },
  {
    id: 'lifecycle/prepare-bad-dockerfile',
    title: 'a Dockerfile that cannot be parsed is an error of the task',
    async run(ctx) {
      const image = await contextOf(ctx, 'FROM debian:bookworm-slim\nNOSUCHINSTRUCTION x\n');
      const error = await assertRejects(prepare(ctx, image).prepared, /^(ImageBuildError|EnvironmentDefinitionError)$/);
      assert.equal((error as { origin?: string }).origin, 'task');
    },
  },
  {
    id: 'lifecycle/prepare-abort',
    title: 'an aborted build ends soon with the reason of the abort',
    timeoutMs: 120_000,
    async run(ctx) {
      const image = await contextOf(ctx, `FROM debian:bookworm-slim\nRUN echo ${Date.now()} && sleep 100\n`);
      const reason = new Error('build given up');
      const start = Date.now();
      const error = await assertRejects(prepare(ctx, image, abortAfter(3_000, reason)).prepared, 'Error');
      assert.equal(error, reason);
      assert.ok(Date.now() - start < 30_000, `${Date.now() - start} ms`);
    },
  },
  {
    id: 'lifecycle/dispose',
    title: 'dispose works twice, at once or in turn, and the sandbox is gone from the list',
    async run(ctx) {
      const owner = { ...ctx.owner, runId: `${ctx.owner.runId}-dispose` };
      const sandbox = await ctx.makeSandbox({ owner });
      assert.ok((await sandboxesOf(ctx, owner.runId)).length > 0, 'listed while it lives');
      await Promise.all([sandbox[Symbol.asyncDispose](), sandbox[Symbol.asyncDispose]()]);
      await sandbox[Symbol.asyncDispose]();
      await eventually(
        'nothing listed',
        () => sandboxesOf(ctx, owner.runId),
        (refs) => refs.length === 0,
      );
    },
  },
  {
    id: 'lifecycle/dispose-is-kill',
    title: 'a sandbox whose main process and commands ignore SIGTERM is gone within 10 s',
    async run(ctx) {
      const sandbox = await ctx.makeSandbox();
      await out(sandbox, 'setsid sh -c "trap \'\' TERM; while :; do sleep 1; done" >/dev/null 2>&1 </dev/null &');
      const start = Date.now();
      await sandbox[Symbol.asyncDispose]();
      assert.ok(Date.now() - start < 10_000, `${Date.now() - start} ms`);
    },
  },
  {
    id: 'lifecycle/dispose-during-exec',
    title: 'an exec whose sandbox is disposed of rejects soon: its exit code is not known',
    async run(ctx) {
      const sandbox = await ctx.makeSandbox();
      let started = () => {};
      const up = new Promise<void>((resolve) => {
        started = resolve;
      });
      const running = sandbox.exec(['sh', '-c', 'echo up; sleep 300'], { onOutput: () => started() });
      const rejection = assertRejects(running, /^(SandboxLostError|ExecError)$/);
      await up;
      await sandbox[Symbol.asyncDispose]();
      await rejection;
    },
  },
  {
    id: 'lifecycle/use-after-dispose',
    title: 'exec, upload and download after dispose throw',
    async run(ctx) {
      const sandbox = await ctx.makeSandbox();
      await sandbox[Symbol.asyncDispose]();
      await writeFile(`${ctx.tmp}/file`, 'x');
      await assertRejects(sandbox.exec(['true']), 'HarnessError');
      await assertRejects(sandbox.upload(`${ctx.tmp}/file`, '/srv/x'), 'HarnessError');
      await assertRejects(sandbox.download('/etc/hostname', `${ctx.tmp}/x`), 'HarnessError');
    },
  },
  {
    id: 'lifecycle/lost',
    title: 'a sandbox that was destroyed behind its back answers SandboxLostError, never an exit code',
    async run(ctx) {
      const owner = { ...ctx.owner, runId: `${ctx.owner.runId}-lost` };
      const sandbox = await ctx.makeSandbox({ owner });
      for (const ref of await sandboxesOf(ctx, owner.runId)) await ctx.provider.destroy(ref);
      await assertRejects(sandbox.exec(['true']), 'SandboxLostError');
    },
  },
  {
    id: 'lifecycle/abort-create',
    title: 'an aborted create rejects with the reason, and a late arrival is destroyed',
    async run(ctx) {
      const owner = { ...ctx.owner, runId: `${ctx.owner.runId}-abort` };
      const reason = new Error('create given up');
      for (const delay of [0, 5, 30, 120]) {
        const creating = ctx.provider.create(ctx.spec({ owner }), ctx.providerContext(abortAfter(delay, reason)));
        await creating.then(
          (early) => early[Symbol.asyncDispose](),
          (error) => assert.equal(error, reason),
        );
      }
      await eventually(
        'nothing is left',
        () => sandboxesOf(ctx, owner.runId),
        (refs) => refs.length === 0,
        30_000,
      );
    },
  },
  {
    id: 'lifecycle/isolated',
    title: 'two sandboxes share no files, processes, hostname or ports',
    async run(ctx) {
      const [one, two] = await Promise.all([ctx.makeSandbox(), ctx.makeSandbox()]);
      await out(
        one,
        'echo mine > /srv/mine; echo mine > /tmp/mine; echo mine > /dev/shm/mine; setsid sleep 9101 >/dev/null 2>&1 </dev/null &',
      );
      assert.equal((await sh(two, 'cat /srv/mine /tmp/mine /dev/shm/mine 2>/dev/null')).stdout, '');
      assert.equal(
        (await sh(two, 'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -c "sleep 910[1]"')).stdout.trim(),
        '0',
      );
      assert.notEqual(await out(one, 'cat /proc/sys/kernel/hostname'), await out(two, 'cat /proc/sys/kernel/hostname'));
    },
  },
  {
    id: 'lifecycle/image-untouched',
    title: 'what a sandbox writes never reaches the image',
    async run(ctx) {
      const sandbox = await ctx.makeSandbox();
      await out(sandbox, 'echo changed > /opt/bin/contract-hello; rm /entrypoint.sh; touch /srv/work/new');
      await sandbox[Symbol.asyncDispose]();
      const fresh = await ctx.makeSandbox();
      assert.equal(
        await out(fresh, 'contract-hello you; ls -A /srv/work; test -x /entrypoint.sh && echo there'),
        'hello you\nthere\n',
      );
    },
  },
  {
    id: 'lifecycle/list-labels',
    title: 'list names the run, the owner and the expiry of what it shows',
    async run(ctx) {
      const owner = { ...ctx.owner, runId: `${ctx.owner.runId}-labels`, expiresAt: '2031-02-03T04:05:06.000Z' };
      await ctx.makeSandbox({ owner, labels: { trial: 'label-trial', task: 'label-task' } });
      const refs = await sandboxesOf(ctx, owner.runId);
      assert.ok(refs.length > 0, 'the sandbox is listed');
      for (const ref of refs) {
        assert.deepEqual([ref.owner, Date.parse(ref.expiresAt)], [owner.owner, Date.parse(owner.expiresAt)]);
        assert.ok(ref.kind !== '' && ref.state !== '' && ref.ref !== '');
      }
    },
  },
  {
    id: 'lifecycle/list-scope',
    title: 'list of one run shows that run only; list of all shows it too',
    async run(ctx) {
      const mine = { ...ctx.owner, runId: `${ctx.owner.runId}-mine` };
      const other = { ...ctx.owner, runId: `${ctx.owner.runId}-other` };
      await Promise.all([ctx.makeSandbox({ owner: mine }), ctx.makeSandbox({ owner: other })]);
      const scoped = await ctx.provider.list({ runId: mine.runId });
      assert.ok(scoped.length > 0 && scoped.every((ref) => ref.runId === mine.runId));
      const all = new Set((await ctx.provider.list('all')).map((ref) => ref.runId));
      assert.ok(all.has(mine.runId) && all.has(other.runId));
      assert.deepEqual(await ctx.provider.list({ runId: 'no-such-run' }), []);
    },
  },
  {
    id: 'lifecycle/destroy',
    title: 'destroy by reference removes it, and is no error for what is gone',
    async run(ctx) {
      const owner = { ...ctx.owner, runId: `${ctx.owner.runId}-destroy` };
      await ctx.makeSandbox({ owner });
      const refs = await sandboxesOf(ctx, owner.runId);
      assert.ok(refs.length > 0);
      for (const ref of refs) await ctx.provider.destroy(ref);
      for (const ref of refs) await ctx.provider.destroy(ref);
      await eventually(
        'nothing listed',
        () => sandboxesOf(ctx, owner.runId),
        (left) => left.length === 0,
      );
    },
  },
  {
    id: 'lifecycle/destroy-by-name',
    title: 'destroy finds a sandbox by the name in its spec, as the journal knows it',
    async run(ctx) {
      const owner = { ...ctx.owner, runId: `${ctx.owner.runId}-name` };
      const spec = ctx.spec({ owner });
      await ctx.makeSandbox(spec);
      await ctx.provider.destroy({ ref: spec.name, kind: 'sandbox', ...owner, state: 'journaled' });
      await eventually(
        'nothing listed',
        () => sandboxesOf(ctx, owner.runId),
        (left) => left.length === 0,
      );
      await ctx.provider.destroy({ ref: 'plb-never-existed', kind: 'sandbox', ...owner, state: 'journaled' });
    },
  },
  {
    id: 'lifecycle/reap',
    title: 'what a dead process left is found and deleted; what a living one owns is kept',
    async run(ctx) {
      const runId = `${ctx.owner.runId}-reap`;
      // No pid is above the kernel's maximum of 2^22.
      const dead = { ...ctx.owner, runId, owner: `${hostname()}:4194305:1` };
      await Promise.all([ctx.makeSandbox({ owner: dead }), ctx.makeSandbox({ owner: { ...ctx.owner, runId } })]);
      const journal = openJournal(`${ctx.tmp}/journal`, ctx.owner.owner);
      const report = await reapProvider(ctx.provider, journal, { runId });
      assert.equal(report.listError, null);
      assert.ok(report.items.some((item) => item.action === 'deleted' && item.ref.owner === dead.owner));
      const wrong = report.items.filter((item) => (item.action === 'deleted') !== (item.ref.owner === dead.owner));
      assert.deepEqual(wrong, []);
      const left = await sandboxesOf(ctx, runId);
      assert.ok(left.length > 0 && left.every((ref) => ref.owner === ctx.owner.owner));
    },
  },
  {
    id: 'lifecycle/entrypoint',
    title:
      'the image’s ENTRYPOINT ran once, in WORKDIR, with its arguments, the environment, and the keep-alive command',
    async run(ctx) {
      const sandbox = await ctx.makeSandbox({ env: { FROM_SANDBOX: 'seen' } });
      const read = () => sh(sandbox, 'cat /var/lib/entrypoint-ran');
      const record = await eventually('the entrypoint ran', read, (result) => result.exitCode === 0);
      assert.match(record.stdout, /^first argument\|sh -c .*\bsleep infinity\b.*\|\/srv\/work\|seen\n$/);
    },
  },
  {
    id: 'lifecycle/entrypoint-user',
    title: 'the image’s ENTRYPOINT runs as its USER',
    timeoutMs: 180_000,
    async run(ctx) {
      const file = '/var/tmp/entrypoint-user';
      const entrypoint = ['sh', '-c', `echo "$(id -u):$(id -g)" > ${file}; exec "$@"`, 'entrypoint'];
      const lines = ['FROM debian:bookworm-slim', 'USER 2000:2001', `ENTRYPOINT ${JSON.stringify(entrypoint)}`];
      const image = await prepare(ctx, await contextOf(ctx, `${lines.join('\n')}\n`)).prepared;
      const sandbox = await ctx.makeSandbox({ image });
      const read = () => sh(sandbox, `cat ${file}`);
      const seen = await eventually('the entrypoint ran', read, ({ stdout }) => stdout !== '');
      assert.equal(seen.stdout, '2000:2001\n');
    },
  },
  {
    id: 'lifecycle/reaps-orphans',
    title: 'PID 1 reaps orphans: no zombies pile up',
    async run(ctx) {
      const sandbox = await ctx.makeSandbox();
      assert.ok(sandbox.interventions.includes('init'), `interventions: ${sandbox.interventions.join(', ')}`);
      await out(sandbox, 'i=0; while [ $i -lt 40 ]; do (setsid sh -c "sleep 0.2 &" &) ; i=$((i+1)); done');
      const zombies = 'grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l';
      await eventually(
        'no zombies',
        () => out(sandbox, `sleep 0.5; ${zombies}`),
        (seen) => seen.trim() === '0',
      );
    },
  },
  {
    id: 'lifecycle/raw',
    title: 'with `raw` only what the provider cannot do without is changed, and the list says what that is',
    async run(ctx) {
      const sandbox = await ctx.makeSandbox({ raw: true });
      const { interventions } = sandbox;
      const left = interventions.filter((name) => name !== INIT_INTERVENTION && name !== EXEC_INTERVENTION);
      assert.deepEqual(left, [], 'these can be left out');
      // the image's ENTRYPOINT becomes the keep-alive command, and a shell may become the command that it is given
      const pid1 = /^(sh -c )?sleep infinity $/;
      const isMain = await eventually(
        'PID 1 is what the list says',
        async () => pid1.test(await out(sandbox, 'tr "\\0" " " < /proc/1/cmdline')),
        (main) => main !== interventions.includes(INIT_INTERVENTION),
      );
      assert.equal(isMain, !interventions.includes(INIT_INTERVENTION));
      const files = await out(sandbox, "find / -xdev -name '*plumbline*' -print", { user: 0 });
      assert.equal(files !== '', interventions.includes(EXEC_INTERVENTION), `files of ours: ${files}`);
    },
  },
  {
    id: 'concurrency/eight-sandboxes',
    title: 'eight sandboxes at once are created, used and removed',
    timeoutMs: 180_000,
    async run(ctx) {
      const owner = { ...ctx.owner, runId: `${ctx.owner.runId}-eight` };
      await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const sandbox = await ctx.makeSandbox({ owner });
          assert.equal(await out(sandbox, `echo ${index} > /srv/n; sleep 0.5; cat /srv/n`), `${index}\n`);
          await sandbox[Symbol.asyncDispose]();
        }),
      );
      await eventually(
        'nothing listed',
        () => sandboxesOf(ctx, owner.runId),
        (refs) => refs.length === 0,
      );
    },
  },
];

/** Aborts once with a given reason. Zero still lets the call begin. */
function abortAfter(ms: number, reason: Error): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), ms);
  return controller.signal;
}
