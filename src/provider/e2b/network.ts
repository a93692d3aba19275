/** Network policies as E2B's options. */
import type { NetworkPolicy } from '../../model/provider.js';
import type { NetworkUpdate } from './sdk.js';

const EVERYTHING = '0.0.0.0/0';

/** Domains are accepted only together with a deny-all (e2b-dev/infra, August 2026). */
export function createOptions(policy: NetworkPolicy): { allowInternetAccess?: boolean; network?: NetworkUpdate } {
  if (policy.mode === 'public') return {};
  if (policy.mode === 'no-network') return { allowInternetAccess: false };
  return { network: { allowOut: policy.hosts, denyOut: [EVERYTHING] } };
}

/** An update replaces everything. */
export function updateOptions(policy: NetworkPolicy): NetworkUpdate {
  if (policy.mode === 'public') return { allowOut: [], denyOut: [], allowInternetAccess: true };
  if (policy.mode === 'no-network') return { allowOut: [], denyOut: [EVERYTHING], allowInternetAccess: false };
  return { allowOut: policy.hosts, denyOut: [EVERYTHING] };
}
