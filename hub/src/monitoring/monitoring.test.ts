// Reports over time: paged, filtered, thinned by the stated policy.
import { ManualClock } from '@sanderling/kit';
import type { ReportEntry } from '@sanderling/wire';
import { expect, test } from 'vitest';
import { openDatabase, sqliteDialect, tables, type Database } from '../store/index.ts';
import { Monitoring, monitoringMigrations } from './index.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

async function open(clock = new ManualClock(1_000 * dayMs)) {
  const database = await openDatabase(sqliteDialect(':memory:'), [monitoringMigrations]);
  return { database, clock, monitoring: new Monitoring(database, clock) };
}

function report(time: number, driftScore = 0.1): ReportEntry {
  return {
    kind: 'report',
    time,
    release: 'a'.repeat(64),
    predictions: 1,
    rollingError: null,
    driftScore,
    latencyMs: { p50: 1, p99: 2 },
    forecast: [],
    health: { residentMb: 50, uptimeSeconds: 1, outboxEntries: 0, outboxDropped: 0, diskFreeMb: 9 },
  };
}

const store = (monitoring: Monitoring, database: Database, reports: readonly ReportEntry[], device = 'dev_1') =>
  tables<object>(database)
    .transaction()
    .execute((tx) => monitoring.store({ project: 'p', device }, reports, tx));

test('the newest without a start, pages from one, one device or all', async () => {
  const { database, monitoring } = await open();
  await store(
    monitoring,
    database,
    Array.from({ length: 250 }, (_, i) => report(i * 10)),
  );
  await store(monitoring, database, [report(5), report(5)], 'dev_2');
  const times = async (query: Parameters<Monitoring['points']>[1]) =>
    (await monitoring.points('p', query)).map(({ point }) => point.time);
  expect(await times({ limit: 3 })).toEqual([2470, 2480, 2490]);
  expect(await times({ from: 0, to: 20 })).toEqual([0, 5, 5, 10]);
  expect(await times({ device: 'dev_2' })).toEqual([5, 5]);
  expect(await monitoring.points('q')).toEqual([]);
  const seen: number[] = [];
  let after: { time: number; id: number } | undefined;
  for (;;) {
    const page = await monitoring.points('p', { from: 0, limit: 100, ...(after === undefined ? {} : { after }) });
    const last = page.at(-1);
    if (last === undefined) break;
    seen.push(...page.map(({ point }) => point.time));
    after = { time: last.point.time, id: last.id };
  }
  expect(seen).toHaveLength(252);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect((await monitoring.newest(['dev_1', 'dev_2', 'dev_3'])).get('dev_1')?.time).toBe(2490);
});

test('after a week one report an hour is left, after a year none; the newest stays with the device', async () => {
  const { database, clock, monitoring } = await open();
  for (let hour = 0; hour < 3; hour++) {
    for (const device of ['dev_1', 'dev_2'])
      await store(
        monitoring,
        database,
        [1, 2, 3].map((i) => report(hour * 100 + i)),
        device,
      );
    clock.advance(hourMs);
  }
  await monitoring.thin();
  expect(await monitoring.points('p')).toHaveLength(18);
  clock.advance(8 * dayMs);
  await monitoring.thin();
  const left = await monitoring.points('p', { device: 'dev_1' });
  expect(left.map(({ point }) => point.time)).toEqual([3, 103, 203]);
  clock.advance(400 * dayMs);
  await monitoring.thin();
  expect(await monitoring.points('p')).toEqual([]);
  expect((await monitoring.newest(['dev_1'])).get('dev_1')?.time).toBe(203);
});
