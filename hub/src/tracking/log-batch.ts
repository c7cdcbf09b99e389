// Writing one batch of a run's params, metrics and tags inside a transaction.
import { SanderlingError } from '@sanderling/kit';
import type { Kysely } from 'kysely';
import { limit, trackingLimits, type LogBatch, type MetricEntry } from './limits.ts';
import type { TrackingTables } from './tables.ts';

/** Inserts a checked batch. @throws CONFLICT when a param has another value already, LIMIT_REACHED */
export async function insertBatch(db: Kysely<TrackingTables>, run: string, batch: LogBatch): Promise<void> {
  await insertParams(db, run, Object.entries(batch.params ?? {}));
  await insertTags(db, run, Object.entries(batch.tags ?? {}));
  await insertMetrics(db, run, batch.metrics ?? []);
}

type Texts = readonly (readonly [string, string])[];

async function insertParams(db: Kysely<TrackingTables>, run: string, params: Texts): Promise<void> {
  if (params.length === 0) return;
  const present = new Map(
    (await db.selectFrom('run_param').selectAll().where('run', '=', run).execute()).map((row) => [row.key, row.value]),
  );
  for (const [key, value] of params) {
    const before = present.get(key);
    if (before !== undefined && before !== value)
      throw new SanderlingError('CONFLICT', `param ${key} is ${before} already; params never change`, {
        where: `params.${key}`,
        fix: 'log what changes as a metric or a tag',
      });
  }
  const fresh = params.filter(([key]) => !present.has(key));
  if (present.size + fresh.length > trackingLimits.params)
    throw limit(`a run has at most ${trackingLimits.params} params`, 'log fewer');
  if (fresh.length > 0)
    await db
      .insertInto('run_param')
      .values(fresh.map(([key, value]) => ({ run, key, value })))
      .execute();
}

async function insertTags(db: Kysely<TrackingTables>, run: string, tags: Texts): Promise<void> {
  if (tags.length === 0) return;
  await db
    .insertInto('run_tag')
    .values(tags.map(([key, value]) => ({ run, key, value })))
    .onConflict((conflict) => conflict.columns(['run', 'key']).doUpdateSet((e) => ({ value: e.ref('excluded.value') })))
    .execute();
  const { count } = await db
    .selectFrom('run_tag')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('run', '=', run)
    .executeTakeFirstOrThrow();
  if (Number(count) > trackingLimits.tags) throw limit(`a run has at most ${trackingLimits.tags} tags`, 'set fewer');
}

async function insertMetrics(db: Kysely<TrackingTables>, run: string, metrics: readonly MetricEntry[]): Promise<void> {
  if (metrics.length === 0) return;
  const points = [...new Map(metrics.map((entry) => [`${entry.key}\0${entry.step}\0${entry.time}`, entry])).values()];
  const rows = points.map(({ key, step, time, value }) => ({ run, key, step, time, value }));
  await db
    .insertInto('run_metric')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['run', 'key', 'step', 'time']).doUpdateSet((e) => ({ value: e.ref('excluded.value') })),
    )
    .execute();
  const newest = new Map<string, (typeof rows)[number]>();
  for (const row of rows) {
    const other = newest.get(row.key);
    if (other === undefined || row.step >= other.step) newest.set(row.key, row);
  }
  await db
    .insertInto('run_metric_newest')
    .values([...newest.values()])
    .onConflict((conflict) =>
      conflict
        .columns(['run', 'key'])
        .doUpdateSet((e) => ({
          step: e.ref('excluded.step'),
          time: e.ref('excluded.time'),
          value: e.ref('excluded.value'),
        }))
        .whereRef('excluded.step', '>=', 'run_metric_newest.step'),
    )
    .execute();
}
