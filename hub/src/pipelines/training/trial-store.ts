// The trials of a search in the database: written when asked for and when told, in the transaction that also ends the trial's run.
import type { Digest } from '@sanderling/kit';
import { SanderlingError } from '@sanderling/kit';
import type { Params, SearchState, TrialRecord } from '@sanderling/search';
import type { Kysely } from 'kysely';
import { tables, type Database } from '../../store/index.ts';
import type { PipelineTables } from '../tables.ts';

/** Where a search is tracked. */
export interface SearchRecord {
  readonly experiment: string;
  readonly parentRun: string;
  /** Everything of the search's state but its trials. */
  readonly settings: Omit<SearchState, 'trials'>;
}

/** How a trial ended. */
export type TrialEnd =
  | {
      readonly state: 'complete';
      readonly validationMae: number;
      readonly model: Digest;
      readonly sizeBytes: number;
      readonly seconds: number;
      readonly bestEpoch: number;
    }
  | { readonly state: 'failed'; readonly reason: string };

/** A finished trial's model. */
export interface TrialModel {
  readonly trial: number;
  readonly run: string;
  readonly model: Digest;
  readonly sizeBytes: number;
  readonly validationMae: number;
  readonly bestEpoch: number;
}

/** The searches of executions. */
export class TrialStore {
  readonly #db: Kysely<PipelineTables>;

  constructor(database: Database) {
    this.#db = tables<PipelineTables>(database);
  }

  async find(execution: string): Promise<SearchRecord | undefined> {
    const row = await this.#db.selectFrom('search').selectAll().where('execution', '=', execution).executeTakeFirst();
    if (row === undefined) return undefined;
    const settings = JSON.parse(row.settings) as SearchRecord['settings'];
    return { experiment: row.experiment, parentRun: row.parent_run, settings };
  }

  /** `make` starts the parent run inside the same transaction. */
  async create(execution: string, make: (tx: Database) => Promise<SearchRecord>): Promise<SearchRecord> {
    return this.#db.transaction().execute(async (tx) => {
      const record = await make(tx);
      const { experiment, parentRun, settings } = record;
      await tx
        .insertInto('search')
        .values({ execution, experiment, parent_run: parentRun, settings: JSON.stringify(settings) })
        .execute();
      return record;
    });
  }

  /** Trials by number, as the search restores them, and each one's run. */
  async trials(execution: string): Promise<{ readonly records: TrialRecord[]; readonly runs: Map<number, string> }> {
    const rows = await this.#db
      .selectFrom('search_trial')
      .selectAll()
      .where('execution', '=', execution)
      .orderBy('trial')
      .execute();
    const records = rows.map((row): TrialRecord => {
      const state = row.state as TrialRecord['state'];
      return {
        id: row.trial,
        params: JSON.parse(row.params) as Params,
        state,
        ...(row.validation_mae === null ? {} : { values: { value: row.validation_mae } }),
        ...(state === 'failed' && row.reason !== null ? { reason: row.reason } : {}),
      };
    });
    return { records, runs: new Map(rows.map((row) => [row.trial, row.run])) };
  }

  /** Notes a trial that was asked for; `start` starts its run inside the same transaction. */
  async ask(
    execution: string,
    trial: { readonly id: number; readonly params: Params },
    start: (tx: Database) => Promise<string>,
  ): Promise<string> {
    return this.#db.transaction().execute(async (tx) => {
      const run = await start(tx);
      await tx
        .insertInto('search_trial')
        .values({
          execution,
          trial: trial.id,
          run,
          params: JSON.stringify(trial.params),
          state: 'running',
          validation_mae: null,
          model: null,
          size_bytes: null,
          seconds: null,
          best_epoch: null,
          reason: null,
        })
        .execute();
      return run;
    });
  }

  /** Notes a trial's end, once; `also` ends its run and tells the event inside the same transaction. */
  async tell(execution: string, trial: number, end: TrialEnd, also: (tx: Database) => Promise<void>): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('search_trial')
        .set(
          end.state === 'failed'
            ? { state: 'failed', reason: end.reason }
            : {
                state: 'complete',
                validation_mae: end.validationMae,
                model: end.model,
                size_bytes: end.sizeBytes,
                seconds: end.seconds,
                best_epoch: end.bestEpoch,
              },
        )
        .where('execution', '=', execution)
        .where('trial', '=', trial)
        .where('state', '=', 'running')
        .executeTakeFirstOrThrow();
      if (numUpdatedRows !== 1n) throw new SanderlingError('INTERNAL', `trial ${trial} of ${execution} was told twice`);
      await also(tx);
    });
  }

  /** @throws NOT_FOUND for a trial that is not complete */
  async model(execution: string, trial: number): Promise<TrialModel> {
    const row = await this.#db
      .selectFrom('search_trial')
      .selectAll()
      .where('execution', '=', execution)
      .where('trial', '=', trial)
      .executeTakeFirst();
    if (row?.model == null || row.validation_mae === null || row.size_bytes === null)
      throw new SanderlingError('NOT_FOUND', `trial ${trial} of ${execution} has no model`);
    const { run, model, size_bytes: sizeBytes, validation_mae: validationMae } = row;
    return { trial, run, model, sizeBytes, validationMae, bestEpoch: row.best_epoch ?? 1 };
  }
}
