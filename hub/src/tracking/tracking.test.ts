// Tracking keeps what runs log: params for good, metrics by step, all or nothing, within stated bounds.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@sanderling/kit';
import { expect, test } from 'vitest';
import { DiskBlobs, openDatabase, sqliteDialect } from '../store/index.ts';
import { Tracking, trackingMigrations } from './index.ts';

async function openTracking() {
  const database = await openDatabase(sqliteDialect(':memory:'), [trackingMigrations]);
  const folder = await mkdtemp(join(tmpdir(), 'tracking-'));
  const tracking = new Tracking(database, new DiskBlobs(folder), systemClock);
  const experiment = await tracking.experiment('room', 'search');
  return { tracking, experiment };
}

const point = (key: string, step: number, value: number) => ({ key, step, value, time: 1000 + step });

test('a run shows its params, tags and the newest value of each metric', async () => {
  const { tracking, experiment } = await openTracking();
  const parent = await tracking.startRun({ experiment: experiment.id, name: 'search' });
  const run = await tracking.startRun({
    experiment: experiment.id,
    name: 'trial 0',
    parent,
    params: { hidden: '32' },
    tags: { cell: 'gru' },
  });
  await tracking.log(run, { metrics: [point('loss', 2, 0.5), point('loss', 1, 0.9)] });
  await tracking.log(run, { metrics: [point('loss', 0, 1.5)], tags: { cell: 'lstm' } });
  await tracking.endRun(run, 'finished');
  expect(await tracking.run(run)).toMatchObject({
    state: 'finished',
    parent,
    params: { hidden: '32' },
    metrics: { loss: 0.5 },
    tags: { cell: 'lstm' },
  });
  expect((await tracking.history(run, 'loss')).items.map(({ value }) => value)).toEqual([1.5, 0.9, 0.5]);
  expect((await tracking.runs({ parent })).items.map(({ id }) => id)).toEqual([run]);
});

test('a param never changes, and a batch that tries leaves nothing behind', async () => {
  const { tracking, experiment } = await openTracking();
  const run = await tracking.startRun({ experiment: experiment.id, name: 'r', params: { seed: '1' } });
  await tracking.log(run, { params: { seed: '1' } });
  const refused = tracking.log(run, { params: { batch: '64', seed: '2' }, metrics: [point('loss', 0, 1)] });
  await expect(refused).rejects.toMatchObject({ code: 'CONFLICT', where: 'params.seed' });
  expect(await tracking.run(run)).toMatchObject({ params: { seed: '1' }, metrics: {} });
});

test('bad input is refused with a code', async () => {
  const { tracking, experiment } = await openTracking();
  const run = await tracking.startRun({ experiment: experiment.id, name: 'r' });
  const nan = tracking.log(run, { metrics: [point('loss', 0, Number.NaN)] });
  await expect(nan).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where: 'metrics[0].value' });
  const many = Array.from({ length: 1001 }, (_, i) => point('loss', i, 1));
  await expect(tracking.log(run, { metrics: many })).rejects.toMatchObject({ code: 'LIMIT_REACHED' });
  await expect(tracking.putArtifact(run, '../x', Buffer.from('a'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await expect(tracking.run('run_none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(tracking.startRun({ experiment: 'exp_none', name: 'r' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await tracking.endRun(run, 'failed');
  await expect(tracking.log(run, { metrics: [point('loss', 0, 1)] })).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('artifacts come back byte for byte; the same path again replaces', async () => {
  const { tracking, experiment } = await openTracking();
  const run = await tracking.startRun({ experiment: experiment.id, name: 'r' });
  await tracking.putArtifact(run, 'model/model.onnx', Buffer.from('one'));
  await tracking.putArtifact(run, 'model/model.onnx', Buffer.from('three'));
  expect(await tracking.artifacts(run)).toMatchObject([{ path: 'model/model.onnx', size: 5 }]);
  expect(Buffer.from(await tracking.artifact(run, 'model/model.onnx')).toString()).toBe('three');
});

test('pages lead through every run and every point once', async () => {
  const { tracking, experiment } = await openTracking();
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) ids.push(await tracking.startRun({ experiment: experiment.id, name: `r${i}` }));
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await tracking.runs({
      experiment: experiment.id,
      limit: 3,
      ...(cursor === undefined ? {} : { cursor }),
    });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  expect(seen.toSorted()).toEqual(ids.toSorted());
  await tracking.log(ids[0]!, { metrics: Array.from({ length: 5 }, (_, i) => point('loss', i, i)) });
  const first = await tracking.history(ids[0]!, 'loss', { limit: 3 });
  const second = await tracking.history(ids[0]!, 'loss', { limit: 3, cursor: first.next! });
  expect([...first.items, ...second.items].map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
  expect(second.next).toBeUndefined();
});
