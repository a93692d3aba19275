import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withDeadline } from './deadline.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const late = () => new Error('late');
const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('withDeadline', () => {
  test('rejects at the limit and tells the work', async () => {
    let told: unknown = null;
    const running = withDeadline(
      100,
      async (signal) => {
        signal.addEventListener('abort', () => {
          told = signal.reason;
        });
        await pass(1_000);
      },
      late,
    );
    const failed = expect(running).rejects.toThrow('late');
    await vi.advanceTimersByTimeAsync(100);
    await failed;
    expect(told).toBeInstanceOf(Error);
  });

  test('its clock stands still while the work waits for its turn; waits that overlap count once', async () => {
    const running = withDeadline(
      100,
      async (_, offTheClock) => {
        await pass(60);
        await Promise.all([offTheClock(pass(500)), offTheClock(pass(800))]);
        await pass(30);
        return 'done';
      },
      late,
    );
    await vi.advanceTimersByTimeAsync(60 + 800 + 30);
    expect(await running).toBe('done');
  });

  test('what had gone by before the wait still counts after it', async () => {
    const running = withDeadline(
      100,
      async (_, offTheClock) => {
        await pass(60);
        await offTheClock(pass(500)).catch(() => undefined);
        await pass(60);
      },
      late,
    );
    const failed = expect(running).rejects.toThrow('late');
    await vi.advanceTimersByTimeAsync(60 + 500 + 39);
    await vi.advanceTimersByTimeAsync(2);
    await failed;
  });

  test('a wait that fails starts the clock again', async () => {
    const running = withDeadline(
      100,
      async (_, offTheClock) => {
        await offTheClock(Promise.reject(new Error('refused'))).catch(() => undefined);
        await pass(500);
      },
      late,
    );
    const failed = expect(running).rejects.toThrow('late');
    await vi.advanceTimersByTimeAsync(101);
    await failed;
  });

  test('without a limit there is no clock to stop', async () => {
    const running = withDeadline(null, (_, offTheClock) => offTheClock(pass(10_000).then(() => 'done')), late);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await running).toBe('done');
  });
});
