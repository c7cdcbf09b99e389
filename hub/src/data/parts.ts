// Writing readings: into a project's live part, or into a part of their own that becomes visible when it is whole.
import { CompiledQuery, sql, type Kysely, type Selectable } from 'kysely';
import type { DataTables } from './tables.ts';

/** One measurement: milliseconds since 1970, and a finite value. */
export interface Measurement {
  readonly time: number;
  readonly value: number;
}

/** A part as the database has it. */
export type Part = Selectable<DataTables['data_part']>;

/** Where readings go and come from. */
export interface Placement {
  readonly part: number;
  readonly source: number;
  readonly receivedAt: number;
}

/** Rows of one INSERT: its SQL is compiled once and used for millions. */
const rowsAStatement = 250;
const columns = ['part', 'time', 'value', 'source', 'received_at'] as const;

/** The live part of a project, made when it is first needed. */
export async function livePart(tx: Kysely<DataTables>, project: string): Promise<number> {
  const known = await tx.selectFrom('data_part').select('id').where('live_of', '=', project).executeTakeFirst();
  if (known !== undefined) return known.id;
  const row = { project, live_of: project, state: 'visible', rows: 0, first_time: null, last_time: null } as const;
  return (await tx.insertInto('data_part').values(row).returning('id').executeTakeFirstOrThrow()).id;
}

/** A new part that nobody sees yet. */
export async function stagingPart(tx: Kysely<DataTables>, project: string): Promise<number> {
  const row = { project, live_of: null, state: 'staging', rows: 0, first_time: null, last_time: null } as const;
  return (await tx.insertInto('data_part').values(row).returning('id').executeTakeFirstOrThrow()).id;
}

/** The number of a source's name in a project. */
export async function sourceNumber(tx: Kysely<DataTables>, project: string, name: string): Promise<number> {
  const find = tx.selectFrom('data_source').select('id').where('project', '=', project).where('name', '=', name);
  const known = await find.executeTakeFirst();
  if (known !== undefined) return known.id;
  return (await tx.insertInto('data_source').values({ project, name }).returning('id').executeTakeFirstOrThrow()).id;
}

/** Appends readings to a part and keeps its count and span. */
export async function appendReadings(
  tx: Kysely<DataTables>,
  readings: readonly Measurement[],
  placement: Placement,
): Promise<void> {
  if (readings.length === 0) return;
  for (let at = 0; at < readings.length; at += rowsAStatement) {
    const chunk = readings.slice(at, at + rowsAStatement);
    const { part, source, receivedAt } = placement;
    const parameters = chunk.flatMap(({ time, value }) => [part, time, value, source, receivedAt]);
    await tx.executeQuery(CompiledQuery.raw(insertSql(tx, chunk.length), parameters));
  }
  const { firstTime, lastTime } = spanOf(readings);
  await tx
    .updateTable('data_part')
    .set({
      rows: sql`${sql.ref('rows')} + ${readings.length}`,
      first_time: sql`case when first_time is null or first_time > ${firstTime} then ${firstTime} else first_time end`,
      last_time: sql`case when last_time is null or last_time < ${lastTime} then ${lastTime} else last_time end`,
    })
    .where('id', '=', placement.part)
    .execute();
}

/** Earliest and latest time. There must be a reading. */
export function spanOf(readings: readonly Measurement[]): { readonly firstTime: number; readonly lastTime: number } {
  let [firstTime, lastTime] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { time } of readings) {
    if (time < firstTime) firstTime = time;
    if (time > lastTime) lastTime = time;
  }
  return { firstTime, lastTime };
}

let fullStatement: string | undefined;

function insertSql(tx: Kysely<DataTables>, rows: number): string {
  if (rows !== rowsAStatement) return compileInsert(tx, rows);
  return (fullStatement ??= compileInsert(tx, rows));
}

function compileInsert(tx: Kysely<DataTables>, rows: number): string {
  const blank = Object.fromEntries(columns.map((column) => [column, 0])) as Record<(typeof columns)[number], number>;
  const values = Array.from({ length: rows }, () => blank);
  return tx.insertInto('reading').columns(columns).values(values).compile().sql;
}
