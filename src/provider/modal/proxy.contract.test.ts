import { describeBehindProxy } from '../../testing/proxy-contract.js';

await describeBehindProxy('modal', {
  hosts: ['api.plumbline.test', 'parts.plumbline.test'],
  settings: { 'modal.tries': '1', 'modal.request_timeout_ms': '12000' },
  protocol: 'h2',
});
