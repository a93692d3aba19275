/** The settings of the remote providers, `--ek <provider>.<key>=<value>`: all that there are, and what each may be. */
import { HarnessError } from '../../exception/errors.js';
import { DEFAULT_POLICY, type RetryPolicy } from './retry.js';

interface NumberSetting {
  readonly kind: 'number';
  /** In words: `milliseconds`. */
  readonly unit: string;
  /** The default. */
  readonly initial: number;
}
interface FlagSetting {
  readonly kind: 'flag';
  readonly initial: boolean;
}
interface TextSetting {
  readonly kind: 'text';
  readonly initial: string;
}
export type Setting = NumberSetting | FlagSetting | TextSetting;

const number = (unit: string, initial: number): NumberSetting => ({ kind: 'number', unit, initial });
const MINUTES_15 = 15 * 60_000;

/** Of whatever may be done again. */
const RETRY = {
  tries: number('calls', DEFAULT_POLICY.tries),
  first_pause_ms: number('milliseconds', DEFAULT_POLICY.firstPauseMs),
};

/** By provider and key; docs/providers.md says what each is for. */
export const PROVIDER_SETTINGS = {
  tensorlake: {
    // on-demand plans allow this much, free ones 3,600 or 7,200
    timeout_secs: number('seconds', 86_400),
    docker_compat: { kind: 'flag', initial: false },
    request_sec: number('seconds', 60),
    // a file of 32 MB must fit
    daemon_sec: number('seconds', 300),
    // the builder's machine takes up to 120
    build_silence_sec: number('seconds', 240),
    ...RETRY,
  },
  modal: {
    app: { kind: 'text', initial: 'plumbline' },
    idle_ms: number('milliseconds', MINUTES_15),
    // above the 10 s for which the SDK lets the server hold a call
    request_timeout_ms: number('milliseconds', 60_000),
    ...RETRY,
  },
  daytona: {
    auto_stop_minutes: number('minutes', 15),
    request_timeout_ms: number('milliseconds', 120_000),
    poll_ms: number('milliseconds', 1_000),
    ...RETRY,
  },
  e2b: {
    lifetime_ms: number('milliseconds', MINUTES_15),
    // creating a sandbox from a template that no node has yet takes more than half a minute at times
    request_timeout_ms: number('milliseconds', 120_000),
    ...RETRY,
  },
} as const satisfies Record<string, Record<string, Setting>>;

export type RemoteName = keyof typeof PROVIDER_SETTINGS;

type ValueOf<S> = S extends NumberSetting ? number : S extends FlagSetting ? boolean : string;
/** Of one provider: what was given, or the default. */
export type SettingValues<N extends RemoteName> = {
  readonly [K in keyof (typeof PROVIDER_SETTINGS)[N]]: ValueOf<(typeof PROVIDER_SETTINGS)[N][K]>;
};

type Given = Readonly<Record<string, string>>;

/** @param given of all providers, by full name @throws HarnessError for a value that its setting cannot have */
export function remoteSettings<N extends RemoteName>(provider: N, given: Given = {}): SettingValues<N> {
  const values = Object.entries<Setting>(PROVIDER_SETTINGS[provider]).map(([key, setting]) => {
    const text = given[`${provider}.${key}`];
    if (text === undefined) return [key, setting.initial];
    const wrong = valueComplaint(setting, text);
    if (wrong !== null) throw new HarnessError(`--ek ${provider}.${key}=${text}: ${wrong}`);
    return [key, setting.kind === 'number' ? Number(text) : setting.kind === 'flag' ? text === 'true' : text];
  });
  return Object.fromEntries(values) as SettingValues<N>;
}

/** How often, and with which pauses, a call of the service is made again. */
export function retryPolicy({ tries, first_pause_ms }: SettingValues<RemoteName>): RetryPolicy {
  return { ...DEFAULT_POLICY, tries, firstPauseMs: first_pause_ms };
}

/** Whether there is a setting of this full name. */
export function isSetting(name: string): boolean {
  return find(name) !== null;
}

/** The first mistake in settings of any provider: what is wrong, and what there is instead. Null when there is none. */
export function settingComplaint(given: Given): { message: string; fix: string } | null {
  for (const [name, value] of Object.entries(given)) {
    const what = `--ek ${name}=${value}`;
    const setting = find(name);
    if (setting === null) return { message: `${what}: ${unknown(name)}`, fix: `there is ${offered(name)}` };
    const wrong = valueComplaint(setting, value);
    if (wrong === null) continue;
    const unit = setting.kind === 'number' ? ` (${setting.unit})` : '';
    return { message: `${what}: ${wrong}`, fix: `for example --ek ${name}=${setting.initial}${unit}, the default` };
  }
  return null;
}

function settingsOf(provider: string): Readonly<Record<string, Setting>> | null {
  return Object.hasOwn(PROVIDER_SETTINGS, provider) ? PROVIDER_SETTINGS[provider as RemoteName] : null;
}

function find(name: string): Setting | null {
  const [provider = '', key = '', ...rest] = name.split('.');
  const settings = settingsOf(provider);
  return settings !== null && rest.length === 0 && Object.hasOwn(settings, key) ? (settings[key] ?? null) : null;
}

function unknown(name: string): string {
  const [provider = ''] = name.split('.');
  if (provider === 'docker' || provider === 'embedded') return `${provider} has no settings`;
  return settingsOf(provider) === null ? 'there is no such setting' : `${provider} has no such setting`;
}

/** Of the provider that is named, else of all. */
function offered(name: string): string {
  const [wanted = ''] = name.split('.');
  const providers = settingsOf(wanted) === null ? Object.keys(PROVIDER_SETTINGS) : [wanted];
  return providers
    .flatMap((provider) => Object.keys(settingsOf(provider) ?? {}).map((key) => `${provider}.${key}`))
    .join(', ');
}

function valueComplaint({ kind }: Setting, text: string): string | null {
  switch (kind) {
    case 'number':
      return /^[1-9]\d{0,14}$/.test(text) ? null : `"${text}" is not a whole number from 1`;
    case 'flag':
      return text === 'true' || text === 'false' ? null : `"${text}" is neither true nor false`;
    case 'text':
      return text === '' ? '"" is empty' : null;
  }
}
