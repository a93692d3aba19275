/** Whether Tensorlake can be used from here; creates nothing. */
import type { Preflight } from '../../model/provider.js';
import { errorMessage } from '../../util/cause-chain.js';
import { remotePreflight } from '../remote/preflight.js';
import { complainAboutUrl, type TensorlakeConfig } from './config.js';
import { mapError } from './errors.js';
import type { Sdk } from './sdk.js';

/** Seconds. */
const LIMIT = 15;
const NO_KEY = {
  what: 'TENSORLAKE_API_KEY',
  fix: 'create a key at https://cloud.tensorlake.ai and set TENSORLAKE_API_KEY',
};
const NO_IDS =
  'without TENSORLAKE_ORGANIZATION_ID and TENSORLAKE_PROJECT_ID registered images cannot be looked up: each is prepared again';

export async function preflight(
  config: TensorlakeConfig,
  load: () => Promise<Sdk>,
  signal: AbortSignal,
): Promise<Preflight> {
  try {
    return await remotePreflight(
      {
        package: 'tensorlake',
        missing: missing(config),
        keys: 'TENSORLAKE_API_KEY',
        address: 'TENSORLAKE_API_URL',
        url: config.apiUrl,
        env: config.env,
        look: async () => (await load()).client(LIMIT).list(),
        mapError(error) {
          if (isOldNode(error)) throw error;
          return mapError(error, 'look', 'preflight');
        },
        warnings: config.organizationId === null || config.projectId === null ? [NO_IDS] : [],
      },
      signal,
    );
  } catch (error) {
    if (!isOldNode(error)) throw error;
    return {
      status: 'missing',
      what: 'the npm package tensorlake asks for Node 22 or later',
      fix: 'add "overrides": { "tensorlake": { "undici": "^7.16.0" } } to your package.json and install again, or use Node 22',
    };
  }
}

function missing(config: TensorlakeConfig): { what: string; fix: string } | null {
  if (config.apiKey === null) return NO_KEY;
  if (config.complaint !== null) return config.complaint;
  const complaint = complainAboutUrl(config);
  return complaint === null ? null : { what: complaint, fix: 'correct or unset TENSORLAKE_API_URL' };
}

/** Its undici 8 does not load on Node 20. */
function isOldNode(error: unknown): boolean {
  return /markAsUncloneable/.test(errorMessage(error));
}
