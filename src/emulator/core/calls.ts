/** What can be said of an emulator's calls without starting it: for `--list-calls`, and to check a script of faults. */
import type { FaultKind } from './faults.js';

export interface EmulatedCall {
  /** A few words for people. */
  readonly what: string;
  /** Faults that this call's handler acts out, beside those of the connection, which every call has. */
  readonly acts?: readonly FaultKind[];
  /** States that `stuck` may name; absent: the API tells only one. */
  readonly states?: readonly string[];
}

/** By the name of the call; a test holds it against the routes. */
export type EmulatedCalls = Readonly<Record<string, EmulatedCall>>;

/** Acted out by the server, whatever the call. */
export const CONNECTION_FAULTS: readonly FaultKind[] = [
  'delay',
  'hang',
  'reset-before',
  'reset-after',
  'truncate',
  'malformed',
  'status',
  'status-after',
  'auth',
];

export const HANDLER_FAULTS: readonly FaultKind[] = ['stuck', 'build-failure', 'death'];
