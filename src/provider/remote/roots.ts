/**
 * Certificates for clients that take one file of roots in place of their own and do not know NODE_EXTRA_CA_CERTS: grpc-js, and native
 * code with rustls.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { NetworkError } from '../../exception/errors.js';
import { writeFileAtomic } from '../../util/atomic-write.js';

export interface ExtraRoots {
  /** What NODE_EXTRA_CA_CERTS names. */
  readonly from: string;
  /** Where to write the file of all roots. */
  readonly to: string;
}

/** Null when there is nothing to add: no extra file, or a whole bundle that the client is told to use. @param bundles names of variables */
export function extraRoots(
  env: Readonly<Record<string, string | undefined>>,
  bundles: readonly string[],
  stateDir: string,
  provider: string,
): ExtraRoots | null {
  const from = env['NODE_EXTRA_CA_CERTS'];
  if (!from || bundles.some((name) => env[name])) return null;
  return { from, to: join(stateDir, provider, 'roots.pem') };
}

/** Node's roots and the extra ones in one file. @returns its path @throws NetworkError when the extra file cannot be read */
export async function writeRoots({ from, to }: ExtraRoots): Promise<string> {
  const extra = await readFile(from, 'utf8').catch((cause: unknown) => {
    throw new NetworkError(`NODE_EXTRA_CA_CERTS: ${from} cannot be read`, { cause, origin: 'harness' });
  });
  await mkdir(dirname(to), { recursive: true });
  await writeFileAtomic(to, `${[...rootCertificates, extra.trim()].join('\n')}\n`);
  return to;
}
