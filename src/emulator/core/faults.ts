/**
 * A script of faults for an emulator: which call, which occurrence of it, what goes wrong. It knows no protocol: the server
 * (server.ts, or a gRPC one) asks it once per call and does what it says.
 */

export type Fault =
  /** The call is answered as usual, but later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** No answer until the client gives up or the emulator is closed; no effect. */
  | { readonly kind: 'hang' }
  /** The connection is reset and nothing has happened. */
  | { readonly kind: 'reset-before' }
  /** The call takes effect and the connection is reset: created, but the reply is lost. */
  | { readonly kind: 'reset-after' }
  /** The call takes effect; its reply breaks off in the middle. A stream breaks off after its first part. */
  | { readonly kind: 'truncate' }
  /** The call takes effect; its reply is not what the protocol says. */
  | { readonly kind: 'malformed' }
  /** Refused without an effect, with this HTTP status (gRPC servers map it). */
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The call takes effect, and a gateway answers with this status: SDKs that send it again run it twice. */
  | { readonly kind: 'status-after'; readonly status: number }
  /** Refused as a wrong credential, in the words of the provider. */
  | { readonly kind: 'auth' }
  // The rest is up to the handler of the call, which finds it in its request.
  /** What is created never leaves `state`; absent: the first one (`creating`, `pulling`, `building`). */
  | { readonly kind: 'stuck'; readonly state?: string }
  /** The image's build ends as failed. */
  | { readonly kind: 'build-failure' }
  /** The sandbox dies while the call is under way. */
  | { readonly kind: 'death' };

export type FaultKind = Fault['kind'];

/** What a call is about, as far as the emulator can tell. */
export interface CallAbout {
  /** The sandbox that the call makes or is for; null when there is none, or none that is known. */
  readonly sandbox: SandboxFacts | null;
  /** What the client sent, as text: the body of an HTTP call, the strings of a gRPC message. */
  readonly text: string;
}

export interface SandboxFacts {
  readonly name: string | null;
  /** Labels, tags or metadata, as the client gave them. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface ScriptedFault {
  /** Name of the call as the emulator's routes give it. */
  readonly call: string;
  /** From 1, of the calls that `call` and `where` fit: one, or the first and the last of a range; absent: every one. */
  readonly occurrence?: number | readonly [number, number];
  /** Of the calls, only those about this. */
  readonly where?: (about: CallAbout) => boolean;
  readonly fault: Fault;
}

export interface FiredFault {
  readonly entry: ScriptedFault;
  readonly fired: number;
}

export interface FaultScript {
  /** Counts the call and answers its fault; null when it goes well. `about` may be left out where `isPicky` says no. */
  take(call: string, about?: CallAbout): Fault | null;
  /** Whether an entry for this call wants to know what it is about: reading that holds the call's body in memory. */
  isPicky(call: string): boolean;
  /** How often each call has come, in the order of their first occurrence. */
  counts(): ReadonlyMap<string, number>;
  /** Another script from now on; counts start at zero. */
  replace(faults: readonly ScriptedFault[]): void;
  /** How often a fault was handed out: a test that proves recovery must see at least one. */
  readonly fired: number;
  /** The same, entry by entry. */
  report(): readonly FiredFault[];
}

const NOTHING: CallAbout = { sandbox: null, text: '' };

/** @param faults the first entry that fits a call wins; the others count it all the same */
export function createFaultScript(faults: readonly ScriptedFault[] = []): FaultScript {
  const counts = new Map<string, number>();
  let script = faults.map(createEntry);
  return {
    take(call, about = NOTHING) {
      counts.set(call, (counts.get(call) ?? 0) + 1);
      let found: Entry | null = null;
      for (const entry of script) if (entry.fits(call, about)) found ??= entry;
      if (found === null) return null;
      found.fired += 1;
      return found.scripted.fault;
    },
    isPicky: (call) => script.some(({ scripted }) => scripted.call === call && scripted.where !== undefined),
    counts: () => counts,
    replace(next) {
      script = next.map(createEntry);
      counts.clear();
    },
    get fired() {
      return script.reduce((total, entry) => total + entry.fired, 0);
    },
    report: () => script.map(({ scripted, fired }) => ({ entry: scripted, fired })),
  };
}

interface Entry {
  readonly scripted: ScriptedFault;
  fired: number;
  /** Counts the calls that fit but for the occurrence. */
  fits(call: string, about: CallAbout): boolean;
}

function createEntry(scripted: ScriptedFault): Entry {
  const { occurrence } = scripted;
  const [first, last] =
    occurrence === undefined
      ? [1, Number.POSITIVE_INFINITY]
      : typeof occurrence === 'number'
        ? [occurrence, occurrence]
        : occurrence;
  let seen = 0;
  return {
    scripted,
    fired: 0,
    fits(call, about) {
      if (call !== scripted.call || !(scripted.where?.(about) ?? true)) return false;
      seen += 1;
      return seen >= first && seen <= last;
    },
  };
}
