/**
 * The published comparison of three providers, re-enacted: a clean one, one with timeouts, one whose sandboxes often never start.
 * Real SDKs against the emulators and their scripts of faults; every number below is counted from what the run did. The suite as it
 * is committed, and with PLUMBLINE_FULL its tasks multiplied to the 89 of the original.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatRate } from '../compare/gate.js';
import type { GroupRecord, ProviderRecord, Report } from '../model/record.js';
import { fakeIo } from '../testing/fake-io.js';
import { openPage } from '../testing/page.js';
import { FULL } from '../testing/sample.js';
import { main } from './program.js';

const SUITE = join(import.meta.dirname, '../../suites/faults-remote');
const PROVIDERS = ['tensorlake', 'modal', 'daytona'];

/** How many tasks of each kind. */
interface Scale {
  readonly title: string;
  readonly pulling: number;
  readonly starting: number;
  readonly slow: number;
  readonly refused: number;
  readonly dying: number;
  readonly graded: number;
  readonly plain: number;
  /** Of every limit: when the many that never start have given up their slots, as many others run at once. */
  readonly patience: number;
  /** As a report writes them. */
  readonly rates: Readonly<Record<string, string>>;
}

const COMMITTED: Scale = {
  title: 'the suite as it is committed',
  pulling: 2,
  starting: 1,
  slow: 1,
  refused: 1,
  dying: 1,
  graded: 1,
  plain: 1,
  patience: 1,
  rates: { tensorlake: '1.000', modal: '0.875', daytona: '0.250' },
};

const PUBLISHED: Scale = {
  title: 'the 89 tasks of the original',
  pulling: 20,
  starting: 6,
  slow: 3,
  refused: 2,
  dying: 2,
  graded: 3,
  plain: 53,
  patience: 4,
  rates: { tensorlake: '1.000', modal: '0.966', daytona: '0.629' },
};

function totalOf({ pulling, starting, slow, refused, dying, graded, plain }: Scale): number {
  return pulling + starting + slow + refused + dying + graded + plain;
}

