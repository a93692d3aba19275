/** faults.toml: what the emulators of a run shall do wrong. Every mistake is named with its place, none is skipped. */
import { CONNECTION_FAULTS, type EmulatedCalls, HANDLER_FAULTS } from '../emulator/core/calls.js';
import type { Fault, FaultKind, ScriptedFault } from '../emulator/core/faults.js';
import { emulatedCalls, emulatedNames } from '../emulator/index.js';
import type { ProviderName } from '../model/words.js';
import { nearest } from '../task/nearest.js';
import { parseTomlDocument, type TomlDocument, TomlSyntaxError } from '../task/parse-toml.js';
import { tableToPlain } from '../task/toml-values.js';
import { type FaultTarget, targetTest } from './fault-target.js';

export interface FaultEntry {
  readonly provider: ProviderName;
  readonly scripted: ScriptedFault;
  /** Line of the entry, from 1. */
  readonly line: number;
  /** The entry in a few words. */
  readonly words: string;
}

export interface ParsedFaults {
  readonly entries: readonly FaultEntry[];
  /** `<line>:<column> <key>: <what is wrong>; <what to write>`; empty when the file is good. */
  readonly problems: readonly string[];
}

type Table = Readonly<Record<string, unknown>>;

const KINDS: readonly FaultKind[] = [...CONNECTION_FAULTS, ...HANDLER_FAULTS];
const TARGET_KEYS = ['task', 'sandbox', 'contains'] as const;
/** Keys that belong to a kind, and those kinds. */
const KIND_KEYS: Readonly<Record<string, readonly FaultKind[]>> = {
  ms: ['delay'],
  status: ['status', 'status-after'],
  headers: ['status'],
  state: ['stuck'],
};
const KEYS = ['provider', 'call', 'kind', 'occurrence', ...TARGET_KEYS, ...Object.keys(KIND_KEYS)];

/**
 * Reads `[[fault]]` tables.
 * @param emulated providers whose emulators the command starts: `provider` may be left out where there is one
 */
export function parseFaults(text: string, emulated: readonly ProviderName[]): ParsedFaults {
  let document: TomlDocument;
  try {
    document = parseTomlDocument(text);
  } catch (error) {
    if (!(error instanceof TomlSyntaxError)) throw error;
    return { entries: [], problems: [`${error.line}:${error.column} ${error.message}`] };
  }
  const problems: string[] = [];
  const complain = (path: (string | number)[], message: string) => {
    const { line, column } = document.positionOf(path);
    problems.push(`${line}:${column} ${path.at(-1)}: ${message}`);
  };
  const file: Table = tableToPlain(document.root);
  for (const key of Object.keys(file)) {
    if (key !== 'fault') complain([key], 'unknown key; entries are written as [[fault]]');
  }
  const list = file['fault'] ?? [];
  if (!Array.isArray(list)) {
    complain(['fault'], 'is one table; write [[fault]] above each entry');
    return { entries: [], problems };
  }
  const entries = list.flatMap((value: unknown, index): FaultEntry[] => {
    const before = problems.length;
    const reader = createReader(value, (key, message) => complain(['fault', index, ...key], message));
    const entry = readEntry(reader, emulated);
    if (entry === null || problems.length > before) return [];
    return [{ ...entry, line: document.positionOf(['fault', index]).line }];
  });
  if (list.length === 0 && problems.length === 0) problems.push('1:1 the file has no [[fault]]');
  return { entries, problems };
}

type Reader = ReturnType<typeof createReader>;

function readEntry(reader: Reader, emulated: readonly ProviderName[]): Omit<FaultEntry, 'line'> | null {
  for (const key of reader.keys) if (!KEYS.includes(key)) reader.unknown(key);
  const provider = readProvider(reader, emulated);
  const kind = reader.oneOf('kind', KINDS, 'a kind of fault');
  if (provider === null || kind === null) return null;
  const calls = emulatedCalls(provider);
  const call = reader.oneOf('call', Object.keys(calls), `a call of ${provider}`);
  const occurrence = readOccurrence(reader);
  const target = readTarget(reader);
  for (const [key, kinds] of Object.entries(KIND_KEYS)) {
    if (reader.has(key) && !kinds.includes(kind))
      reader.complain(key, `belongs to ${kinds.join(' and ')}, not to ${kind}`);
  }
  const fault = readFault(reader, kind);
  if (call === null || fault === null || !actsOut(reader, provider, calls, call, fault)) return null;
  const where = targetTest(target);
  const aims = TARGET_KEYS.flatMap((key) => (target[key] === null ? [] : [`${key} ${target[key]}`]));
  return {
    provider,
    scripted: {
      call,
      fault,
      ...(occurrence === null ? {} : { occurrence }),
      ...(where === null ? {} : { where }),
    },
    words: [`${provider} ${call}: ${kind}`, ...aims].join(', '),
  };
}

function readProvider(reader: Reader, emulated: readonly ProviderName[]): ProviderName | null {
  const [only, ...others] = emulated;
  if (reader.has('provider')) return reader.oneOf('provider', emulatedNames(), 'a provider with an emulator');
  if (only !== undefined && others.length === 0) return only;
  reader.complain('provider', `is required where several are emulated: ${emulated.join(', ')}`);
  return null;
}

