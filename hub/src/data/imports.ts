// Imports: all of a batch or nothing, once for every Idempotency-Key. A small one is one transaction; a large one fills a hidden part in short ones.
import { newId, SanderlingError, type Clock } from '@sanderling/kit';
import type { IngestAnswer } from '@sanderling/wire';
import type { Kysely } from 'kysely';
import type { EventLog } from '../events/index.ts';
import { tables, type Database } from '../store/index.ts';
import { importFormats, type FormatOptions, type ImportFormat, type ImportReader } from './formats.ts';
import { appendReadings, livePart, sourceNumber, spanOf, stagingPart, type Measurement } from './parts.ts';
import type { DataTables } from './tables.ts';

/** An import to make. */
export interface ImportRequest {
  readonly project: string;
  readonly format: ImportFormat;
  readonly body: AsyncIterable<Uint8Array>;
  readonly options: FormatOptions;
  /** The same key again returns the first answer and stores nothing. */
  readonly idempotencyKey?: string;
}

/** Readings that still go in one transaction, straight into the live part. */
const smallImport = 4000;
/** Imports that may run at the same time. */
const maxImports = 4;
/** Rows of a dropped part that are deleted at a time. */
const sweepRows = 2000;

/** Takes imports, and sweeps up what failed ones left. */
export class Imports {
  readonly #db: Kysely<DataTables>;
  readonly #events: EventLog;
  readonly #clock: Clock;
  readonly #running = new Set<Promise<unknown>>();
  #sweeping: Promise<void> | undefined;
  #stopped = false;

  constructor(database: Database, events: EventLog, clock: Clock) {
    this.#db = tables<DataTables>(database);
    this.#events = events;
    this.#clock = clock;
  }

