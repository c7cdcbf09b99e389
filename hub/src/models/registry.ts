// The model registry: a project's model has versions, and aliases that point at them (the MLflow meaning).
import { SanderlingError, type Clock } from '@sanderling/kit';
import type { GateResult } from '@sanderling/wire';
import type { Kysely } from 'kysely';
import type { EventLog } from '../events/index.ts';
import {
  defaultPageItems,
  tables,
  toPage,
  type BlobStore,
  type Database,
  type Page,
  type PageQuery,
} from '../store/index.ts';
import type { ModelInput } from '../workers/index.ts';
import type { ModelTables } from './tables.ts';
import { toRecord, versionMetrics, type NewVersion, type VersionRecord } from './version-record.ts';

/** What the registry is built on. */
export interface RegistryParts {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly events: EventLog;
  readonly clock: Clock;
}

/** The model registry of a hub. */
export class Registry {
  readonly #db: Kysely<ModelTables>;
  readonly #parts: RegistryParts;

  constructor(parts: RegistryParts) {
    this.#db = tables<ModelTables>(parts.database);
    this.#parts = parts;
  }

  /** Registers a version and gives it the alias `candidate`. The same execution again gives the version that it made. */
  async register(version: NewVersion): Promise<number> {
    return this.#db.transaction().execute(async (tx) => {
      const made =
        version.execution === null
          ? undefined
          : await tx
              .selectFrom('model_version')
              .select('version')
              .where('execution', '=', version.execution)
              .executeTakeFirst();
      if (made !== undefined) return made.version;
      const newest = await tx
        .selectFrom('model_version')
        .select((e) => e.fn.max('version').as('version'))
        .where('project', '=', version.project)
        .executeTakeFirst();
      const number = Number(newest?.version ?? 0) + 1;
      await tx.insertInto('model_version').values(this.#row(version, number)).execute();
      await this.#parts.events.append(
        {
          type: 'model.registered',
          project: version.project,
          subject: `${version.project}/${number}`,
          data: { version: number, run: version.run, metrics: versionMetrics(version.evaluation) },
        },
        tx,
      );
      await this.setAlias(version.project, 'candidate', number, tx);
      return number;
    });
  }

  /** A version by its number or by an alias. @throws NOT_FOUND */
  async get(project: string, version: number | string): Promise<VersionRecord> {
    const found = await this.find(project, version);
    if (found !== undefined) return found;
    const name = typeof version === 'number' || /^\d+$/.test(version) ? `version ${version}` : `alias ${version}`;
    throw new SanderlingError('NOT_FOUND', `the model of project ${project} has no ${name}`);
  }

  /** A version by its number or by an alias, if there is one. */
  async find(project: string, version: number | string): Promise<VersionRecord | undefined> {
    const number = /^\d{1,9}$/.test(String(version)) ? Number(version) : await this.#aliased(project, String(version));
    if (number === undefined) return undefined;
    const row = await this.#db
      .selectFrom('model_version')
      .selectAll()
      .where('project', '=', project)
      .where('version', '=', number)
      .executeTakeFirst();
    return row === undefined ? undefined : toRecord(row, await this.#aliasesOf(project, number));
  }

  /** Versions, newest first. */
  async list(project: string, query: PageQuery = {}): Promise<Page<VersionRecord>> {
    const { limit = defaultPageItems, cursor } = query;
    let select = this.#db
      .selectFrom('model_version')
      .selectAll()
      .where('project', '=', project)
      .orderBy('version', 'desc')
      .limit(limit + 1);
    if (cursor !== undefined) select = select.where('version', '<', Number(cursor) || 0);
    const aliases = await this.#db.selectFrom('model_alias').selectAll().where('project', '=', project).execute();
    const aliasesOf = (version: number): string[] =>
      aliases.filter((row) => row.version === version).map((row) => row.alias);
    return toPage(await select.execute(), limit, {
      item: (row) => toRecord(row, aliasesOf(row.version)),
      cursor: (row) => String(row.version),
    });
  }

  /** Points an alias at a version. @throws NOT_FOUND */
  async setAlias(project: string, alias: string, version: number, executor?: Database): Promise<void> {
    const write = async (db: Kysely<ModelTables>): Promise<void> => {
      const exists = await db
        .selectFrom('model_version')
        .select('version')
        .where('project', '=', project)
        .where('version', '=', version)
        .executeTakeFirst();
      if (exists === undefined)
        throw new SanderlingError('NOT_FOUND', `the model of project ${project} has no version ${version}`);
      const before = await this.#aliased(project, alias, db);
      if (before === version) return;
      const row = { version, updated_at: this.#parts.clock.now() };
      await db
        .insertInto('model_alias')
        .values({ project, alias, ...row })
        .onConflict((conflict) => conflict.columns(['project', 'alias']).doUpdateSet(row))
        .execute();
      await this.#tellAlias(project, { alias, version, previous: before ?? null }, db);
    };
    if (executor === undefined) await this.#db.transaction().execute(write);
    else await write(tables<ModelTables>(executor));
  }

  /** Takes an alias away; without it nothing happens. */
  async removeAlias(project: string, alias: string): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      const before = await this.#aliased(project, alias, tx);
      if (before === undefined) return;
      await tx.deleteFrom('model_alias').where('project', '=', project).where('alias', '=', alias).execute();
      await this.#tellAlias(project, { alias, version: null, previous: before }, tx);
    });
  }

  /** Keeps what the gates said of a version. */
  async setGates(project: string, version: number, gates: readonly GateResult[], executor?: Database): Promise<void> {
    await tables<ModelTables>(executor ?? this.#db)
      .updateTable('model_version')
      .set({ gates: JSON.stringify(gates) })
      .where('project', '=', project)
      .where('version', '=', version)
      .execute();
  }

  /** The version's model and preprocessing, ready to run. @throws NOT_FOUND, CORRUPT */
  async modelInput(record: VersionRecord): Promise<ModelInput> {
    return { model: await this.#parts.blobs.get(record.artifact), preprocessing: record.preprocessing };
  }

  async #aliased(project: string, alias: string, executor: Database = this.#db): Promise<number | undefined> {
    const row = await tables<ModelTables>(executor)
      .selectFrom('model_alias')
      .select('version')
      .where('project', '=', project)
      .where('alias', '=', alias)
      .executeTakeFirst();
    return row?.version;
  }

  async #aliasesOf(project: string, version: number): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('model_alias')
      .select('alias')
      .where('project', '=', project)
      .where('version', '=', version)
      .orderBy('alias')
      .execute();
    return rows.map((row) => row.alias);
  }

  #tellAlias(
    project: string,
    data: { readonly alias: string; readonly version: number | null; readonly previous: number | null },
    executor: Database,
  ): Promise<void> {
    return this.#parts.events.append(
      { type: 'model.alias', project, subject: `${project}@${data.alias}`, data },
      executor,
    );
  }

  #row(version: NewVersion, number: number): ModelTables['model_version'] {
    return {
      project: version.project,
      version: number,
      run: version.run,
      execution: version.execution,
      dataset: version.dataset,
      artifact: version.artifact,
      size_bytes: version.sizeBytes,
      metrics: JSON.stringify(versionMetrics(version.evaluation)),
      preprocessing: JSON.stringify(version.preprocessing),
      prepared: JSON.stringify(version.prepared),
      evaluation: JSON.stringify(version.evaluation),
      gates: null,
      created_at: this.#parts.clock.now(),
    };
  }
}