function readOccurrence(reader: Reader): number | readonly [number, number] | null {
  const value = reader.value('occurrence');
  if (value === undefined) return null;
  const isCount = (one: unknown): one is number => Number.isSafeInteger(one) && (one as number) >= 1;
  if (isCount(value)) return value;
  if (Array.isArray(value)) {
    const [first, last, ...rest] = value as unknown[];
    if (rest.length === 0 && isCount(first) && isCount(last) && first <= last) return [first, last];
  }
  reader.complain(
    'occurrence',
    `${reader.show('occurrence')} is no occurrence; write 1 for the first call, [1, 26] for a range`,
  );
  return null;
}

function readTarget(reader: Reader): FaultTarget {
  return { task: reader.text('task'), sandbox: reader.text('sandbox'), contains: reader.text('contains') };
}

function readFault(reader: Reader, kind: FaultKind): Fault | null {
  switch (kind) {
    case 'delay': {
      const ms = reader.integer('ms', 0, 'the milliseconds by which the answer is late');
      return ms === null ? null : { kind, ms };
    }
    case 'status': {
      const status = reader.integer('status', 400, 'the HTTP status of the answer, for example 503', 599);
      const headers = reader.value('headers') === undefined ? null : reader.texts('headers');
      return status === null ? null : { kind, status, ...(headers === null ? {} : { headers }) };
    }
    case 'status-after': {
      const status = reader.integer('status', 400, 'the HTTP status of the answer, for example 504', 599);
      return status === null ? null : { kind, status };
    }
    case 'stuck': {
      const state = reader.text('state');
      return state === null ? { kind } : { kind, state };
    }
    default:
      return { kind };
  }
}

/** A fault that the call's handler would pass over in silence is a mistake. */
function actsOut(reader: Reader, provider: ProviderName, calls: EmulatedCalls, call: string, fault: Fault): boolean {
  const { acts = [], states } = calls[call] ?? { what: '' };
  const { kind } = fault;
  if (!CONNECTION_FAULTS.includes(kind) && !acts.includes(kind)) {
    const able = Object.entries(calls).flatMap(([name, facts]) => (facts.acts?.includes(kind) ? [name] : []));
    reader.complain(
      'kind',
      `"${kind}" cannot happen in ${call} of ${provider}; ${able.length === 0 ? `no call of ${provider} has it` : `it can in ${able.join(', ')}`}`,
    );
    return false;
  }
  if (kind !== 'stuck' || fault.state === undefined || states?.includes(fault.state)) return true;
  reader.complain(
    'state',
    states === undefined
      ? `${call} of ${provider} knows one state only; leave the key out`
      : `"${fault.state}" is no state of ${call}; write one of ${states.join(', ')}`,
  );
  return false;
}

function createReader(value: unknown, complainAt: (key: string[], message: string) => void) {
  const table: Table = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : {};
  const complain = (key: string, message: string) => complainAt([key], message);
  if (value !== table) complainAt([], 'is not a table; write [[fault]] above each entry');
  const show = (key: string) => JSON.stringify(table[key]);
  const text = (key: string): string | null => {
    const found = table[key];
    if (found === undefined) return null;
    if (typeof found === 'string' && found !== '') return found;
    complain(key, `${show(key)} is not a text; write ${key} = "…"`);
    return null;
  };
  return {
    keys: Object.keys(table),
    has: (key: string) => table[key] !== undefined,
    value: (key: string) => table[key],
    complain,
    show,
    text,
    unknown(key: string) {
      const near = nearest(key, KEYS);
      complain(key, `unknown key; ${near === null ? `known are ${KEYS.join(', ')}` : `did you mean "${near}"?`}`);
    },
    oneOf<T extends string>(key: string, known: readonly T[], what: string): T | null {
      const found = text(key);
      if (table[key] === undefined) complain(key, `is required: ${what}, one of ${known.join(', ')}`);
      if (found === null) return null;
      const match = known.find((name) => name === found);
      if (match !== undefined) return match;
      const near = nearest(found, known);
      const hint = near === null ? '' : ` did you mean "${near}"?`;
      complain(key, `"${found}" is not ${what};${hint} write one of ${known.join(', ')}`);
      return null;
    },
    integer(key: string, least: number, what: string, most = Number.MAX_SAFE_INTEGER): number | null {
      const found = table[key];
      if (typeof found === 'number' && Number.isSafeInteger(found) && found >= least && found <= most) return found;
      complain(key, found === undefined ? `is required: ${what}` : `${show(key)} is not ${what}`);
      return null;
    },
    texts(key: string): Record<string, string> | null {
      const found = table[key];
      const pairs = typeof found === 'object' && found !== null && !Array.isArray(found) ? Object.entries(found) : null;
      if (pairs?.every(([, one]) => typeof one === 'string')) return Object.fromEntries(pairs);
      complain(key, `${show(key)} is not a table of texts; write headers = { retry-after = "2" }`);
      return null;
    },
  };
}