  /** Forgets imports that a killed hub left half done; their rows go in the background. */
  async recover(): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      await tx.deleteFrom('data_batch').where('answer', 'is', null).execute();
      await tx.updateTable('data_part').set({ state: 'dropped' }).where('state', '=', 'staging').execute();
    });
    this.#sweep();
  }

  /** Waits for what runs: imports end when their connections do, the sweep after its present step. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#running);
    await this.#sweeping;
  }

  /**
   * Reads and stores a batch.
   * @throws LIMIT_REACHED when too many run; CONFLICT while the same key's first import runs; INVALID_DATA, TOO_LITTLE_DATA … of the format.
   */
  async run(request: ImportRequest): Promise<IngestAnswer> {
    const batch = newId('bat', this.#clock);
    const known = await this.#claim(batch, request);
    if (known !== undefined) return known;
    const storing = this.#storeOrForget(batch, request);
    this.#running.add(storing);
    return storing.finally(() => this.#running.delete(storing));
  }

  async #storeOrForget(batch: string, request: ImportRequest): Promise<IngestAnswer> {
    try {
      return await this.#store(batch, request);
    } catch (error) {
      await this.#db.deleteFrom('data_batch').where('id', '=', batch).execute();
      throw error;
    }
  }

  async #claim(batch: string, { project, idempotencyKey }: ImportRequest): Promise<IngestAnswer | undefined> {
    const key = idempotencyKey ?? null;
    if (key !== null) {
      const known = await this.#batchOf(project, key);
      if (known?.answer != null) return JSON.parse(known.answer) as IngestAnswer;
      if (known !== undefined) throw stillRunning();
    }
    if (this.#running.size >= maxImports) {
      throw new SanderlingError('LIMIT_REACHED', `${maxImports} imports are running`, {
        fix: 'wait until one has ended',
      });
    }
    const row = { id: batch, project, idempotency_key: key, answer: null, created_at: this.#clock.now() };
    const { numInsertedOrUpdatedRows } = await this.#db
      .insertInto('data_batch')
      .values(row)
      .onConflict((c) => c.columns(['project', 'idempotency_key']).doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows === 0n) throw stillRunning();
    return undefined;
  }

  #batchOf(project: string, key: string) {
    return this.#db
      .selectFrom('data_batch')
      .select('answer')
      .where('project', '=', project)
      .where('idempotency_key', '=', key)
      .executeTakeFirst();
  }

  async #store(batch: string, request: ImportRequest): Promise<IngestAnswer> {
    const reader = importFormats[request.format](request.body, request.options);
    let held: Measurement[] = [];
    let staging: Staging | undefined;
    try {
      for await (const readings of reader) {
        held.push(...readings);
        if (held.length < smallImport && staging === undefined) continue;
        staging ??= await this.#stage(batch, request.project);
        await this.#append(staging, held);
        held = [];
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (staging === undefined) return await this.#finishSmall(batch, { request, reader, readings: held });
      await this.#append(staging, held);
      return await this.#finishLarge(batch, { request, reader, staging });
    } catch (error) {
      if (staging !== undefined) await this.#drop(staging.part);
      throw error;
    }
  }

  async #stage(batch: string, project: string): Promise<Staging> {
    return this.#db.transaction().execute(async (tx) => ({
      part: await stagingPart(tx, project),
      source: await sourceNumber(tx, project, `import:${batch}`),
      receivedAt: this.#clock.now(),
    }));
  }

  async #append(staging: Staging, readings: readonly Measurement[]): Promise<void> {
    await this.#db.transaction().execute((tx) => appendReadings(tx, readings, staging));
  }

  async #finishSmall(
    batch: string,
    end: ImportEnd & { readonly readings: readonly Measurement[] },
  ): Promise<IngestAnswer> {
    const { project } = end.request;
    const { readings } = end;
    const span = readings.length === 0 ? { firstTime: null, lastTime: null } : spanOf(readings);
    const answer = answerOf(batch, end.reader, { accepted: readings.length, ...span });
    await this.#db.transaction().execute(async (tx) => {
      if (readings.length > 0) {
        const [part, source] = [await livePart(tx, project), await sourceNumber(tx, project, `import:${batch}`)];
        await appendReadings(tx, readings, { part, source, receivedAt: this.#clock.now() });
      }
      await this.#publish(tx, project, answer);
    });
    return answer;
  }

  async #finishLarge(batch: string, end: ImportEnd & { readonly staging: Staging }): Promise<IngestAnswer> {
    const { project } = end.request;
    return this.#db.transaction().execute(async (tx) => {
      const part = await tx
        .updateTable('data_part')
        .set({ state: 'visible' })
        .where('id', '=', end.staging.part)
        .returning(['rows', 'first_time', 'last_time'])
        .executeTakeFirstOrThrow();
      const span = { firstTime: part.first_time, lastTime: part.last_time };
      const answer = answerOf(batch, end.reader, { accepted: part.rows, ...span });
      await this.#publish(tx, project, answer);
      return answer;
    });
  }

  async #publish(tx: Kysely<DataTables>, project: string, answer: IngestAnswer): Promise<void> {
    await tx
      .updateTable('data_batch')
      .set({ answer: JSON.stringify(answer) })
      .where('id', '=', answer.batch)
      .execute();
    if (answer.accepted === 0) return;
    const { batch, accepted, skipped, firstTime, lastTime } = answer;
    await this.#events.append(
      { type: 'readings.imported', project, subject: batch, data: { accepted, skipped, firstTime, lastTime } },
      tx,
    );
  }

  async #drop(part: number): Promise<void> {
    await this.#db.updateTable('data_part').set({ state: 'dropped' }).where('id', '=', part).execute();
    this.#sweep();
  }

  /** Deletes dropped parts in the background, a little at a time. */
  #sweep(): void {
    const sweeping = async (): Promise<void> => {
      while (!this.#stopped && (await this.#sweepOnce())) await this.#clock.sleep(5);
    };
    const before = this.#sweeping ?? Promise.resolve();
    this.#sweeping = before.then(sweeping).catch((error: unknown) => {
      process.emitWarning(`left-over readings could not be deleted: ${String(error)}`);
    });
  }

  /** @returns whether there may be more. */
  async #sweepOnce(): Promise<boolean> {
    const part = await this.#db.selectFrom('data_part').select('id').where('state', '=', 'dropped').executeTakeFirst();
    if (part === undefined) return false;
    const some = this.#db.selectFrom('reading').select('id').where('part', '=', part.id).limit(sweepRows);
    const { numDeletedRows } = await this.#db.deleteFrom('reading').where('id', 'in', some).executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) await this.#db.deleteFrom('data_part').where('id', '=', part.id).execute();
    return true;
  }
}

interface Staging {
  readonly part: number;
  readonly source: number;
  readonly receivedAt: number;
}

interface ImportEnd {
  readonly request: ImportRequest;
  readonly reader: ImportReader;
}

function answerOf(
  batch: string,
  reader: ImportReader,
  stored: Pick<IngestAnswer, 'accepted' | 'firstTime' | 'lastTime'>,
): IngestAnswer {
  const reasons = reader.skipped();
  return { batch, ...stored, skipped: reasons.reduce((sum, { count }) => sum + count, 0), reasons };
}

function stillRunning(): SanderlingError {
  return new SanderlingError('CONFLICT', 'an import with this Idempotency-Key is still running', {
    fix: 'wait until it has ended, then send the same request again to get its answer',
  });
}
