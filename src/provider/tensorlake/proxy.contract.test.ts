import { describeBehindProxy } from '../../testing/proxy-contract.js';

await describeBehindProxy('tensorlake', {
  hosts: ['api.plumbline.test', 'sandbox.plumbline.test', 'parts.plumbline.test'],
  settings: { 'tensorlake.tries': '1' },
  // this is Tensorlake's own shape, whose paths differ with the host
  env: (far) => Object.fromEntries(Object.entries(far).filter(([name]) => !name.startsWith('PLUMBLINE_EMULATED_'))),
  rewrite: (host, path) =>
    host === 'sandbox.plumbline.test' && path.startsWith('/sandboxes') ? `/v1/namespaces/default${path}` : path,
});
