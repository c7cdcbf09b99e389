// Tracking: experiments hold runs; a run has params that never change, metrics over steps, tags and artifacts (the MLflow meaning).
import { newId, SanderlingError, type Clock } from '@sanderling/kit';
import type { Artifact, Experiment, MetricPoint, Run } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import {
  defaultPageItems,
  tables,
  toPage,
  type BlobStore,
  type Database,
  type Page,
  type PageQuery,
} from '../store/index.ts';
import { checkBatch, checkPath, limit, trackingLimits, type LogBatch } from './limits.ts';
import { insertBatch } from './log-batch.ts';
import { readRuns } from './read-runs.ts';
import type { TrackingTables } from './tables.ts';

/** How a run may end. */
export type RunEnd = 'finished' | 'failed' | 'killed';

/** A run to start. */
export interface NewRun {
  readonly experiment: string;
  readonly name: string;
  readonly parent?: string | null;
  readonly params?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Which runs to list. Newest first. */
export interface RunQuery extends PageQuery {
  readonly experiment?: string;
  readonly project?: string;
  readonly parent?: string;
  readonly state?: Run['state'];
}

/** The tracking store of a hub. */
export class Tracking {
  readonly #db: Kysely<TrackingTables>;
  readonly #blobs: BlobStore;
  readonly #clock: Clock;

  constructor(database: Database, blobs: BlobStore, clock: Clock) {
    this.#db = tables<TrackingTables>(database);
    this.#blobs = blobs;
    this.#clock = clock;
  }

