/** Dockerfiles as they are rewritten, uploaded and built by the emulator, which loses what the server's builder loses. */

import { ADD_PATTERN, IMAGE_CASES } from '../../testing/image-cases.js';
import { CONTEXT_TIMES, KEPT_CASES } from '../../testing/image-cases-kept.js';
import { describeImages } from '../../testing/image-contract.js';

describeImages('daytona', {
  cases: [...IMAGE_CASES, ...KEPT_CASES, CONTEXT_TIMES, ADD_PATTERN],
  settings: { tries: '3', first_pause_ms: '100' },
  // the name is unique in the organisation: the second host is told that it exists, and waits for it
  buildsOfTwoHosts: 1,
  builderDown: [{ call: 'snapshot.create', occurrence: 1, fault: { kind: 'death' } }],
  refused: [
    // the context is a stage of its own: one instruction takes from it or from elsewhere
    {
      dockerfile: 'FROM debian:bookworm-slim\n\nADD https://example.org/x Dockerfile /y/\n',
      place: 'Dockerfile:3',
      origin: 'provider',
    },
  ],
});
