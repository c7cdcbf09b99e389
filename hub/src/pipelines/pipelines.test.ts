// Executions as users see them: they stop with a sentence, cancel cleanly, survive bad trials, queue, and reuse what has not changed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { ended, eventOf, feed, openHouse, roomReadings, smallProject, type House } from '../learning.suite.ts';

// Seconds of work on a quiet machine; a busy one may take a minute.
vi.setConfig({ testTimeout: 240_000 });

async function houseWith(project: object, readings = roomReadings(900)): Promise<House> {
  const house = await openHouse(await mkdtemp(join(tmpdir(), 'house-')));
  await house.projects.put(project);
  if (readings.length > 0) await feed(house, 'room', readings);
  return house;
}

const stepStates = (execution: { steps: { name: string; state: string }[] }): Record<string, string> =>
  Object.fromEntries(execution.steps.map(({ name, state }) => [name, state]));

test('without readings, or with too few, the execution stops with one sentence and nothing is trained', async () => {
  await using empty = await houseWith(smallProject, []);
  const nothing = await ended(empty, (await empty.pipelines.begin('room')).id);
  expect(nothing).toMatchObject({ state: 'stopped' });
  expect(nothing.reason).toMatch(/reading/);
  await using few = await houseWith(smallProject, roomReadings(60));
  const stopped = await ended(few, (await few.pipelines.begin('room')).id);
  expect(stopped.state).toBe('stopped');
  expect(stopped.reason).toMatch(/\d/);
  expect(stepStates(stopped)).toMatchObject({ search: 'skipped', release: 'skipped' });
});

test('a gate that says no stops the execution, says why with its numbers, and releases nothing', async () => {
  const gates = [
    { gate: 'size', maxKb: 0.5 },
    { gate: 'beats-baseline', baseline: 'persistence', byPercent: 1 },
  ];
  await using house = await houseWith({ ...smallProject, gates });
  const execution = await ended(house, (await house.pipelines.begin('room')).id);
  expect(execution.state).toBe('stopped');
  expect(execution.reason).toMatch(/^stopped by the gate size: the model has [\d.]+ KB; at most 0.500 KB are allowed$/);
  expect(stepStates(execution)).toMatchObject({ register: 'succeeded', gate: 'stopped', release: 'skipped' });
  const version = await house.registry.get('room', 'candidate');
  expect(version.gates?.map(({ gate }) => gate)).toEqual(['size', 'beats-baseline persistence']);
  expect((await eventOf(house, 'gate.failed')).data).toMatchObject({ gate: 'size', version: 1 });
  expect((await house.releases.list('room')).items).toEqual([]);
  expect(await house.registry.find('room', 'champion')).toBeUndefined();
});

/** Squares of what a learning rate of 1e30 leads to are beyond float32. */
const squared = { ...smallProject.model, loss: 'mse' };

test('a trial whose loss is not a number fails alone', async () => {
  const space = { ...smallProject.search.space, learningRate: { type: 'choice', options: [0.01, 1e30] } };
  const search = { ...smallProject.search, space, algorithm: 'random', trials: 6, parallel: 2 };
  await using house = await houseWith({ ...smallProject, model: squared, search });
  const execution = await ended(house, (await house.pipelines.begin('room', { actions: ['retrain'] })).id);
  expect(execution.state).toBe('succeeded');
  const { trials, failed, best } = execution.steps.find(({ name }) => name === 'search')!.outputs as {
    trials: number;
    failed: number;
    best: { params: { learningRate: number } };
  };
  expect(trials).toBe(6);
  expect(failed).toBeGreaterThan(0);
  expect(best.params.learningRate).toBe(0.01);
  const runs = (await house.tracking.runs({ state: 'failed' })).items;
  expect(runs.length).toBe(failed);
  expect(runs[0]!.tags['reason']).toMatch(/NAN_LOSS|INVALID_DATA/);
});

