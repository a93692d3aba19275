import { Buffer } from 'node:buffer';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { createFaultScript, type ScriptedFault } from './faults.js';
import { HttpError, matchPath, type Route } from './routes.js';
import { type RunningServer, startServer } from './server.js';

let running: RunningServer | null = null;
let effects = 0;

const ROUTES: Route[] = [
  {
    call: 'thing.make',
    method: 'POST',
    path: '/things/:name',
    async handle(request) {
      effects += 1;
      const body = await request.json();
      return { status: 201, body: { name: request.params['name'], said: body['say'] } };
    },
  },
  { call: 'thing.drop', method: 'DELETE', path: '/things/:name', handle: () => ({ status: 204 }) },
  { call: 'thing.accept', method: 'PUT', path: '/things/:name', handle: () => ({ status: 202 }) },
  {
    call: 'thing.stream',
    method: 'GET',
    path: '/stream',
    handle: () => ({
      status: 200,
      body: (async function* () {
        effects += 1;
        yield Buffer.from('one ');
        await wait(5);
        yield Buffer.from('two');
      })(),
    }),
  },
  {
    call: 'thing.missing',
    method: 'GET',
    path: '/missing/*',
    handle(request) {
      throw new HttpError(404, { code: 404, message: `no ${request.params['rest']}` });
    },
  },
];

async function start(fault?: ScriptedFault): Promise<string> {
  effects = 0;
  running = await startServer({
    routes: ROUTES,
    faults: createFaultScript(fault ? [fault] : []),
    authReply: { status: 401, body: { code: 401 } },
    errorReply: (status) => ({ status, body: { code: status } }),
    sandboxOf: async (request) => ({ name: request.params['name'] ?? null, labels: {} }),
  });
  return running.url;
}

const make = (url: string, signal?: AbortSignal) =>
  fetch(`${url}/things/a%20b`, { method: 'POST', body: '{"say":"hi"}', ...(signal ? { signal } : {}) });

afterEach(async () => {
  await running?.close();
  running = null;
});

describe('routes', () => {
  test.each([
    ['/a/:b/c', '/a/x%2Fy/c', { b: 'x/y' }],
    ['/a/:b', '/a/b/c', null],
    ['/a/:b/c', '/a/b', null],
    ['/up/*', '/up/one/two', { rest: 'one/two' }],
    ['/a/:b', '/a/%zz', { b: '%zz' }],
  ])('%s against %s', (pattern, path, expected) => {
    expect(matchPath(pattern, path)).toEqual(expected);
  });
});

describe('server', () => {
  test('answers with JSON, errors in the handler’s words, and a length on empty replies', async () => {
    const url = await start();
    const made = await make(url);
    expect([made.status, await made.json()]).toEqual([201, { name: 'a b', said: 'hi' }]);
    const missing = await fetch(`${url}/missing/x/y`);
    expect([missing.status, await missing.json()]).toEqual([404, { code: 404, message: 'no x/y' }]);
    const accepted = await fetch(`${url}/things/a`, { method: 'PUT' });
    expect([accepted.status, accepted.headers.get('content-length')]).toEqual([202, '0']);
    expect((await fetch(`${url}/things/a`, { method: 'DELETE' })).status).toBe(204);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    expect(await (await fetch(`${url}/stream`)).text()).toBe('one two');
  });

  test('a body that is no JSON is 400', async () => {
    const url = await start();
    const reply = await fetch(`${url}/things/a`, { method: 'POST', body: '{' });
    expect(reply.status).toBe(400);
  });

  test.each([
    { kind: 'status', status: 503 } as const,
    { kind: 'status', status: 429, headers: { 'retry-after': '7' } } as const,
    { kind: 'auth' } as const,
  ])('$kind $status has no effect, and only the named occurrence is hit', async (fault) => {
    const url = await start({ call: 'thing.make', occurrence: 1, fault });
    const refused = await make(url);
    expect(refused.status).toBe(fault.kind === 'auth' ? 401 : fault.status);
    if ('headers' in fault) expect(refused.headers.get('retry-after')).toBe('7');
    expect(effects).toBe(0);
    expect((await make(url)).status).toBe(201);
    expect(effects).toBe(1);
  });

  test.each([
    ['reset-before', 0],
    ['reset-after', 1],
    ['truncate', 1],
  ] as const)('%s breaks the connection with %i effects', async (kind, expected) => {
    const url = await start({ call: 'thing.make', fault: { kind } });
    await expect(make(url).then((reply) => reply.text())).rejects.toThrow();
    expect(effects).toBe(expected);
  });

  test('a truncated stream ends within its first part, which may be all of it', async () => {
    const url = await start({ call: 'thing.stream', fault: { kind: 'truncate' } });
    const reply = await fetch(`${url}/stream`);
    const seen: string[] = [];
    const read = async () => {
      for await (const chunk of reply.body ?? []) seen.push(Buffer.from(chunk).toString());
    };
    await expect(read()).rejects.toThrow();
    expect(seen.join('')).toBe('on');
  });

  test('malformed takes effect and answers no JSON', async () => {
    const url = await start({ call: 'thing.make', fault: { kind: 'malformed' } });
    await expect((await make(url)).json()).rejects.toThrow(SyntaxError);
    expect(effects).toBe(1);
  });

  test('hang answers nothing, and closing the server ends it', async () => {
    const url = await start({ call: 'thing.make', fault: { kind: 'hang' } });
    const hanging = make(url);
    const early = await Promise.race([hanging.catch(() => 'ended'), wait(50, 'still waiting')]);
    expect(early).toBe('still waiting');
    const settled = expect(hanging).rejects.toThrow();
    await running?.close();
    running = null;
    await settled;
    expect(effects).toBe(0);
  });

  test('delay answers later', async () => {
    const url = await start({ call: 'thing.make', fault: { kind: 'delay', ms: 60 } });
    const before = performance.now();
    expect((await make(url)).status).toBe(201);
    expect(performance.now() - before).toBeGreaterThan(50);
  });
});

