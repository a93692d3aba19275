import { describe, expect, test } from 'vitest';
import { parseFaults } from './parse-faults.js';

const one = (text: string) => parseFaults(text, ['daytona']);
const entry = (lines: string) => `[[fault]]\n${lines}\n`;
const CREATE = 'call = "sandbox.create"\n';

describe('what is understood', () => {
  test('every kind with its own keys, occurrences, and the place of each entry', () => {
    const { entries, problems } = one(`# a script
[[fault]]
${CREATE}kind = "stuck"
state = "pulling_snapshot"
task = "web-*"
occurrence = [1, 26]

[[fault]]
provider = "modal"
call = "TaskExecStart"
kind = "delay"
ms = 0

[[fault]]
${CREATE}kind = "status"
status = 429
headers = { retry-after = "2" }
occurrence = 3
`);
    expect(problems).toEqual([]);
    expect(entries.map(({ provider, line, words }) => [provider, line, words])).toEqual([
      ['daytona', 2, 'daytona sandbox.create: stuck, task web-*'],
      ['modal', 9, 'modal TaskExecStart: delay'],
      ['daytona', 15, 'daytona sandbox.create: status'],
    ]);
    expect(entries.map(({ scripted: { where: _where, ...rest } }) => rest)).toEqual([
      { call: 'sandbox.create', fault: { kind: 'stuck', state: 'pulling_snapshot' }, occurrence: [1, 26] },
      { call: 'TaskExecStart', fault: { kind: 'delay', ms: 0 } },
      {
        call: 'sandbox.create',
        fault: { kind: 'status', status: 429, headers: { 'retry-after': '2' } },
        occurrence: 3,
      },
    ]);
    expect(entries.map(({ scripted }) => scripted.where !== undefined)).toEqual([true, false, false]);
  });
});

test.each([
  ['no TOML', 'fault = [', /^1:\d+ /],
  ['nothing in it', '', '1:1 the file has no [[fault]]'],
  ['another table', 'faults = []', '1:1 faults: unknown key; entries are written as [[fault]]'],
  ['one table', '[fault]\nkind = "hang"', '1:1 fault: is one table; write [[fault]] above each entry'],
  ['a key', entry(`${CREATE}kind = "hang"\ncal = "x"`), '4:1 cal: unknown key; did you mean "call"?'],
  ['no kind', entry(CREATE), '1:1 kind: is required: a kind of fault, one of delay, hang, reset-before'],
  ['a kind', entry(`${CREATE}kind = "stucked"`), '3:1 kind: "stucked" is not a kind of fault; did you mean "stuck"?'],
  [
    'a provider',
    entry(`provider = "modl"\n${CREATE}kind = "hang"`),
    '2:1 provider: "modl" is not a provider with an emulator; did you mean "modal"?',
  ],
  [
    'a call',
    entry('call = "sandbox.crate"\nkind = "hang"'),
    '2:1 call: "sandbox.crate" is not a call of daytona; did you mean "sandbox.create"? write one of sandbox.create, sandbox.list',
  ],
  [
    'an occurrence',
    entry(`${CREATE}kind = "hang"\noccurrence = 0`),
    '4:1 occurrence: 0 is no occurrence; write 1 for the first call, [1, 26] for a range',
  ],
  ['a range', entry(`${CREATE}kind = "hang"\noccurrence = [3, 2]`), '4:1 occurrence: [3,2] is no occurrence'],
  ['a task', entry(`${CREATE}kind = "hang"\ntask = 7`), '4:1 task: 7 is not a text; write task = "…"'],
  [
    'a delay without length',
    entry(`${CREATE}kind = "delay"`),
    '1:1 ms: is required: the milliseconds by which the answer is late',
  ],
  [
    'a status',
    entry(`${CREATE}kind = "status"\nstatus = 200`),
    '4:1 status: 200 is not the HTTP status of the answer, for example 503',
  ],
  [
    'headers',
    entry(`${CREATE}kind = "status"\nstatus = 503\nheaders = { a = 1 }`),
    '5:1 headers: {"a":1} is not a table of texts',
  ],
  ['a key of another kind', entry(`${CREATE}kind = "hang"\nms = 5`), '4:1 ms: belongs to delay, not to hang'],
  [
    'what the call cannot do',
    entry(`${CREATE}kind = "death"`),
    '3:1 kind: "death" cannot happen in sandbox.create of daytona; it can in snapshot.create, process.execute',
  ],
  [
    'a state',
    entry(`${CREATE}kind = "stuck"\nstate = "pulling"`),
    '4:1 state: "pulling" is no state of sandbox.create; write one of creating, pending_build',
  ],
  [
    'a state where there is one only',
    entry('provider = "modal"\ncall = "SandboxCreateV2"\nkind = "stuck"\nstate = "x"'),
    '5:1 state: SandboxCreateV2 of modal knows one state only; leave the key out',
  ],
])('%s is a problem with its place and what to write', (_, text, expected) => {
  const { entries, problems } = one(text);
  expect(entries).toEqual([]);
  expect(problems).toHaveLength(1);
  if (typeof expected === 'string') expect(problems[0]).toContain(expected);
  else expect(problems[0]).toMatch(expected);
});

test('every mistake of a file is named, and what is good is not lost', () => {
  const { entries, problems } = one(
    `${entry(`${CREATE}kind = "hang"\nfoo = 1\noccurrence = "x"`)}${entry(`${CREATE}kind = "hang"`)}${entry('kind = "hang"')}`,
  );
  expect(problems.map((problem) => problem.split(' ', 2).join(' '))).toEqual([
    '4:1 foo:',
    '5:1 occurrence:',
    '9:1 call:',
  ]);
  expect(entries).toHaveLength(1);
});

test('with several emulators an entry has to say which', () => {
  const { problems } = parseFaults(entry(`${CREATE}kind = "hang"`), ['modal', 'daytona']);
  expect(problems).toEqual(['1:1 provider: is required where several are emulated: modal, daytona']);
});
