/** A Dockerfile whose base images go by other names: BuildKit before 0.11 has no named contexts that could say it outside. */
import type { Dockerfile } from './model.js';

/**
 * @param renamed expanded image name → the name to use. Every FROM, `--from=` and `from=` that expands to it is rewritten;
 *   lines keep their numbers
 * @param expand a word of FROM with the global ARGs
 */
export function rewriteBases(
  text: string,
  model: Dockerfile,
  renamed: ReadonlyMap<string, string>,
  expand: (word: string) => string,
): string {
  const lines = text.split('\n');
  const replaceIn = (line: number, endLine: number, word: string, by: string, before: string) => {
    for (let at = line - 1; at < Math.min(endLine, lines.length); at += 1) {
      const found = lines[at] ?? '';
      const pattern = new RegExp(`(${before})${escapeRegExp(word)}(?=[\\s,\\\\]|$)`, 'i');
      if (!pattern.test(found)) continue;
      lines[at] = found.replace(pattern, (_, lead: string) => `${lead}${by}`);
      return;
    }
  };
  for (const stage of model.stages) {
    const by = renamed.get(expand(stage.base));
    if (by !== undefined) replaceIn(stage.line, stage.line + 20, stage.base, by, '^\\s*FROM(?:\\s+--\\S+)*\\s+|^\\s*');
    for (const instruction of stage.instructions) {
      for (const [from, name] of renamed) {
        if (instruction.keyword === 'COPY' && instruction.from === from) {
          replaceIn(instruction.line, instruction.endLine, from, name, '--from=["\']?');
        }
        if (
          instruction.keyword === 'RUN' &&
          instruction.mounts.some((mount) => mount.split(',').includes(`from=${from}`))
        ) {
          replaceIn(instruction.line, instruction.endLine, from, name, '[=,]from=');
        }
      }
    }
  }
  return lines.join('\n');
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
