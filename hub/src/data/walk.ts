// Reading readings: the visible parts of a project merged in the order of time, page by page, so that no query is long and nothing is held whole.
import type { Kysely } from 'kysely';
import type { Part } from './parts.ts';
import type { DataTables } from './tables.ts';

/** A reading's place in the order: time, then arrival. */
export interface Place {
  readonly time: number;
  readonly id: number;
}

/** A reading as it is stored. */
export interface WalkedReading extends Place {
  readonly value: number;
  readonly source: number;
  readonly received_at: number;
}

/** What to walk over. */
export interface WalkOptions {
  readonly direction: 'forward' | 'backward';
  /** Earliest time, included. */
  readonly from?: number;
  /** Latest time, excluded. */
  readonly to?: number;
  /** Only what comes behind this place in the direction of the walk. */
  readonly after?: Place;
  /** Most rows of one query. @default 2000 */
  readonly pageSize?: number;
}

interface Cursor {
  readonly part: Part;
  page: readonly WalkedReading[];
  at: number;
  last: Place | undefined;
  ended: boolean;
}

/** Blocks of readings in order, until all are seen; other work gets its turn between blocks. */
export async function* walk(
  db: Kysely<DataTables>,
  parts: readonly Part[],
  options: WalkOptions,
): AsyncGenerator<readonly WalkedReading[]> {
  const cursors = parts
    .filter((part) => overlaps(part, options))
    .map((part): Cursor => ({ part, page: [], at: 0, last: options.after, ended: false }));
  for (;;) {
    for (const cursor of cursors) if (cursor.at >= cursor.page.length && !cursor.ended) await turn(db, cursor, options);
    const open = cursors.filter((cursor) => cursor.at < cursor.page.length);
    if (open.length === 0) return;
    yield merge(open, options.direction);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function overlaps(part: Part, { from, to }: WalkOptions): boolean {
  if (part.first_time === null || part.last_time === null) return false;
  return part.last_time >= (from ?? Number.NEGATIVE_INFINITY) && part.first_time < (to ?? Number.POSITIVE_INFINITY);
}

/** Fetches the next page of a part. */
async function turn(db: Kysely<DataTables>, cursor: Cursor, options: WalkOptions): Promise<void> {
  const { direction, from, to, pageSize = 2000 } = options;
  const [order, beyond] = direction === 'forward' ? (['asc', '>'] as const) : (['desc', '<'] as const);
  let query = db
    .selectFrom('reading')
    .select(['id', 'time', 'value', 'source', 'received_at'])
    .where('part', '=', cursor.part.id)
    .orderBy('time', order)
    .orderBy('id', order)
    .limit(pageSize);
  if (from !== undefined) query = query.where('time', '>=', from);
  if (to !== undefined) query = query.where('time', '<', to);
  const { last } = cursor;
  if (last !== undefined) query = query.where((e) => e(e.refTuple('time', 'id'), beyond, e.tuple(last.time, last.id)));
  cursor.page = await query.execute();
  cursor.at = 0;
  cursor.last = cursor.page.at(-1) ?? last;
  cursor.ended = cursor.page.length < pageSize;
}

/** Takes from the pages in order until one of them needs its next. */
function merge(cursors: readonly Cursor[], direction: 'forward' | 'backward'): readonly WalkedReading[] {
  const [only] = cursors;
  if (cursors.length === 1 && only !== undefined) {
    const rest = only.at === 0 ? only.page : only.page.slice(only.at);
    only.at = only.page.length;
    return rest;
  }
  const sign = direction === 'forward' ? 1 : -1;
  const block: WalkedReading[] = [];
  for (;;) {
    const first = cursors.reduce((best, cursor) => (sign * compare(head(cursor), head(best)) < 0 ? cursor : best));
    block.push(head(first));
    first.at++;
    if (first.at >= first.page.length) return block;
  }
}

function head(cursor: Cursor): WalkedReading {
  return cursor.page[cursor.at]!;
}

function compare(a: Place, b: Place): number {
  return a.time - b.time || a.id - b.id;
}
