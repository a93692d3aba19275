/**
 * The proxy variables, read in one way for every client: the scheme's own variable, then ALL_PROXY, lower case first (as curl does);
 * NO_PROXY with hosts, their subdomains, ports, CIDRs and `*`; loopback is never sent through a proxy, as in Go.
 */
import { BlockList, isIP } from 'node:net';

export type ProxyEnv = Readonly<Record<string, string | undefined>>;

export interface ChosenProxy {
  /** `http://host:port`, without credentials: fit for messages. */
  readonly origin: string;
  /** With its credentials. */
  readonly url: string;
  /** Value of Proxy-Authorization; null: no credentials. */
  readonly authorization: string | null;
  /** The variable that names it. */
  readonly variable: string;
}

/** A proxy variable that cannot be followed. Going direct instead could leak what the proxy is there to hold back. */
export class ProxySettingError extends Error {
  override readonly name = 'ProxySettingError';
}

/** The proxy for a URL; null: direct. @throws ProxySettingError */
export function proxyFor(target: string | URL, env: ProxyEnv): ChosenProxy | null {
  const url = new URL(target);
  if (isLoopback(url.hostname) || noProxyList(env).some((entry) => exempts(entry, url))) return null;
  return chosenProxy(url.protocol === 'http:' ? 'http' : 'https', env);
}

/** Whether any client could have to use a proxy. */
export function hasProxy(env: ProxyEnv): boolean {
  return variableOf('http', env) !== null || variableOf('https', env) !== null;
}

/**
 * The variables for clients that read them from the process by themselves, each by its own rules: both spellings, ALL_PROXY
 * resolved, and NO_PROXY in the form that all of them understand. Empty without a proxy.
 * @throws ProxySettingError
 */
export function proxyVariables(env: ProxyEnv): Record<string, string> {
  if (!hasProxy(env)) return {};
  const http = chosenProxy('http', env)?.url;
  const https = chosenProxy('https', env)?.url;
  return {
    ...(http === undefined ? {} : { http_proxy: http, HTTP_PROXY: http }),
    ...(https === undefined ? {} : { https_proxy: https, HTTPS_PROXY: https }),
    ...both('no_proxy', plainNoProxy(env).join(',')),
  };
}

/** NO_PROXY for clients that take an entry for a host name alone, or for the end of one; loopback is in it. */
export function plainNoProxy(env: ProxyEnv): string[] {
  const listed = noProxyList(env);
  if (listed.includes('*')) return ['*'];
  const plain = listed.flatMap((entry) => {
    const { host, port } = splitEntry(entry);
    if (host.includes('/') || isIP(host) !== 0) return [host];
    // who knows no ports makes nothing of an entry with one: the default of https is said for them without it
    return port === null ? [host, `.${host}`] : [entry, ...(port === '443' ? [host, `.${host}`] : [])];
  });
  return [...new Set([...plain, '127.0.0.1', 'localhost', '::1'])];
}

export function isLoopback(hostname: string): boolean {
  const host = bare(hostname);
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function both(name: string, value: string): Record<string, string> {
  return { [name]: value, [name.toUpperCase()]: value };
}

function variableOf(scheme: 'http' | 'https', env: ProxyEnv): string | null {
  const names = [`${scheme}_proxy`, 'all_proxy'].flatMap((name) => [name, name.toUpperCase()]);
  return names.find((name) => env[name]) ?? null;
}

function chosenProxy(scheme: 'http' | 'https', env: ProxyEnv): ChosenProxy | null {
  const variable = variableOf(scheme, env);
  return variable === null ? null : parseProxy(env[variable] ?? '', variable);
}

function parseProxy(value: string, variable: string): ChosenProxy {
  const text = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(text)) throw new ProxySettingError(`${variable} is not the URL of a proxy`);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ProxySettingError(`${variable}: only http:// and https:// proxies can be used, not ${url.protocol}//`);
  }
  const { username, password, origin } = url;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    origin,
    url: username === '' ? origin : `${url.protocol}//${username}:${password}@${url.host}`,
    authorization: username === '' ? null : `Basic ${Buffer.from(credentials).toString('base64')}`,
    variable,
  };
}

function noProxyList(env: ProxyEnv): string[] {
  return (env['no_proxy'] || env['NO_PROXY'] || '')
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
}

function exempts(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const { host, port } = splitEntry(entry);
  if (port !== null && port !== (url.port || (url.protocol === 'http:' ? '80' : '443'))) return false;
  const asked = bare(url.hostname);
  return host.includes('/') ? inSubnet(asked, host) : asked === host || asked.endsWith(`.${host}`);
}

/** `*.example.com`, `.example.com` and `example.com` are one. */
function splitEntry(entry: string): { host: string; port: string | null } {
  const [, bracketed, plain = entry, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? [];
  return { host: bracketed ?? plain.replace(/^\*?\./, ''), port: port ?? null };
}

function inSubnet(address: string, cidr: string): boolean {
  const [net = '', bits = ''] = cidr.split('/');
  const family = isIP(net);
  if (family === 0 || family !== isIP(address) || !/^\d{1,3}$/.test(bits)) return false;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(net, Number(bits), kind);
  return list.check(address, kind);
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').toLowerCase();
}
