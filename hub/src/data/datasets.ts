// Dataset versions: immutable, addressed by the SHA-256 of a manifest that lists their columns. The same readings are the same version.
import { canonicalJson, SanderlingError, type Clock, type Digest } from '@sanderling/kit';
import type { Dataset, ProjectSpec, Quality } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { EventLog } from '../events/index.ts';
import { tables, type BlobStore, type Database } from '../store/index.ts';
import type { Part } from './parts.ts';
import { judgeQuality } from './quality.ts';
import type { DataTables } from './tables.ts';
import { walk } from './walk.ts';

/** Columns of a dataset, rows in the order of time, equal times in the order of arrival. */
export interface Columns {
  /** Milliseconds since 1970. */
  readonly times: Float64Array;
  readonly values: Float64Array;
}

interface Manifest {
  readonly format: 'sanderling-dataset/1';
  readonly project: string;
  readonly quantity: string;
  readonly unit: string;
  readonly rows: number;
  readonly firstTime: number;
  readonly lastTime: number;
  /** Little-endian IEEE 754 binary64, one value a row. */
  readonly columns: { readonly time: Digest; readonly value: Digest };
}

/** Which dataset versions to list, newest first. */
export interface DatasetQuery {
  /** Only versions made before this one in the list. */
  readonly after?: { readonly createdAt: number; readonly digest: Digest };
  /** @default 100 */
  readonly limit?: number;
}

/** The dataset versions of a hub. */
export class Datasets {
  readonly #db: Kysely<DataTables>;
  readonly #blobs: BlobStore;
  readonly #events: EventLog;
  readonly #clock: Clock;

  constructor(database: Database, blobs: BlobStore, events: EventLog, clock: Clock) {
    this.#db = tables<DataTables>(database);
    this.#blobs = blobs;
    this.#events = events;
    this.#clock = clock;
  }

  /** Takes the newest readings of a project as a version; the same readings again give the same version. @throws TOO_LITTLE_DATA without a reading. */
  async create(spec: ProjectSpec, parts: readonly Part[]): Promise<{ dataset: Dataset; quality: Quality }> {
    const { times, values, arrivals } = await this.#newest(parts, spec.data.newest);
    const { quantity, unit, minimum } = spec.data;
    const quality = await judgeQuality({
      times,
      values,
      arrivals,
      options: { quantity, unit, minimum, now: this.#clock.now() },
    });
    const manifest: Manifest = {
      format: 'sanderling-dataset/1',
      project: spec.name,
      quantity,
      unit,
      rows: times.length,
      firstTime: times[0]!,
      lastTime: times.at(-1)!,
      columns: { time: await this.#blobs.put(bytesOf(times)), value: await this.#blobs.put(bytesOf(values)) },
    };
    const digest = await this.#blobs.put(Buffer.from(canonicalJson(manifest)));
    const dataset = await this.#save(digest, manifest, quality);
    return { dataset, quality };
  }

  /** @throws NOT_FOUND */
  async get(digest: Digest): Promise<Dataset> {
    const row = await this.#db.selectFrom('dataset').selectAll().where('digest', '=', digest).executeTakeFirst();
    if (row !== undefined) return toDataset(row);
    throw new SanderlingError('NOT_FOUND', `there is no dataset ${digest.slice(0, 12)}`);
  }

  async list(project: string, query: DatasetQuery = {}): Promise<Dataset[]> {
    let select = this.#db
      .selectFrom('dataset')
      .selectAll()
      .where('project', '=', project)
      .orderBy('created_at', 'desc')
      .orderBy('digest', 'desc')
      .limit(query.limit ?? 100);
    const { after } = query;
    if (after !== undefined)
      select = select.where((e) => e(e.refTuple('created_at', 'digest'), '<', e.tuple(after.createdAt, after.digest)));
    return (await select.execute()).map(toDataset);
  }

  /** A version's columns, exactly as they were. @throws NOT_FOUND; CORRUPT when the disk changed them. */
  async columns(digest: Digest): Promise<Columns> {
    await this.get(digest);
    const { columns } = JSON.parse(Buffer.from(await this.#blobs.get(digest)).toString('utf8')) as Manifest;
    return {
      times: floatsOf(await this.#blobs.get(columns.time)),
      values: floatsOf(await this.#blobs.get(columns.value)),
    };
  }

  /** The newest rows, in the order of time. */
  async #newest(parts: readonly Part[], count: number): Promise<Columns & { readonly arrivals: Float64Array }> {
    const most = Math.min(
      count,
      parts.reduce((sum, part) => sum + part.rows, 0),
    );
    const [times, values, arrivals] = [new Float64Array(most), new Float64Array(most), new Float64Array(most)];
    let at = most;
    for await (const block of walk(this.#db, parts, { direction: 'backward', pageSize: Math.min(2000, most + 1) })) {
      for (let i = 0; i < block.length && at > 0; i++) {
        const row = block[i]!;
        at--;
        times[at] = row.time;
        values[at] = row.value;
        arrivals[at] = row.id;
      }
      if (at === 0) break;
    }
    if (at === most) {
      throw new SanderlingError('TOO_LITTLE_DATA', 'the project has no readings yet', {
        fix: 'send some, or import a file',
      });
    }
    return { times: times.subarray(at), values: values.subarray(at), arrivals: arrivals.subarray(at) };
  }

  async #save(digest: Digest, manifest: Manifest, quality: Quality): Promise<Dataset> {
    const row = {
      digest,
      project: manifest.project,
      rows: manifest.rows,
      first_time: manifest.firstTime,
      last_time: manifest.lastTime,
      created_at: this.#clock.now(),
      quality: JSON.stringify(quality),
    };
    return this.#db.transaction().execute(async (tx) => {
      const known = await tx.selectFrom('dataset').selectAll().where('digest', '=', digest).executeTakeFirst();
      if (known !== undefined) {
        await tx.updateTable('dataset').set({ quality: row.quality }).where('digest', '=', digest).execute();
        return toDataset({ ...known, quality: row.quality });
      }
      await tx.insertInto('dataset').values(row).execute();
      const data = { rows: row.rows, usable: quality.usable };
      await this.#events.append({ type: 'dataset.created', project: row.project, subject: digest, data }, tx);
      return toDataset(row);
    });
  }
}

function toDataset(row: Selectable<DataTables['dataset']>): Dataset {
  return {
    digest: row.digest,
    project: row.project,
    rows: row.rows,
    firstTime: row.first_time,
    lastTime: row.last_time,
    createdAt: row.created_at,
    quality: JSON.parse(row.quality) as Quality,
  };
}

function bytesOf(floats: Float64Array): Uint8Array {
  const bytes = Buffer.alloc(floats.length * 8);
  floats.forEach((value, i) => bytes.writeDoubleLE(value, i * 8));
  return bytes;
}

function floatsOf(bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: bytes.byteLength / 8 }, (_, i) => view.getFloat64(i * 8, true));
}
