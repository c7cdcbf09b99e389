// The data of a hub: readings as they came, and the immutable versions that models learn from.
import type { Clock, Digest } from '@sanderling/kit';
import type { Dataset, IngestAnswer, Project, Quality, StoredReading } from '@sanderling/wire';
import type { Kysely } from 'kysely';
import type { EventLog } from '../events/index.ts';
import { tables, type BlobStore, type Database } from '../store/index.ts';
import { Datasets, type Columns, type DatasetQuery } from './datasets.ts';
import { Imports, type ImportRequest } from './imports.ts';
import { appendReadings, livePart, sourceNumber, type Measurement, type Part } from './parts.ts';
import type { DataTables } from './tables.ts';
import { walk, type Place, type WalkedReading } from './walk.ts';

/** Which readings to read. */
export interface ReadingQuery {
  /** Only the newest so many. */
  readonly newest?: number;
  /** Earliest time, included; milliseconds since 1970. */
  readonly from?: number;
  /** Latest time, excluded. */
  readonly to?: number;
  /** Only readings behind this place in the order of time. */
  readonly after?: Place;
  /** Most readings to read. @default 10000 */
  readonly limit?: number;
}

/** How much a project has. */
export interface Span {
  readonly count: number;
  readonly firstTime: number | null;
  readonly lastTime: number | null;
}

/** What the data need to know of projects. */
export interface ProjectSource {
  get(name: string): Promise<Project>;
}

/** The readings and datasets of a hub. */
export class Data {
  readonly #db: Kysely<DataTables>;
  readonly #projects: ProjectSource;
  readonly #imports: Imports;
  readonly #datasets: Datasets;

  constructor(
    database: Database,
    ports: {
      readonly blobs: BlobStore;
      readonly events: EventLog;
      readonly projects: ProjectSource;
      readonly clock: Clock;
    },
  ) {
    const { blobs, events, projects, clock } = ports;
    this.#db = tables<DataTables>(database);
    this.#projects = projects;
    this.#imports = new Imports(database, events, clock);
    this.#datasets = new Datasets(database, blobs, events, clock);
  }

  /** Forgets imports that a killed hub left half done. */
  start(): Promise<void> {
    return this.#imports.recover();
  }

  /** Ends the work in the background. */
  stop(): Promise<void> {
    return this.#imports.stop();
  }

  /** Imports a batch: all of it or nothing. @throws as `Imports.run`, and NOT_FOUND for the project. */
  async import(request: ImportRequest): Promise<IngestAnswer> {
    await this.#projects.get(request.project);
    return this.#imports.run(request);
  }

  /** Stores a device's readings inside its transaction. */
  async store(
    batch: { readonly project: string; readonly source: string; readonly receivedAt: number },
    readings: readonly Measurement[],
    executor: Database,
  ): Promise<void> {
    if (readings.length === 0) return;
    const tx = tables<DataTables>(executor);
    const [part, source] = [await livePart(tx, batch.project), await sourceNumber(tx, batch.project, batch.source)];
    await appendReadings(tx, readings, { part, source, receivedAt: batch.receivedAt });
  }

  /** Readings in the order of time, equal times in the order of arrival. */
  async readings(project: string, query: ReadingQuery = {}): Promise<StoredReading[]> {
    const limit = query.newest ?? query.limit ?? 10_000;
    const direction = query.newest === undefined ? 'forward' : 'backward';
    const rows: WalkedReading[] = [];
    const { from, to, after } = query;
    const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    const start = after === undefined || direction === 'backward' ? {} : { after };
    const pageSize = Math.min(2000, limit);
    for await (const block of walk(this.#db, await this.#parts(project), { direction, pageSize, ...range, ...start })) {
      for (const row of block) if (rows.length < limit) rows.push(row);
      if (rows.length >= limit) break;
    }
    if (direction === 'backward') rows.reverse();
    return this.#named(rows, new Map());
  }

  /** Every reading of a range, block by block, in the order of time. */
  async *stream(
    project: string,
    query: Pick<ReadingQuery, 'from' | 'to'> = {},
  ): AsyncGenerator<readonly StoredReading[]> {
    const names = new Map<number, string>();
    for await (const block of walk(this.#db, await this.#parts(project), { direction: 'forward', ...query }))
      yield await this.#named(block, names);
  }

  /** How many readings a project has, and over which time. */
  async span(project: string): Promise<Span> {
    const parts = (await this.#parts(project)).filter((part) => part.first_time !== null);
    if (parts.length === 0) return { count: 0, firstTime: null, lastTime: null };
    return {
      count: parts.reduce((sum, part) => sum + part.rows, 0),
      firstTime: Math.min(...parts.map((part) => part.first_time!)),
      lastTime: Math.max(...parts.map((part) => part.last_time!)),
    };
  }

  /** Takes a project's newest readings (`spec.data.newest`) as an immutable version. @throws NOT_FOUND; TOO_LITTLE_DATA without a reading. */
  async createDataset(project: string): Promise<{ dataset: Dataset; quality: Quality }> {
    const { spec } = await this.#projects.get(project);
    return this.#datasets.create(spec, await this.#parts(project));
  }

  /** @throws NOT_FOUND */
  dataset(digest: Digest): Promise<Dataset> {
    return this.#datasets.get(digest);
  }

  /** A project's dataset versions, newest first. @throws NOT_FOUND for the project */
  async datasets(project: string, query?: DatasetQuery): Promise<Dataset[]> {
    await this.#projects.get(project);
    return this.#datasets.list(project, query);
  }

  /** A version's columns, exactly as they were. @throws NOT_FOUND; CORRUPT */
  columns(digest: Digest): Promise<Columns> {
    return this.#datasets.columns(digest);
  }

  #parts(project: string): Promise<Part[]> {
    return this.#db
      .selectFrom('data_part')
      .selectAll()
      .where('project', '=', project)
      .where('state', '=', 'visible')
      .orderBy('id')
      .execute();
  }

  /** Readings with their sources' names; names found are kept in `known`. */
  async #named(rows: readonly WalkedReading[], known: Map<number, string>): Promise<StoredReading[]> {
    const missing = [...new Set(rows.map((row) => row.source))].filter((source) => !known.has(source));
    for (let at = 0; at < missing.length; at += sourcesAQuery) {
      const some = missing.slice(at, at + sourcesAQuery);
      const found = await this.#db.selectFrom('data_source').select(['id', 'name']).where('id', 'in', some).execute();
      for (const { id, name } of found) known.set(id, name);
    }
    return rows.map((row) => toStored(row, known));
  }
}

/** Names fetched by one query. */
const sourcesAQuery = 500;

function toStored(row: WalkedReading, names: ReadonlyMap<number, string>): StoredReading {
  return {
    id: row.id,
    time: row.time,
    value: row.value,
    source: names.get(row.source) ?? 'unknown',
    receivedAt: row.received_at,
  };
}
