/** Dockerfiles as they are rewritten for the SDK's planner and built by the emulated builder. */

import { ADD_PATTERN, IMAGE_CASES } from '../../testing/image-cases.js';
import { CONTEXT_TIMES, KEPT_CASES } from '../../testing/image-cases-kept.js';
import { describeImages } from '../../testing/image-contract.js';

describeImages('tensorlake', {
  cases: [...IMAGE_CASES, ...KEPT_CASES, CONTEXT_TIMES, ADD_PATTERN],
  settings: { tries: '3', first_pause_ms: '100' },
  // each host rents a builder; the second to register the name is told that it exists
  buildsOfTwoHosts: 2,
  // the first build breaks down at every try, the import of the base image works
  builderDown: [1, 2, 3].map((occurrence) => ({
    call: 'build.prepare',
    occurrence,
    fault: { kind: 'status', status: 500 },
  })),
  refused: [
    // the context is a stage of its own: one instruction takes from it or from elsewhere
    {
      dockerfile: 'FROM debian:bookworm-slim\n\nADD https://example.org/x Dockerfile /y/\n',
      place: 'Dockerfile:3',
      origin: 'provider',
    },
  ],
});
