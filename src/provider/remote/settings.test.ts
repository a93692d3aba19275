/** The settings of `--ek`: what is declared is what is read, documented and checked. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PROVIDER_SETTINGS, remoteSettings, settingComplaint } from './settings.js';

const DOCS = join(import.meta.dirname, '../../../docs');

describe('a setting', () => {
  test.each([
    ['e2b.lifetime_ms', '60000'],
    ['tensorlake.docker_compat', 'true'],
    ['modal.app', 'mine'],
    ['daytona.tries', '1'],
  ])('%s=%s is fine', (name, value) => {
    expect(settingComplaint({ [name]: value })).toBeNull();
  });

  test.each([
    ['e2b.nonsense', '1', /^--ek e2b\.nonsense=1: e2b has no such setting$/, /lifetime_ms.*tries/],
    ['e2b.lifetimems', '1', /e2b\.lifetimems/, /e2b\.lifetime_ms/],
    ['e2b.lifetime_ms', 'abc', /^--ek e2b\.lifetime_ms=abc: "abc" is not a whole number from 1$/, /milliseconds/],
    ['e2b.lifetime_ms', '0', /"0" is not/, /./],
    ['e2b.lifetime_ms', '1e9999', /"1e9999" is not/, /./],
    ['daytona.tries', '2.5', /"2\.5" is not/, /./],
    ['tensorlake.docker_compat', 'yes', /"yes" is neither true nor false/, /./],
    ['modal.app', '', /"" is empty/, /./],
    ['app_name', 'x', /^--ek app_name=x: there is no such setting$/, /modal\.app.*e2b\.lifetime_ms/],
    ['docker.tries', '1', /^--ek docker\.tries=1: docker has no settings$/, /modal\.app/],
    ['constructor.name', '1', /no such setting/, /./],
    ['e2b.toString', '1', /no such setting/, /./],
  ])('%s=%s is a mistake that is named, with what there is', (name, value, message, fix) => {
    const complaint = settingComplaint({ [name]: value });
    expect(complaint?.message).toMatch(message);
    expect(complaint?.fix).toMatch(fix);
  });

  test('is read as what it is, of one provider; the others have their defaults', () => {
    const given = { 'e2b.lifetime_ms': '5000', 'e2b.tries': '2', 'modal.tries': '9' };
    expect(remoteSettings('e2b', given)).toEqual({
      lifetime_ms: 5000,
      request_timeout_ms: 120_000,
      tries: 2,
      first_pause_ms: 500,
    });
    expect(remoteSettings('tensorlake', { 'tensorlake.docker_compat': 'true' }).docker_compat).toBe(true);
    expect(() => remoteSettings('e2b', { 'e2b.tries': 'x' })).toThrow('"x" is not a whole number');
  });
});

describe('the documentation', () => {
  const table = readFileSync(join(DOCS, 'providers.md'), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      return [...(cells[1] ?? '').matchAll(/`([a-z0-9]+\.[a-z_]+)`/g)].map(([, name = '']) => [name, cells[2] ?? '']);
    });

  test('lists every setting with its default, and no other', () => {
    const declared = Object.entries(PROVIDER_SETTINGS).flatMap(([provider, settings]) =>
      Object.entries(settings).map(([key, { initial }]) => [
        `${provider}.${key}`,
        typeof initial === 'number' ? initial.toLocaleString('en-US') : `\`${initial}\``,
      ]),
    );
    expect(table.sort()).toEqual(declared.sort());
  });

  test('names no setting elsewhere that there is not', () => {
    const wrong: string[] = [];
    for (const file of readdirSync(DOCS).filter((name) => name.endsWith('.md'))) {
      for (const [, name = '', value = ''] of readFileSync(join(DOCS, file), 'utf8').matchAll(
        /--ek ([a-z0-9]+\.\w+)=([^\s`]+)/g,
      )) {
        const complaint = settingComplaint({ [name]: value });
        if (complaint !== null) wrong.push(`${file}: ${complaint.message}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
