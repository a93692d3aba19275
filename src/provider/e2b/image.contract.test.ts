/** Dockerfiles through the translation to steps, the SDK's template builder and the emulator. */

import { ADD_PATTERN, IMAGE_CASES } from '../../testing/image-cases.js';
import { CONTEXT_TIMES, KEPT_CASES } from '../../testing/image-cases-kept.js';
import { describeImages } from '../../testing/image-contract.js';

describeImages('e2b', {
  cases: [...IMAGE_CASES, ...KEPT_CASES, CONTEXT_TIMES, ADD_PATTERN],
  settings: { tries: '3', first_pause_ms: '100' },
  // each host asks for a build of its own; the newer one of a name replaces the older
  buildsOfTwoHosts: 2,
  // the first build breaks down at every try, the one of the base image works
  builderDown: [1, 2, 3].map((occurrence) => ({
    call: 'template.start',
    occurrence,
    fault: { kind: 'status', status: 500 },
  })),
  refused: [
    // templates begin with an image
    { dockerfile: 'FROM scratch\nCOPY x /x\n', place: 'Dockerfile:1', origin: 'provider' },
    // there is nobody to give the secret
    {
      dockerfile: 'FROM debian:bookworm-slim\n\nRUN --mount=type=secret,id=x,required cat /run/secrets/x\n',
      place: 'Dockerfile:3',
      origin: 'provider',
    },
  ],
});
