/** What an emulator knows and its API has no word for, on a port of its own: `GET /images/<name>` tells where an image's bytes come from. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PreparedImage } from '../../model/image.js';
import { matchPath } from './routes.js';

export interface RunningFacts {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Of what the backend says about an image, only this is true of the emulated one too: its builder is another. */
const SHARED_WARNING = 'BootstrappedImage';

/** @param imageOf an image by the emulated service's name for it; null: there is none of that name */
export async function startFacts(imageOf: (name: string) => PreparedImage | null): Promise<RunningFacts> {
  const server = createServer((request, response) => {
    const name = matchPath('/images/:name', request.url ?? '')?.['name'];
    const image = name === undefined ? null : imageOf(name);
    if (image === null) {
      response.writeHead(404).end();
      return;
    }
    const warnings = image.warnings.filter(({ code }) => code === SHARED_WARNING);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ provenance: image.provenance, warnings }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
