/** What the provider recovered from during a trial is told in its log and in one warning, and is no state of the sandbox. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SandboxCreateError } from '../exception/errors.js';
import type { ProviderContext, Recovery, SandboxProvider } from '../model/provider.js';
import { type CallKind, createFakeProvider } from '../testing/fake-provider.js';
import { createTrialFixture, type TrialFixture } from '../testing/trial-fixture.js';

let fixture: TrialFixture;
beforeEach(async () => {
  fixture = await createTrialFixture();
});
afterEach(() => fixture.remove());

const NETWORK: Partial<Record<CallKind, Recovery>> = {
  prepare: { what: 'look for the image', after: 'NetworkError' },
  create: { what: 'create', after: 'ProviderRateLimitError' },
  exec: { what: 'exec', after: 'NetworkError' },
  upload: { what: 'upload', after: 'NetworkError' },
  dispose: { what: 'delete', after: 'NetworkError' },
};

/** A fake whose calls of these kinds are each made twice. */
function twice(recoveries: Partial<Record<CallKind, Recovery>>, failing?: CallKind): SandboxProvider {
  let onEvent: ProviderContext['onEvent'] = () => {};
  const fake = createFakeProvider({
    before({ kind }) {
      const recovery = recoveries[kind];
      if (recovery) onEvent(`${recovery.what}: ${recovery.after}, again in 0.5 s (try 2)`, recovery);
      if (kind === failing) throw new SandboxCreateError('no room');
    },
  });
  return {
    ...fake,
    prepare(image, ctx) {
      onEvent = ctx.onEvent;
      return fake.prepare(image, ctx);
    },
    create(spec, ctx) {
      onEvent = ctx.onEvent;
      return fake.create(spec, ctx);
    },
  };
}

describe('recoveries', () => {
  test('are one warning, with how often each happened, from the image to the removal', async () => {
    const { record, events } = await fixture.runOn(twice(NETWORK));
    expect(record.outcome).toBe('pass');
    const message =
      'calls were made again: look for the image after NetworkError; create after ProviderRateLimitError; ' +
      'exec after NetworkError, 4 times; upload after NetworkError, 2 times; delete after NetworkError';
    expect(record.warnings).toEqual([{ code: 'ProviderRetried', message }]);
    expect(events).toContainEqual({
      type: 'warning',
      trial: 'docker/demo__aBcDeFg',
      warning: { code: 'ProviderRetried', message },
    });
  });

  test('stand in the log where they happened, each time', async () => {
    await fixture.runOn(twice({ upload: { what: 'upload', after: 'NetworkError' } }));
    const lines = (await fixture.read('trial.log')).split('\n').map((line) => line.replace(/^\S+ /, ''));
    expect(lines.filter((line) => line.startsWith('provider: '))).toEqual([
      'provider: prepared',
      'provider: created',
      'provider: upload: NetworkError, again in 0.5 s (try 2)',
      'provider: upload: NetworkError, again in 0.5 s (try 2)',
    ]);
    expect(lines.indexOf('provider: upload: NetworkError, again in 0.5 s (try 2)')).toBeGreaterThan(
      lines.indexOf('oracle: started'),
    );
  });

  test('are shown while a sandbox is awaited, and not as the state of one that runs', async () => {
    const { events } = await fixture.runOn(twice(NETWORK));
    const states = events.flatMap((event) => (event.type === 'provider_state' ? [[event.phase, event.state]] : []));
    expect(states).toEqual([
      ['prepare_image', 'look for the image: NetworkError, again in 0.5 s (try 2)'],
      ['prepare_image', 'prepared'],
      ['create', 'create: ProviderRateLimitError, again in 0.5 s (try 2)'],
      ['create', 'created'],
    ]);
  });

  test('are no last state of what failed', async () => {
    const { record } = await fixture.runOn(twice(NETWORK, 'create'));
    expect(record.exception).toMatchObject({ type: 'SandboxCreateError', provider_state: 'prepared' });
    expect(record.warnings.map(({ code }) => code)).toEqual(['ProviderRetried']);
  });

  test('that come when the trial is over are nobody’s', async () => {
    let late: ProviderContext['onEvent'] = () => {};
    const fake = createFakeProvider();
    const { events } = await fixture.runOn({
      ...fake,
      create(spec, ctx) {
        late = ctx.onEvent;
        return fake.create(spec, ctx);
      },
    });
    const before = events.length;
    late('delete: NetworkError, again in 0.5 s (try 2)', { what: 'delete', after: 'NetworkError' });
    late('gone');
    expect(events).toHaveLength(before);
  });
});
