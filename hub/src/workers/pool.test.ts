// The pool: real processes that do tasks, die when given up or orphaned, and whose death harms one task only.
import { fork } from 'node:child_process';
import { expect, test } from 'vitest';
import { roomReadings } from '../learning.suite.ts';
import { WorkerPool, type Columns, type PrepareInput, type TrialInput } from './index.ts';

const readings = roomReadings(900);
const columns: Columns = {
  times: Float64Array.from(readings, ({ time }) => time),
  values: Float64Array.from(readings, ({ value }) => value),
};
const data = { key: 'room', load: async () => columns };
const input: PrepareInput = {
  data: 'room',
  stepMs: 'auto',
  horizon: 3,
  largestWindow: 12,
  features: ['value', 'hour-of-day'],
  unit: '°C',
  minimum: 200,
  split: { train: 0.7, validation: 0.15, test: 0.15 },
  freshFrom: null,
  freshShare: 0.5,
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function endlessTrial(pool: WorkerPool): Promise<TrialInput> {
  const prepared = await pool.run('prepare', input, { data });
  const params = { cell: 'gru', hidden: 32, window: 12, learningRate: 0.01, batch: 16, dropout: 0 } as const;
  return { prepared, params, seed: '1', loss: 'huber', epochs: 10_000, patience: 10_000 };
}

test('one process serves task after task; data go over once', async () => {
  await using pool = new WorkerPool({ size: 1 });
  let loads = 0;
  const counted = { key: 'room', load: async () => (loads++, columns) };
  const [first, second] = await Promise.all([
    pool.run('prepare', input, { data: counted }),
    pool.run('prepare', { ...input, horizon: 6 }, { data: counted }),
  ]);
  expect([first.horizon, second.horizon, loads, pool.pids.length]).toEqual([3, 6, 1, 1]);
});

test('a task’s own error comes back with its code', async () => {
  await using pool = new WorkerPool({ size: 1 });
  const refused = pool.run('prepare', { ...input, minimum: 5000 }, { data });
  await expect(refused).rejects.toMatchObject({ code: 'TOO_LITTLE_DATA' });
});

test('cancelling kills the process; the next task gets another', async () => {
  await using pool = new WorkerPool({ size: 1 });
  const task = await endlessTrial(pool);
  const stop = new AbortController();
  const trial = pool.run('trial', task, { data, signal: stop.signal, onMessage: () => stop.abort() });
  const [pid] = pool.pids;
  await expect(trial).rejects.toMatchObject({ code: 'CANCELLED' });
  await waitUntil(() => !isAlive(pid!));
  expect((await pool.run('prepare', input, { data })).horizon).toBe(3);
});

test('a task that takes too long ends with TIMEOUT', async () => {
  await using pool = new WorkerPool({ size: 1 });
  const task = await endlessTrial(pool);
  await expect(pool.run('trial', task, { data, timeoutMs: 300 })).rejects.toMatchObject({ code: 'TIMEOUT' });
});

test('the death of a process fails its task alone', async () => {
  await using pool = new WorkerPool({ size: 1 });
  const task = await endlessTrial(pool);
  const trial = pool.run('trial', task, { data, onMessage: () => process.kill(pool.pids[0]!, 'SIGKILL') });
  const next = pool.run('prepare', input, { data });
  await expect(trial).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect((await next).horizon).toBe(3);
});

test('a worker does not outlive its hub', async () => {
  const hub = fork(new URL('./orphans.suite.ts', import.meta.url), {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const pid = await new Promise<number>((resolve) => hub.on('message', (message) => resolve(message as number)));
  expect(isAlive(pid)).toBe(true);
  hub.kill('SIGKILL');
  await waitUntil(() => !isAlive(pid));
});

test('idle processes end by themselves', async () => {
  await using pool = new WorkerPool({ size: 2, idleMs: 50 });
  pool.warm();
  const { pids } = pool;
  expect(pids.length).toBe(2);
  await waitUntil(() => pids.every((pid) => !isAlive(pid)));
});
