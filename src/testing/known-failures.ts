/** What a service itself cannot do: these checks must fail, emulated and live, and a surprise pass fails the tests. */
import type { ProviderName } from '../model/words.js';
import type { KnownFailure } from '../provider/checks/index.js';

export const KNOWN_FAILURES: Readonly<Partial<Record<ProviderName, readonly KnownFailure[]>>> = {
  tensorlake: [
    {
      check: 'lifecycle/entrypoint',
      reason: 'Tensorlake itself starts the image’s ENTRYPOINT, and its create call takes no environment for it',
      link: 'docs/tensorlake.md#known-failures-of-the-contract',
    },
  ],
  modal: [
    {
      check: 'lifecycle/entrypoint-user',
      reason: 'Modal ignores the image’s USER: it starts ENTRYPOINT as root, and its create call takes no user',
      link: 'docs/modal.md#known-failures-of-the-contract',
    },
  ],
};
