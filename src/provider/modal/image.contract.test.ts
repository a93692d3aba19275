/** Dockerfiles and their contexts through the mount, the translation and the emulator. */

import { ADD_PATTERN, IMAGE_CASES } from '../../testing/image-cases.js';
import { KEPT_CASES } from '../../testing/image-cases-kept.js';
import { describeImages } from '../../testing/image-contract.js';

/** A mount of Modal's cannot hold it, so the context travels as an archive. */
const LINK = { 'one.txt': '1', link: { link: 'one.txt' } } as const;

describeImages('modal', {
  cases: [...IMAGE_CASES, ...KEPT_CASES, ADD_PATTERN],
  settings: { tries: '3', first_pause_ms: '100' },
  // images are kept by their definition: the second host is given the build of the first
  buildsOfTwoHosts: 1,
  builderDown: [{ call: 'ImageGetOrCreate', occurrence: 1, fault: { kind: 'death' } }],
  refused: [
    // an archive takes a stage of its own: one instruction takes from it or from elsewhere
    {
      dockerfile: 'FROM debian:bookworm-slim\n\nADD https://example.org/x link /y/\n',
      files: LINK,
      place: 'Dockerfile:3',
      origin: 'provider',
    },
  ],
});
