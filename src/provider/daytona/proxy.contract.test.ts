import { describeBehindProxy } from '../../testing/proxy-contract.js';

await describeBehindProxy('daytona', {
  hosts: ['api.plumbline.test', 'parts.plumbline.test'],
  settings: { 'daytona.tries': '1' },
  // to the object storage in several parts
  contextBytes: 7_000_000,
});