describe('a fault that only some calls get', () => {
  test('is told the sandbox and the body, which the handler still gets', async () => {
    const url = await start({
      call: 'thing.make',
      where: ({ sandbox, text }) => sandbox?.name === 'a b' && text.includes('no'),
      fault: { kind: 'status', status: 503 },
    });
    const said = await make(url);
    expect([said.status, await said.json()]).toEqual([201, { name: 'a b', said: 'hi' }]);
    expect((await fetch(`${url}/things/a%20b`, { method: 'POST', body: '{"say":"no"}' })).status).toBe(503);
    expect((await fetch(`${url}/things/c`, { method: 'POST', body: '{"say":"no"}' })).status).toBe(201);
    expect(effects).toBe(2);
  });
});

describe('fault script', () => {
  test('counts calls and hands out what fits, once per occurrence', () => {
    const script = createFaultScript([
      { call: 'a', occurrence: 2, fault: { kind: 'hang' } },
      { call: 'b', fault: { kind: 'auth' } },
    ]);
    expect([script.take('a'), script.take('a'), script.take('a')]).toEqual([null, { kind: 'hang' }, null]);
    expect([script.take('b'), script.take('b'), script.take('c')]).toEqual([{ kind: 'auth' }, { kind: 'auth' }, null]);
    expect([...script.counts()]).toEqual([
      ['a', 3],
      ['b', 2],
      ['c', 1],
    ]);
    expect(script.fired).toBe(3);
  });

  test('a range of occurrences, of the calls that are meant', () => {
    const about = (name: string) => ({ sandbox: { name, labels: {} }, text: '' });
    const script = createFaultScript([
      { call: 'a', occurrence: [2, 3], where: ({ sandbox }) => sandbox?.name === 'x', fault: { kind: 'hang' } },
      { call: 'a', where: ({ sandbox }) => sandbox?.name === 'x', fault: { kind: 'auth' } },
      { call: 'b', fault: { kind: 'auth' } },
    ]);
    expect([script.isPicky('a'), script.isPicky('b'), script.isPicky('c')]).toEqual([true, false, false]);
    const kinds = ['x', 'y', 'x', 'y', 'x', 'x'].map((name) => script.take('a', about(name))?.kind ?? null);
    expect(kinds).toEqual(['auth', null, 'hang', null, 'hang', 'auth']);
    expect(script.report().map(({ entry, fired }) => [entry.fault.kind, fired])).toEqual([
      ['hang', 2],
      ['auth', 2],
      ['auth', 0],
    ]);
    script.replace([]);
    expect([script.fired, script.report()]).toEqual([0, []]);
  });
});
