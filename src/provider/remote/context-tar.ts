/** A build context after .dockerignore as one tar in which nothing is lost: types, modes, links, empty directories; owner 0:0. */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isArchive } from '../../image/builder/archive.js';
import { tarOf } from '../../image/builder/copy/tar.js';
import type { PlannedEntry } from '../../image/builder/copy/target.js';
import { type ContextEntry, contextEntries } from '../../image/context-entries.js';
import { goPattern } from '../../image/dockerfile/go-path.js';
import { loadIgnore } from '../../image/dockerignore.js';
import type { ContextFacts } from './context-stage.js';

/** 2000-01-01. */
const FIXED_TIME = 946_684_800_000_000_000n;

/** `kept`: those of this checkout. `fixed`: the same for all, for a provider that takes the archive's bytes for the image's identity. */
export type ContextTimes = 'kept' | 'fixed';

/** @throws EnvironmentDefinitionError for what cannot be read */
export async function readContext(contextDir: string, dockerfile: string): Promise<ContextEntry[]> {
  const rules = await loadIgnore(contextDir, dockerfile);
  const entries: ContextEntry[] = [];
  for await (const entry of contextEntries(contextDir, rules)) entries.push(entry);
  return entries;
}

export function contextFacts(entries: readonly ContextEntry[]): ContextFacts {
  const byName = new Map(entries.map((entry) => [entry.name, entry] as const));
  const archive = async (entry: ContextEntry) => entry.type === 'file' && (await isArchive(asBuffer(entry.hostPath)));
  return {
    async kindOf(source) {
      const entry = byName.get(source);
      if (entry === undefined) return source === '' ? 'other' : 'missing';
      return (await archive(entry)) ? 'archive' : 'other';
    },
    async hasArchive(pattern) {
      let matches: RegExp;
      try {
        matches = goPattern(pattern);
      } catch {
        return false; // a malformed pattern is the builder's to refuse, as it does with the task's own Dockerfile
      }
      for (const entry of entries) if (matches.test(entry.name) && (await archive(entry))) return true;
      return false;
    },
  };
}

export async function writeContextTar(
  entries: readonly ContextEntry[],
  path: string,
  times: ContextTimes = 'kept',
): Promise<void> {
  const tar = tarOf(planned(entries, times), new Map(), FIXED_TIME);
  await pipeline(Readable.from(tar), createWriteStream(path));
}

function planned(entries: readonly ContextEntry[], times: ContextTimes): PlannedEntry[] {
  const firsts = new Map<string, string>();
  return entries.map((entry) => {
    const path = `/${entry.path.toString('latin1')}`;
    const first = entry.linkGroup === null ? undefined : firsts.get(entry.linkGroup);
    if (entry.linkGroup !== null && first === undefined) firsts.set(entry.linkGroup, path);
    const { device, type } = entry;
    return {
      path,
      type: first !== undefined ? 'hardlink' : type === 'device' ? (device?.kind === 'b' ? 'block' : 'char') : type,
      mode: entry.mode,
      uid: 0,
      gid: 0,
      mtimeNs: times === 'kept' ? entry.mtimeNs : FIXED_TIME,
      target: first ?? entry.target?.toString('latin1') ?? null,
      rdev: device?.rdev ?? 0n,
      content: type === 'file' && first === undefined ? { hostPath: entry.hostPath, size: entry.size } : null,
      xattrsOf: null,
      keepsCapabilities: false,
    };
  });
}

function asBuffer(path: Buffer | string): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : path;
}
