/** Rules of COPY and ADD that need no files: shared by the builder and the scripts for remote providers. */
import { hasGlob } from '../dockerfile/go-path.js';
import type { CopyInstruction } from '../dockerfile/model.js';
import { CopyError } from './copy/error.js';
import { parseChmod } from './copy/mode.js';
import { absolutePath, type BytePath, bytesOf } from './copy/tree.js';
import { isGitSource, isUrl } from './download.js';
import { inWorkdir } from './metadata.js';
import type { StageState } from './state.js';

/** What can be refused before anything is read. @throws SyntaxError, CopyError */
export function checkCopy(copy: CopyInstruction): void {
  if (copy.chmod !== null) parseChmod(copy.chmod);
  for (const source of copy.sources) {
    if (isGitSource(source)) throw new CopyError(`${source}: ADD of a git repository is not supported`);
    if (copy.keyword === 'COPY' && isUrl(source)) throw new CopyError("source can't be a URL for COPY");
  }
  if (copy.checksum === null) return;
  if (copy.sources.length !== 1) throw new SyntaxError("checksum can't be specified for multiple sources");
  if (!isUrl(copy.sources[0] ?? '')) throw new SyntaxError('checksum requires HTTP(S) or Git sources');
}

/** Absolute; a slash at the end says that a directory is meant. */
export function copyDestination(state: StageState, written: string): BytePath {
  const path = absolutePath(bytesOf(inWorkdir(state, written)));
  const directory = written === '' || written === '.' || /\/\.?$/.test(written);
  return path + (directory && path !== '/' ? '/' : '');
}

/** `--parents`: what is searched, and which paths in it are wanted; `/./` in the source is the border. */
export function parentsOf(source: string): { root: string; pattern: string; required: string | null } {
  const pivot = source.indexOf('/./');
  const root = pivot < 0 ? '/' : source.slice(0, pivot);
  const pattern = absolutePath(pivot < 0 ? source : source.slice(pivot + 3)).slice(1);
  return { root, pattern, required: hasGlob(root) || hasGlob(pattern) ? null : `${root}/${pattern}` };
}
