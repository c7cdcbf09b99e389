import { expect, test } from 'vitest';
import { backoff, ManualClock, newId, retry, SanderlingError, together } from './index.ts';

const flaky =
  (failures: number, code: 'UNAVAILABLE' | 'NOT_FOUND' = 'UNAVAILABLE') =>
  async (attempt: number) => {
    if (attempt <= failures) throw new SanderlingError(code, `try ${attempt}`);
    return attempt;
  };

async function drive<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let done = false;
  const settled = work.finally(() => (done = true));
  settled.catch(() => undefined);
  while (!done) {
    clock.advance(60_000);
    await new Promise(setImmediate);
  }
  return settled;
}

test('transient failures are tried again, others are not', async () => {
  const clock = new ManualClock();
  expect(await drive(clock, retry(flaky(3), { clock }))).toBe(4);
  await expect(drive(clock, retry(flaky(9), { clock, attempts: 3 }))).rejects.toThrow('try 3');
  await expect(drive(clock, retry(flaky(1, 'NOT_FOUND'), { clock }))).rejects.toThrow('try 1');
});

test('waits double up to the bound', () => {
  const waits = [1, 2, 3, 4, 50].map((attempt) => backoff(attempt, { baseMs: 100, maxMs: 700, random: () => 1 }));
  expect(waits).toEqual([100, 200, 400, 700, 700]);
});

test('an abort ends the wait', async () => {
  const stop = new AbortController();
  const waiting = retry(flaky(9), { clock: new ManualClock(), signal: stop.signal });
  setImmediate(() => stop.abort());
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('together: the first failure aborts the siblings and waits for them', async () => {
  const ended: string[] = [];
  const sibling = (signal: AbortSignal) =>
    new Promise<string>((resolve) => {
      signal.addEventListener('abort', () => {
        ended.push('aborted');
        resolve('late');
      });
    });
  await expect(together([sibling, async () => Promise.reject(new Error('first'))])).rejects.toThrow('first');
  expect(ended).toEqual(['aborted']);
});

test('together keeps order and the limit', async () => {
  let running = 0;
  let most = 0;
  const task = (value: number) => async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 5 - value));
    running--;
    return value;
  };
  expect(await together([1, 2, 3, 4].map(task), { limit: 2 })).toEqual([1, 2, 3, 4]);
  expect(most).toBe(2);
});

test('ids sort by time and do not repeat', () => {
  const clock = new ManualClock(1_700_000_000_000);
  const ids = Array.from({ length: 100 }, () => {
    clock.advance(1);
    return newId('run', clock);
  });
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(100);
  expect(ids[0]).toMatch(/^run_[0-9a-z]{26}$/);
});
