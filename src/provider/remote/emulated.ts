/**
 * How a provider knows that it speaks with one of our emulators: by the variable that they print, and, should that be lost, by
 * their key, which no service gives out and which is the only one that they take.
 */

/**
 * E2B's SDKs refuse what is not `e2b_` and hexadecimal digits before they ask anybody (https://github.com/e2b-dev/E2B/pull/1356), so
 * its word is written in hexadecimal. Of Modal it is the token's id.
 */
export const EMULATOR_KEYS = {
  e2b: 'e2b_656d756c61746564000000000000000000000000',
  modal: 'ak-emulated',
  daytona: 'dtn_emulated0000000000000000000000000000000000000000000000000000',
  tensorlake: 'tl_emulated_000000000000',
} as const;

export interface Emulation {
  readonly emulated: boolean;
  /** Network modes that the backend behind an emulator enforces, and `dynamic`; null for the real cloud. */
  readonly emulatedNetwork: readonly string[] | null;
  /** Limits that the backend behind an emulator enforces; null for the real cloud. */
  readonly emulatedLimits: readonly string[] | null;
  /** Why it can be no emulator, as preflight says it; null where nothing is wrong. */
  readonly complaint: { readonly what: string; readonly fix: string } | null;
}

const REAL: Emulation = { emulated: false, emulatedNetwork: null, emulatedLimits: null, complaint: null };

/**
 * @param key API key or id of the token; null: none is set
 * @param addresses by variable; null: it is not set, and the real service is meant
 */
export function emulationOf(
  name: keyof typeof EMULATOR_KEYS,
  env: Readonly<Record<string, string | undefined>>,
  key: string | null,
  addresses: Readonly<Record<string, string | null>>,
): Emulation {
  const flag = `PLUMBLINE_EMULATED_${name.toUpperCase()}`;
  const told = env[flag] === '1';
  if (!told && key !== EMULATOR_KEYS[name]) return REAL;
  const why = told ? `${flag} says that ${name} is emulated` : `the key that is set is that of an emulator of ${name}`;
  const [elsewhere] = Object.entries(addresses).filter(([, url]) => url === null || !isThisMachine(url));
  return {
    emulated: true,
    // the only mode that every backend has
    emulatedNetwork: env[`${flag}_NETWORK`]?.split(',') ?? ['public'],
    emulatedLimits: env[`${flag}_LIMITS`]?.split(',') ?? [],
    complaint:
      elsewhere === undefined
        ? null
        : {
            what: `${why}, but ${sentence(...elsewhere)}`,
            fix: `set everything that \`plumbline emulate ${name}\` printed, or nothing of it`,
          },
  };
}

function sentence(variable: string, url: string | null): string {
  return url === null ? `${variable} is not set` : `${variable} is ${url}, which is not this machine`;
}

/** Loopback; also below .test, where no service can be (RFC 6761). */
function isThisMachine(url: string): boolean {
  try {
    return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|[^/]+\.(localhost|test))$/.test(new URL(url).hostname);
  } catch {
    return false; // no URL is no address of ours
  }
}
