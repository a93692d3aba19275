/**
 * The upload of build contexts through a proxy. The SDK makes an S3 client of its own for it (0.216.0, ObjectStorage), which knows no
 * proxy and takes no setting of ours: its transport alone is exchanged here, so that what is sent stays the SDK's.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { Web } from '../../util/web.js';

/** What a context entry is called in the archive must be the end of its path here (SDK, ObjectStorage.uploadAsTar). */
export interface ContextItem {
  readonly sourcePath: string;
  readonly archivePath: string;
}

/** What the API hands out for one upload. */
export interface PushAccess {
  readonly storageUrl: string;
  readonly accessKey: string;
  readonly secret: string;
  readonly sessionToken: string;
  readonly bucket: string;
  readonly region: string;
  readonly organizationId: string;
}

interface ObjectStorage {
  /** Private. */
  readonly s3Client: { readonly config: { requestHandler: unknown } };
  upload(path: string, organizationId: string, archivePath: string): Promise<string>;
}

interface Module {
  readonly ObjectStorage: new (config: object) => ObjectStorage;
}

/** As SnapshotService.processImageContext does it. @returns the hashes for `buildInfo` */
export async function uploadThroughProxy(
  access: PushAccess,
  items: readonly ContextItem[],
  web: Pick<Web, 'fetch'>,
): Promise<string[]> {
  const { ObjectStorage } = await loadStorage();
  const storage = new ObjectStorage({
    endpointUrl: access.storageUrl,
    accessKeyId: access.accessKey,
    secretAccessKey: access.secret,
    sessionToken: access.sessionToken,
    bucketName: access.bucket,
    region: access.region,
  });
  storage.s3Client.config.requestHandler = fetchHandler(web);
  const hashes: string[] = [];
  for (const { sourcePath, archivePath } of items) {
    hashes.push(await storage.upload(sourcePath, access.organizationId, archivePath));
  }
  return hashes;
}

/** The package does not export it. */
async function loadStorage(): Promise<Module> {
  const entry = createRequire(import.meta.url).resolve('@daytona/sdk'); // cjs/index.js
  const file = join(dirname(dirname(entry)), 'esm', 'ObjectStorage.js');
  return (await import(pathToFileURL(file).href)) as Module;
}

/** A request as the AWS client has signed it. */
interface SignedRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly method: string;
  /** Encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** fetch sets the first two by itself, and knows no third; none of it changes what was signed. */
const TRANSPORT_HEADERS = ['host', 'content-length', 'expect'];

function fetchHandler({ fetch }: Pick<Web, 'fetch'>) {
  return {
    metadata: { handlerProtocol: 'http/1.1' },
    async handle(request: SignedRequest, { abortSignal }: { abortSignal?: AbortSignal } = {}) {
      const { method, body } = request;
      const headers = Object.entries(request.headers).filter(
        ([name]) => !TRANSPORT_HEADERS.includes(name.toLowerCase()),
      );
      const response = await fetch(urlOf(request), {
        method,
        headers: Object.fromEntries(headers),
        redirect: 'manual',
        ...(body === undefined || method === 'GET' ? {} : { body }),
        ...(abortSignal === undefined ? {} : { signal: abortSignal }),
      });
      return {
        response: {
          statusCode: response.status,
          reason: response.statusText,
          headers: Object.fromEntries(response.headers),
          body: response.body === null ? undefined : Readable.fromWeb(response.body),
        },
      };
    },
    destroy() {},
  };
}

function urlOf({ protocol, hostname, port, path, query = {} }: SignedRequest): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? ''].flat().map((one) => `${escapeUri(name)}=${escapeUri(one)}`),
  );
  const search = pairs.length === 0 ? '' : `?${pairs.sort().join('&')}`;
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}${search}`;
}

/** RFC 3986, as AWS signs it. */
function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
