/** The labels that every provider puts on what it creates, so that `list` and `reap` find it again without the journal. */
import type { Owner, SandboxSpec } from '../model/provider.js';

export const LABEL_RUN = 'plumbline.run';
export const LABEL_OWNER = 'plumbline.owner';
export const LABEL_EXPIRES = 'plumbline.expires';
/** The sandbox's `spec.name`: ties a network or volume to the sandbox that it was made for. */
export const LABEL_NAME = 'plumbline.name';
export const LABEL_TRIAL = 'plumbline.trial';
export const LABEL_TASK = 'plumbline.task';
/** On images of ours: the content digest of what was asked for. */
export const LABEL_DIGEST = 'plumbline.digest';
/** On images of ours: where the bytes come from (model/image.ts, Provenance). */
export const LABEL_PROVENANCE = 'plumbline.provenance';

export type Labels = Record<string, string>;

/** The three labels that make a thing ours. */
export function ownerLabels(owner: Owner): Labels {
  return { [LABEL_RUN]: owner.runId, [LABEL_OWNER]: owner.owner, [LABEL_EXPIRES]: owner.expiresAt };
}

/** All labels of a sandbox and of everything made for it. Names of `spec.labels` without a dot get our prefix. */
export function sandboxLabels(spec: Pick<SandboxSpec, 'name' | 'owner' | 'labels'>): Labels {
  const labels: Labels = { ...ownerLabels(spec.owner), [LABEL_NAME]: spec.name };
  for (const [name, value] of Object.entries(spec.labels)) {
    labels[name.includes('.') ? name : `plumbline.${name}`] = value;
  }
  return labels;
}

/** What finds a sandbox by name: that is unique among those of one process's run only, and others may use the same account. */
export function nameLabels(name: string, { runId, owner }: Pick<Owner, 'runId' | 'owner'>): Labels {
  return { [LABEL_NAME]: name, [LABEL_RUN]: runId, [LABEL_OWNER]: owner };
}

/** The owner behind a set of labels; null when the thing is not ours. */
export function ownerFromLabels(labels: Readonly<Record<string, string | undefined>>): Owner | null {
  const runId = labels[LABEL_RUN];
  const owner = labels[LABEL_OWNER];
  const expiresAt = labels[LABEL_EXPIRES];
  if (runId === undefined || owner === undefined || expiresAt === undefined) return null;
  return { runId, owner, expiresAt };
}