  /** The experiment of this name in a project, made when it is not there. */
  async experiment(project: string, name: string, executor: Database = this.#db): Promise<Experiment> {
    const db = tables<TrackingTables>(executor);
    await db
      .insertInto('experiment')
      .values({ id: newId('exp', this.#clock), project, name, created_at: this.#clock.now() })
      .onConflict((conflict) => conflict.columns(['project', 'name']).doNothing())
      .execute();
    const row = await db
      .selectFrom('experiment')
      .selectAll()
      .where('project', '=', project)
      .where('name', '=', name)
      .executeTakeFirstOrThrow();
    return toExperiment(row);
  }

  /** @throws NOT_FOUND */
  async getExperiment(id: string): Promise<Experiment> {
    const row = await this.#db.selectFrom('experiment').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw missing('experiment', id);
    return toExperiment(row);
  }

  /** Experiments, newest first. */
  async experiments(query: PageQuery & { readonly project?: string } = {}): Promise<Page<Experiment>> {
    const { limit = defaultPageItems, cursor, project } = query;
    let select = this.#db
      .selectFrom('experiment')
      .selectAll()
      .orderBy('id', 'desc')
      .limit(limit + 1);
    if (project !== undefined) select = select.where('project', '=', project);
    if (cursor !== undefined) select = select.where('id', '<', cursor);
    return toPage(await select.execute(), limit, { item: toExperiment, cursor: (row) => row.id });
  }

  /** Starts a run and logs its params and tags. @throws NOT_FOUND for an unknown experiment or parent */
  async startRun(run: NewRun, executor: Database = this.#db): Promise<string> {
    checkBatch(run);
    const db = tables<TrackingTables>(executor);
    const experiment = await db
      .selectFrom('experiment')
      .selectAll()
      .where('id', '=', run.experiment)
      .executeTakeFirst();
    if (experiment === undefined) throw missing('experiment', run.experiment);
    if (typeof run.parent === 'string') await this.#state(run.parent, executor);
    const id = newId('run', this.#clock);
    await db
      .insertInto('run')
      .values({
        id,
        experiment: experiment.id,
        project: experiment.project,
        name: run.name,
        state: 'running',
        parent: run.parent ?? null,
        started_at: this.#clock.now(),
        ended_at: null,
      })
      .execute();
    await insertBatch(db, id, run);
    return id;
  }

  /** Ends a run; ending it again in the same state does nothing. @throws NOT_FOUND, CONFLICT when it ended otherwise */
  async endRun(id: string, state: RunEnd, executor: Database = this.#db): Promise<void> {
    const present = await this.#state(id, executor);
    if (present === state) return;
    if (present !== 'running') throw new SanderlingError('CONFLICT', `run ${id} has ended: ${present}`);
    await tables<TrackingTables>(executor)
      .updateTable('run')
      .set({ state, ended_at: this.#clock.now() })
      .where('id', '=', id)
      .execute();
  }

  /** Forgets the metrics of a run that is begun anew after a crash; its params stay. @throws NOT_FOUND, CONFLICT when it has ended */
  async restartRun(id: string): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      await this.#requireRunning(id, tx);
      await tx.deleteFrom('run_metric').where('run', '=', id).execute();
      await tx.deleteFrom('run_metric_newest').where('run', '=', id).execute();
      await tx.updateTable('run').set({ started_at: this.#clock.now() }).where('id', '=', id).execute();
    });
  }

  /**
   * Logs params, metrics and tags, all or nothing. The same param, or the same point of a metric, again changes nothing.
   * @throws CONFLICT when a param has another value already or the run has ended, LIMIT_REACHED, INVALID_ARGUMENT, NOT_FOUND
   */
  async log(id: string, batch: LogBatch, executor?: Database): Promise<void> {
    checkBatch(batch);
    const write = async (db: Kysely<TrackingTables>): Promise<void> => {
      await this.#requireRunning(id, db);
      await insertBatch(db, id, batch);
    };
    if (executor === undefined) await this.#db.transaction().execute(write);
    else await write(tables<TrackingTables>(executor));
  }

  /** @throws NOT_FOUND */
  async run(id: string): Promise<Run> {
    const rows = await this.#db.selectFrom('run').selectAll().where('id', '=', id).execute();
    const [run] = await readRuns(this.#db, rows);
    if (run === undefined) throw missing('run', id);
    return run;
  }

  /** Runs, newest first. */
  async runs(query: RunQuery = {}): Promise<Page<Run>> {
    const { limit = defaultPageItems, cursor } = query;
    let select = this.#db
      .selectFrom('run')
      .selectAll()
      .orderBy('id', 'desc')
      .limit(limit + 1);
    for (const field of ['experiment', 'project', 'parent', 'state'] as const) {
      const value = query[field];
      if (value !== undefined) select = select.where(field, '=', value);
    }
    if (cursor !== undefined) select = select.where('id', '<', cursor);
    const rows = await select.execute();
    const runs = new Map((await readRuns(this.#db, rows.slice(0, limit))).map((run) => [run.id, run]));
    return toPage(rows, limit, { item: (row) => runs.get(row.id)!, cursor: (row) => row.id });
  }

  /** The points of a metric, by step. `cursor` is `step:time` of the last point seen. @throws NOT_FOUND */
  async history(id: string, key: string, query: PageQuery = {}): Promise<Page<MetricPoint>> {
    await this.#state(id);
    const { limit = 1000, cursor } = query;
    let select = this.#db
      .selectFrom('run_metric')
      .select(['step', 'time', 'value'])
      .where('run', '=', id)
      .where('key', '=', key)
      .orderBy('step')
      .orderBy('time')
      .limit(limit + 1);
    if (cursor !== undefined) {
      const [step, time] = readPointCursor(cursor);
      select = select.where((e) => e.or([e('step', '>', step), e.and([e('step', '=', step), e('time', '>', time)])]));
    }
    const item = (row: MetricPoint): MetricPoint => ({ ...row });
    return toPage(await select.execute(), limit, { item, cursor: (row) => `${row.step}:${row.time}` });
  }

  /** Stores an artifact's bytes; the same path again replaces it. @throws LIMIT_REACHED, TOO_LARGE, INVALID_ARGUMENT, NOT_FOUND, DISK_FULL */
  async putArtifact(id: string, path: string, bytes: Uint8Array): Promise<Artifact> {
    checkPath(path);
    if (bytes.length > trackingLimits.artifactBytes)
      throw new SanderlingError('TOO_LARGE', `an artifact is at most ${trackingLimits.artifactBytes} bytes`);
    await this.#state(id);
    const artifact = { path, size: bytes.length, digest: await this.#blobs.put(bytes) };
    await this.linkArtifact(id, artifact);
    return artifact;
  }

  /** Lists a blob that is stored already as an artifact of a run. @throws LIMIT_REACHED, NOT_FOUND */
  async linkArtifact(id: string, artifact: Artifact, executor: Database = this.#db): Promise<void> {
    checkPath(artifact.path);
    const db = tables<TrackingTables>(executor);
    const { count } = await db
      .selectFrom('run_artifact')
      .select((e) => e.fn.countAll<number>().as('count'))
      .where('run', '=', id)
      .executeTakeFirstOrThrow();
    if (Number(count) >= trackingLimits.artifacts)
      throw limit(`a run has at most ${trackingLimits.artifacts} artifacts`, 'pack several files into one');
    await db
      .insertInto('run_artifact')
      .values({ run: id, ...artifact })
      .onConflict((conflict) =>
        conflict.columns(['run', 'path']).doUpdateSet({ size: artifact.size, digest: artifact.digest }),
      )
      .execute();
  }

  /** Artifacts by path. @throws NOT_FOUND */
  async artifacts(id: string): Promise<Artifact[]> {
    await this.#state(id);
    const rows = await this.#db.selectFrom('run_artifact').selectAll().where('run', '=', id).orderBy('path').execute();
    return rows.map(({ path, size, digest }) => ({ path, size, digest }));
  }

  /** An artifact's bytes. @throws NOT_FOUND, CORRUPT */
  async artifact(id: string, path: string): Promise<Uint8Array> {
    const row = await this.#db
      .selectFrom('run_artifact')
      .select('digest')
      .where('run', '=', id)
      .where('path', '=', path)
      .executeTakeFirst();
    if (row === undefined) throw missing('artifact', path);
    return this.#blobs.get(row.digest);
  }

  async #state(id: string, executor: Database = this.#db): Promise<string> {
    const row = await tables<TrackingTables>(executor)
      .selectFrom('run')
      .select('state')
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw missing('run', id);
    return row.state;
  }

  async #requireRunning(id: string, executor: Database): Promise<void> {
    const state = await this.#state(id, executor);
    if (state !== 'running') throw new SanderlingError('CONFLICT', `run ${id} has ended: ${state}`);
  }
}

function toExperiment(row: Selectable<TrackingTables['experiment']>): Experiment {
  return { id: row.id, name: row.name, project: row.project, createdAt: row.created_at };
}

function readPointCursor(cursor: string): [number, number] {
  const match = /^(-?\d{1,16}):(\d{1,16})$/.exec(cursor);
  if (match === null)
    throw new SanderlingError('INVALID_ARGUMENT', 'this is no cursor of this list', { where: 'cursor' });
  return [Number(match[1]), Number(match[2])];
}

function missing(what: string, id: string): SanderlingError {
  return new SanderlingError('NOT_FOUND', `there is no ${what} ${id}`);
}
