/** Bases by digest: a builder that keeps a tag's old image, or a build's old result, must not take it for what the tag means now. */
import { globalArgs, platformArgs } from '../../image/dockerfile/args.js';
import { rewriteBases } from '../../image/dockerfile/base-rewrite.js';
import { parseDockerfile } from '../../image/dockerfile/parse.js';
import { expandWord } from '../../image/dockerfile/shell-lexer.js';
import { parseReference } from '../../image/reference.js';
import type { Platform } from '../../model/image.js';
import type { Bases } from './image-identity.js';

/** The name with what it means now; as it is where that is not known, or stands there already. */
export function pinnedName(ref: string, digest: string | null): string {
  return digest === null || parseReference(ref).digest !== null ? ref : `${ref}@${digest}`;
}

/** The Dockerfile with its bases by digest; lines keep their numbers. @param file its name, for messages */
export function pinBases(text: string, file: string, platform: Platform, bases: Bases): string {
  const model = parseDockerfile(text, file);
  const globals = globalArgs(model, {}, platformArgs(platform, platform, ''));
  const expand = (word: string) => expandWord(word, (name) => globals.get(name), { escape: model.directives.escape });
  const renamed = [...bases].map(([ref, digest]) => [ref, pinnedName(ref, digest)] as const);
  return rewriteBases(text, model, new Map(renamed.filter(([ref, name]) => ref !== name)), expand);
}
