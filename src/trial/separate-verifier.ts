/** A verifier in a sandbox of its own (harbor-semantics 3.10). */
import { posix } from 'node:path';
import { baselinePolicy, samePolicy } from '../task/verifier-mode.js';
import { type OffTheClock, withDeadline } from '../util/deadline.js';
import type { Collected } from './artifacts.js';
import { declaresConvention } from './artifacts.js';
import type { Attempt } from './attempt.js';
import { ARTIFACTS } from './container-paths.js';
import { type Box, housekeep, type Scope } from './exec.js';
import { originOfSlowness, prepareImage, verifierDefinition } from './image.js';
import { limitSec } from './limits.js';
import { hostDirOf } from './logs.js';
import { runPhase } from './phases.js';
import type { Unit } from './plan.js';
import { separatePrepScript } from './scripts.js';
import { type BoxRequest, createSandbox, type Live, startBox, startBudget } from './start.js';
import { grade, type Verdict } from './verifier.js';

/**
 * Builds and starts the verifier's environment, gives it the artifacts at their old places, and grades. /tests belongs to its
 * image and is not touched. All of it is the phase `verifier`, whatever fails.
 * @throws PhaseFailure
 */
export function verifySeparate(
  attempt: Attempt,
  unit: Unit,
  env: Readonly<Record<string, string>>,
  collected: readonly Collected[],
  live: Live,
  verdict: Verdict,
): Promise<void> {
  const options = { step: unit.name, limitSec: unit.verifierLimitSec, pinned: true };
  return runPhase(attempt, 'verifier', options, async (signal) => {
    const box = await startVerifier(attempt, unit, env, live, signal);
    const scope: Scope = { phase: 'verifier', step: unit.name, signal };
    await giveArtifacts(attempt, box, scope, unit, collected);
    await box.network.to(unit.verifier.network, signal);
    await grade(attempt, box, unit, scope, verdict, ['verifier']);
  });
}

/**
 * Under the limit of the verifier's own environment; expiry is EnvironmentStartTimeoutError, which Harbor calls
 * VerifierTimeoutError with the wrong number (harbor-semantics 10, point 6).
 */
async function startVerifier(
  attempt: Attempt,
  unit: Unit,
  env: Readonly<Record<string, string>>,
  live: Live,
  signal: AbortSignal,
): Promise<Box> {
  const { environment, network } = unit.verifier;
  const { settings, task } = attempt.input;
  const definition = await verifierDefinition(task, unit.step, environment);
  const { spec } = definition;
  const baseline = baselinePolicy(environment);
  const request: BoxRequest = {
    role: 'verifier',
    step: unit.name,
    environment,
    env,
    network: baseline,
    networkWillChange: !samePolicy(network, baseline),
  };
  const limit = limitSec(environment.build_timeout_sec, settings, 'environmentBuildTimeoutMultiplier');
  const budget = startBudget(attempt, limit);
  const harborType = unit.step === null ? 'VerifierTimeoutError' : 'TimeoutError';
  const preparing = { harborType, origin: originOfSlowness(spec) };
  const slowImage = (cause?: unknown) => budget.expired('verifier', 'preparing its image', { ...preparing, cause });
  let expired = () => slowImage();
  const start = async (own: AbortSignal, queued: OffTheClock) => {
    const remainingMs = budget.remainingMs();
    if (remainingMs === 0) throw expired();
    const image = await prepareImage(attempt, { spec, forceBuild: false, remainingMs, expired: slowImage }, own);
    expired = () => budget.expired('verifier', 'creating its sandbox', { harborType });
    const sandbox = await createSandbox(attempt, request, image, { signal: own, queued }, live);
    expired = () => budget.expired('verifier', 'starting its sandbox', { harborType });
    return startBox(attempt, { phase: 'verifier', step: unit.name, signal: own }, sandbox, image, request, definition);
  };
  return withDeadline(budget.remainingMs(), start, () => expired(), signal);
}

async function giveArtifacts(
  attempt: Attempt,
  box: Box,
  scope: Scope,
  unit: Unit,
  collected: readonly Collected[],
): Promise<void> {
  const usable = collected.filter((entry) => entry.status === 'ok' || entry.status === 'empty');
  const directories = usable.filter((entry) => entry.type === 'directory').map((entry) => entry.path);
  const files = usable.filter((entry) => entry.type === 'file').map((entry) => posix.dirname(entry.path));
  const convention = declaresConvention(unit) ? [] : [ARTIFACTS];
  const script = separatePrepScript([...new Set([...convention, ...directories])], [...new Set(files)]);
  await housekeep(attempt, box, scope, 'verifier preparation', script);
  if (convention.length > 0)
    await box.sandbox.upload(hostDirOf(unit, 'artifacts'), ARTIFACTS, { signal: scope.signal });
  for (const entry of usable) await box.sandbox.upload(entry.hostPath, entry.path, { signal: scope.signal });
}
