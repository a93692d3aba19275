/** Network policies as Tensorlake's options. */
import type { NetworkPolicy } from '../../model/provider.js';
import type { SdkCreateRequest } from './sdk.js';

export function createNetwork(policy: NetworkPolicy): Pick<SdkCreateRequest, 'allowInternetAccess' | 'allowOut'> {
  if (policy.mode === 'public') return {};
  if (policy.mode === 'no-network') return { allowInternetAccess: false };
  // a list alone denies the rest; without internet access not even its names would be resolved
  return { allowInternetAccess: true, allowOut: policy.hosts };
}
