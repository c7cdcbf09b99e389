// Rows of runs with their params, newest metrics and tags, in three queries however many runs.
import type { Run } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { TrackingTables } from './tables.ts';

type RunRow = Selectable<TrackingTables['run']>;

/** The runs of the rows, in the rows' order. */
export async function readRuns(db: Kysely<TrackingTables>, rows: readonly RunRow[]): Promise<Run[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const [params, metrics, tags] = await Promise.all([
    db.selectFrom('run_param').select(['run', 'key', 'value']).where('run', 'in', ids).execute(),
    db.selectFrom('run_metric_newest').select(['run', 'key', 'value']).where('run', 'in', ids).execute(),
    db.selectFrom('run_tag').select(['run', 'key', 'value']).where('run', 'in', ids).execute(),
  ]);
  const of = { params: byRun(params), metrics: byRun(metrics), tags: byRun(tags) };
  return rows.map((row) => ({
    id: row.id,
    experiment: row.experiment,
    name: row.name,
    state: row.state as Run['state'],
    parent: row.parent,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    params: of.params.get(row.id) ?? {},
    metrics: of.metrics.get(row.id) ?? {},
    tags: of.tags.get(row.id) ?? {},
  }));
}

function byRun<V>(entries: readonly { run: string; key: string; value: V }[]): Map<string, Record<string, V>> {
  const runs = new Map<string, Record<string, V>>();
  for (const { run, key, value } of entries) runs.set(run, { ...runs.get(run), [key]: value });
  return runs;
}
