/** Answers to `WWW-Authenticate`: basic, and bearer tokens (distribution spec, "token authentication"). */
import { ImagePullError } from '../../exception/errors.js';
import type { Web } from '../../util/web.js';
import type { Credentials } from './credentials.js';
import { responseError } from './errors.js';
import { isLoopback } from './hosts.js';

export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly parameters: Readonly<Record<string, string>>;
}

const CLIENT_ID = 'plumbline';

/** The challenge to answer: bearer where it is offered, else basic; null when neither is. */
export function parseChallenge(header: string): Challenge | null {
  const challenges: Challenge[] = [];
  for (const part of header.matchAll(/\b(Basic|Bearer)\b((?:\s*,?\s*[a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^\s,"]+))*)/gi)) {
    const parameters: Record<string, string> = {};
    for (const pair of (part[2] ?? '').matchAll(/([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi)) {
      parameters[(pair[1] ?? '').toLowerCase()] = (pair[2] ?? pair[3] ?? '').replaceAll(/\\(.)/g, '$1');
    }
    challenges.push({ scheme: part[1]?.toLowerCase() === 'basic' ? 'basic' : 'bearer', parameters });
  }
  return challenges.find(({ scheme }) => scheme === 'bearer') ?? challenges[0] ?? null;
}

/**
 * The Authorization header for a challenge; null when there is nothing to answer with.
 * @throws ImagePullError when the token server refuses, RegistryRateLimitError
 */
export async function answerChallenge(
  challenge: Challenge,
  credentials: Credentials | null,
  scope: string,
  { fetch }: Web,
  signal: AbortSignal,
): Promise<string | null> {
  if (challenge.scheme === 'basic') return credentials?.kind === 'basic' ? basicHeader(credentials) : null;
  const { realm, service } = challenge.parameters;
  if (realm === undefined || !URL.canParse(realm)) {
    throw new ImagePullError(`The registry asks for a token from "${realm ?? ''}", which is no URL.`);
  }
  const url = new URL(realm);
  if (credentials !== null && url.protocol !== 'https:' && !isLoopback(url.host)) {
    throw new ImagePullError(`The registry asks to send a password in clear text to ${url.host}.`, {
      retryable: false,
    });
  }
  const wanted = challenge.parameters['scope'] ?? scope;
  const response = await (credentials?.kind === 'identity'
    ? fetch(url, { method: 'POST', body: refreshForm(credentials.token, service, wanted), signal })
    : fetch(tokenUrl(url, service, wanted), {
        headers: credentials === null ? {} : { authorization: basicHeader(credentials) },
        signal,
      }));
  const body = await response.text();
  if (!response.ok) {
    throw responseError(
      { status: response.status, headers: response.headers, body: body.slice(0, 4096) },
      wanted,
      url.host,
      Date.now(),
    );
  }
  const token = tokenOf(body);
  if (token === null) throw new ImagePullError(`The token server ${url.host} gave no token.`);
  return `Bearer ${token}`;
}

function tokenUrl(realm: URL, service: string | undefined, scope: string): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const one of scope.split(' ')) url.searchParams.append('scope', one);
  url.searchParams.set('client_id', CLIENT_ID);
  return url;
}

function refreshForm(token: string, service: string | undefined, scope: string): URLSearchParams {
  const form = { grant_type: 'refresh_token', refresh_token: token, client_id: CLIENT_ID, scope };
  return new URLSearchParams(service === undefined ? form : { ...form, service });
}

function tokenOf(body: string): string | null {
  try {
    const { token, access_token } = JSON.parse(body) as { token?: unknown; access_token?: unknown };
    if (typeof token === 'string' && token !== '') return token;
    return typeof access_token === 'string' && access_token !== '' ? access_token : null;
  } catch {
    return null; // the caller says what is missing
  }
}

function basicHeader({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