test('when no trial succeeds the execution fails and says why', async () => {
  const space = { ...smallProject.search.space, learningRate: 1e30 };
  await using house = await houseWith({
    ...smallProject,
    model: squared,
    search: { ...smallProject.search, space, trials: 2 },
  });
  const execution = await ended(house, (await house.pipelines.begin('room')).id);
  expect(execution.state).toBe('failed');
  expect(execution.reason).toMatch(/none of 2 trials succeeded/);
});

test('cancelling ends trials and runs; a queued execution ends before it begins', async () => {
  const search = { ...smallProject.search, epochs: 10_000, patience: 10_000, trials: 50 };
  await using house = await houseWith({ ...smallProject, search });
  const first = await house.pipelines.begin('room');
  const second = await house.pipelines.begin('room');
  while ((await house.tracking.runs({ state: 'running' })).items.length < 2) await house.clock.sleep(20);
  const pids = house.workers.pids;
  expect((await house.pipelines.cancel(second.id)).state).toBe('cancelled');
  await house.pipelines.cancel(first.id);
  expect(await ended(house, first.id)).toMatchObject({ state: 'cancelled', reason: 'cancelled' });
  expect((await house.tracking.runs({ state: 'running' })).items).toEqual([]);
  expect((await house.tracking.runs({ state: 'killed' })).items.length).toBeGreaterThan(1);
  await expect.poll(() => pids.filter((pid) => house.workers.pids.includes(pid)).length, { timeout: 30_000 }).toBe(0);
  await expect(house.pipelines.cancel(first.id)).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('executions of a project run one after the other; unchanged data and settings are not searched again', async () => {
  await using house = await houseWith(smallProject);
  const started = [];
  for (let i = 0; i < 2; i++) started.push(await house.pipelines.begin('room', { actions: ['retrain'] }));
  const [first, second] = [await ended(house, started[0]!.id), await ended(house, started[1]!.id)];
  expect(second.startedAt!).toBeGreaterThanOrEqual(first.endedAt!);
  const search = second.steps.find(({ name }) => name === 'search')!;
  expect(search.message).toContain(first.id);
  expect((await eventOf(house, 'trial.finished')).subject).toBe(first.id);
  expect((await house.events.list({ types: ['trial.finished'], limit: 1000 })).length).toBe(4);
  const [a, b] = [await house.registry.get('room', 1), await house.registry.get('room', 2)];
  expect(b.artifact).toBe(a.artifact);
});

test('a newer trigger of an automation replaces its queued execution; the queue is bounded', async () => {
  const house = await openHouse(await mkdtemp(join(tmpdir(), 'house-')), { start: false });
  await house.projects.put(smallProject);
  const old = await house.pipelines.begin('room', { trigger: 'drift.alarm 1', automation: 0 });
  await house.pipelines.begin('room', { trigger: 'drift.alarm 2', automation: 0 });
  expect(await house.pipelines.get(old.id)).toMatchObject({
    state: 'cancelled',
    reason: 'a newer trigger took its place',
  });
  for (let i = 0; i < 9; i++) await house.pipelines.begin('room');
  await expect(house.pipelines.begin('room')).rejects.toMatchObject({ code: 'LIMIT_REACHED' });
  await expect(house.pipelines.begin('nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await house[Symbol.asyncDispose]();
});

test('a cached search whose model is gone is searched again instead of failing what builds on it', async () => {
  await using house = await houseWith(smallProject);
  const begin = async () =>
    ended(house, (await house.pipelines.begin('room', { actions: ['retrain'] })).id).then(({ state, steps }) => ({
      state,
      search: steps.find(({ name }) => name === 'search')!,
    }));
  const first = await begin();
  const { best } = first.search.outputs as { best: { model: string } };
  await rm(join(house.folder, 'blobs', best.model.slice(0, 2), best.model.slice(2)));
  const second = await begin();
  expect(second.state).toBe('succeeded');
  expect(second.search.outputs).toMatchObject({ best: { model: best.model } });
  expect(second.search.message).not.toMatch(/taken from there/);
  expect((await begin()).search.message).toMatch(/taken from there/);
});
