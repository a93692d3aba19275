/** A known failure is excused by a page of ours that says what it is, what it means, and where that is known from. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KNOWN_FAILURES } from './known-failures.js';

const entries = Object.entries(KNOWN_FAILURES).flatMap(([provider, list]) =>
  (list ?? []).map((failure) => ({ provider, ...failure })),
);

/** As GitHub makes them of headings of words. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );
}

describe.each(entries)('$provider, $check', ({ check, reason, link }) => {
  test('is explained where its link leads', () => {
    const [file = '', anchor = ''] = link.split('#');
    expect(file).toMatch(/^docs\/[a-z0-9-]+\.md$/);
    const page = readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
    expect(anchorsOf(page)).toContain(anchor);
    expect(page).toContain(`\`${check}\``);
    expect(reason.length).toBeGreaterThan(20);
  });
});
