/** The closed vocabularies of the project (docs/design.md section 1). Lists are values so that code and docs can iterate them. */

export const PHASES = [
  'load',
  'prepare_image',
  'create',
  'start',
  'healthcheck',
  'oracle',
  'verifier',
  'collect',
  'teardown',
] as const;
export type Phase = (typeof PHASES)[number];

/** Disjoint and complete: every planned trial ends in exactly one. */
export const OUTCOMES = ['pass', 'fail', 'error', 'unsupported', 'cancelled', 'not_run'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Who has to act on a non-pass. */
export const ORIGINS = ['task', 'provider', 'network', 'harness', 'unknown'] as const;
export type Origin = (typeof ORIGINS)[number];

export const PROVIDER_NAMES = ['embedded', 'docker', 'tensorlake', 'modal', 'daytona', 'e2b'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

export const AGENTS = ['oracle', 'nop'] as const;
export type Agent = (typeof AGENTS)[number];

/** The label under which graded failures are grouped; not an exception class. */
export const REWARD_BELOW_ONE = 'RewardBelowOne';

/** How a provider is called wherever a result of it is shown: `e2b`, or `e2b (emulated)`, never without saying so. */
export function providerTitle({ name, emulated }: { readonly name: string; readonly emulated: boolean }): string {
  return emulated ? `${name} (emulated)` : name;
}