/** The committed suite, or its tasks as often as the scale says. */
async function suiteOf(scale: Scale, home: string): Promise<string> {
  if (scale === COMMITTED) return SUITE;
  const dir = join(home, 'suite');
  const copies = {
    'never-starts-1': scale.pulling + scale.starting,
    'slow-oracle': scale.slow,
    'create-fails': scale.refused,
    'sandbox-dies': scale.dying,
    'sees-daytona': scale.graded,
    plain: scale.plain,
  };
  await mkdir(dir);
  for (const [task, count] of Object.entries(copies)) {
    const kind = task.replace(/-1$/, '');
    for (let n = 1; n <= count; n += 1) {
      await cp(join(SUITE, task), join(dir, `${kind}-${String(n).padStart(2, '0')}`), { recursive: true });
    }
  }
  const faults = await readFile(join(SUITE, 'faults.toml'), 'utf8');
  const ours = 'occurrence = [1, 2]';
  expect(faults.split(ours)).toHaveLength(2);
  await writeFile(join(dir, 'faults.toml'), faults.replace(ours, `occurrence = [1, ${scale.pulling}]`));
  return dir;
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function plumbline(...argv: string[]): Promise<Ran> {
  const io = fakeIo();
  const code = await main(argv, io);
  return { code, ...io.text };
}

describe.each(FULL ? [COMMITTED, PUBLISHED] : [COMMITTED])('$title', (scale) => {
  const total = totalOf(scale);
  const stuck = scale.pulling + scale.starting;
  const faults = scale.slow + stuck + scale.refused + scale.dying;
  const passes: Record<string, number> = {
    tensorlake: total,
    modal: total - scale.slow,
    daytona: total - stuck - scale.refused - scale.dying - scale.graded,
  };
  let home = '';
  let dir = '';
  let ran: Ran = { code: -1, stdout: '', stderr: '' };
  let report: Report | null = null;

  const found = (): Report => {
    if (report === null) throw new Error('there is no report');
    return report;
  };
  const providerOf = (name: string): ProviderRecord | undefined =>
    found().providers.find((provider) => provider.name === name);

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'plumbline-comparison-'));
    const suite = await suiteOf(scale, home);
    const chosen = ['-p', suite, ...PROVIDERS.flatMap((name) => ['-e', name]), '--emulated'];
    // what is built here is found again: the short limits of the suite are for starts
    const prepared = await plumbline('prepare', ...chosen, '-i', 'plain*');
    if (prepared.code === 3 || prepared.stderr.includes('no local provider')) return;
    expect(prepared, prepared.stderr).toMatchObject({ code: 0 });
    dir = join(home, 'comparison');
    // those that never start hold a slot each, and do no work
    const slots = ['-n', '2', '-n', `daytona=${stuck + 2}`, '--timeout-multiplier', String(scale.patience)];
    const place = ['-o', home, '--job-name', 'comparison'];
    const script = ['--faults', join(suite, 'faults.toml')];
    ran = await plumbline('run', ...chosen, ...slots, ...place, ...script);
    report = JSON.parse(await readFile(join(dir, 'report.json'), 'utf8')) as Report;
  }, 1_800_000);

  afterAll(() => rm(home, { recursive: true, force: true }));

  const here = (name: string, check: () => void | Promise<void>) =>
    test(name, async ({ skip }) => {
      if (report === null) return skip('neither docker nor the embedded provider works on this machine');
      await check();
    });

  here('every planned trial is accounted for, none retried, all of them emulated, nothing left', () => {
    expect(ran.code, ran.stderr).toBe(1);
    const { trials, providers, gate } = found();
    expect(trials).toHaveLength(3 * total);
    expect(new Set(trials.map(({ provider, task }) => `${provider}/${task}`)).size).toBe(3 * total);
    expect(trials.filter(({ attempts }) => attempts.length !== 1)).toEqual([]);
    expect(trials.filter(({ emulated }) => !emulated)).toEqual([]);
    expect(
      providers.map(({ name, emulated, planned, leaked_sandboxes }) => [name, emulated, planned, leaked_sandboxes]),
    ).toEqual(PROVIDERS.map((name) => [name, true, total, 0]));
    expect(gate.met).toBe(false);
    expect(ran.stdout).toContain('leaked sandboxes: 0');
  });

  here('the rates are those of the original, in the record and in the table', () => {
    for (const name of PROVIDERS) {
      const { passed, pass_rate: rate } = providerOf(name) ?? { passed: null, pass_rate: null };
      expect([passed, rate === null ? null : formatRate(rate)], name).toEqual([passes[name], scale.rates[name]]);
      const row = new RegExp(`^ *${name} \\(emulated\\) +${passes[name]}/${total} = ${scale.rates[name]} `, 'm');
      expect(ran.stdout).toMatch(row);
    }
  });

  here('the causes are told apart, the start timeouts by the last state of the provider', () => {
    const shown = ({ exception_type: type, phase, origin, providers, provider_state: state }: GroupRecord) =>
      `${type} ${phase} ${origin} ${JSON.stringify(providers)} ${state}`;
    const expected = [
      `EnvironmentStartTimeoutError create provider {"daytona":${scale.pulling}} pulling_snapshot`,
      `EnvironmentStartTimeoutError create provider {"daytona":${scale.starting}} starting`,
      `AgentTimeoutError oracle task {"modal":${scale.slow}} running`,
      `SandboxCreateError create provider {"daytona":${scale.refused}} build_failed`,
      `SandboxLostError oracle provider {"daytona":${scale.dying}} error (sandbox container exited unexpectedly)`,
      `RewardBelowOne verifier task {"daytona":${scale.graded}} undefined`,
    ];
    expect(found().groups.map(shown).sort()).toEqual(expected.sort());
    for (const { exception_type: type, provider_state: state, sample_message: message } of found().groups) {
      if (type === 'EnvironmentStartTimeoutError') expect(message).toContain(`last state: ${state}`);
    }
    expect(found().disagreements).toHaveLength(scale.slow + total - (passes['daytona'] ?? 0));
    for (const [title, count] of [
      ['EnvironmentStartTimeoutError', stuck],
      ['last state pulling_snapshot', scale.pulling],
      ['last state starting', scale.starting],
    ]) {
      expect(ran.stdout).toMatch(new RegExp(`^ *${title} +· +· +${count} +${count}$`, 'm'));
    }
  });

  here('it is said that faults were scripted, how many happened, and that none was left over', () => {
    // a call that is never answered is made again until the limit
    const [, fired] = /^faults: (\d+) acted out, by 5 of the 5 entries of \S+faults.toml$/m.exec(ran.stderr) ?? [];
    expect(Number(fired), ran.stderr).toBeGreaterThanOrEqual(faults);
    expect(ran.stderr).not.toContain('never acted out');
    const notes = found().warnings.map(({ message }) => message.replace(/ of \S+$/, ''));
    expect(notes.sort()).toEqual([
      'daytona (emulated): its emulator acts out faults: 4',
      'modal (emulated): its emulator acts out faults: 1',
    ]);
  });

  here('the page, a report that is written again and compare have the same numbers', async () => {
    expect((await plumbline('report', dir)).code).toBe(0);
    expect(JSON.parse(await readFile(join(dir, 'report.json'), 'utf8'))).toEqual(report);
    const page = openPage(await readFile(join(dir, 'report.html'), 'utf8'));
    const overview = page.text();
    for (const name of PROVIDERS) expect(overview).toContain(`${passes[name]}/${total} ${scale.rates[name]}`);
    expect(overview).toContain(`last state pulling_snapshot··${scale.pulling}${scale.pulling}`);
    expect(overview).toContain(`last state starting··${scale.starting}${scale.starting}`);
    const links = page.links().filter(({ href }) => /group.*daytona/.test(href));
    expect(links.map(({ text }) => text)).toEqual([String(scale.pulling), String(scale.starting)]);
    for (const { href, text } of links) {
      page.go(href);
      expect(page.text(), href).toMatch(new RegExp(`(?<!\\d)${text} trials?,`));
    }
    const summary = await readFile(join(dir, 'summary.md'), 'utf8');
    expect(summary).toContain(`| – last state \`pulling_snapshot\` |  |  | ${scale.pulling} | ${scale.pulling} |`);
    const compared = await plumbline('compare', dir, dir);
    expect(compared.code).toBe(0);
    for (const name of PROVIDERS) {
      const rate = `${passes[name]}/${total} = ${scale.rates[name]}`;
      expect(compared.stdout).toMatch(new RegExp(`^ *${name} \\(emulated\\) +${rate} +${rate} `, 'm'));
    }
  });
});
