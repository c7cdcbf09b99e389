// The steps of executions in the database: begun, on their way, ended, and what each left for later executions; and the log that they write.
// Every change of state and its event are one transaction.
import type { Clock } from '@sanderling/kit';
import type { ExecutionLog } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { EventLog } from '../../events/index.ts';
import { tables, type Database } from '../../store/index.ts';
import type { PipelineTables } from '../tables.ts';
import { tellExecution } from './execution-event.ts';
import type { LogLevel, Outputs } from './pipeline.ts';

type StepEnd = 'succeeded' | 'stopped' | 'failed' | 'cancelled';
export type StepRow = Selectable<PipelineTables['execution_step']>;

/** Lines of an execution's log; older ones are dropped. */
const mostLogLines = 2000;
const longestLine = 2000;

/** Where the steps of executions live. */
export class StepStore {
  readonly #db: Kysely<PipelineTables>;
  readonly #events: EventLog;
  readonly #clock: Clock;

  constructor(database: Database, events: EventLog, clock: Clock) {
    this.#db = tables<PipelineTables>(database);
    this.#events = events;
    this.#clock = clock;
  }

  /** The steps by position; those that a killed hub left running wait again. */
  async resume(id: string): Promise<StepRow[]> {
    await this.#db
      .updateTable('execution_step')
      .set({ state: 'waiting' })
      .where('execution', '=', id)
      .where('state', '=', 'running')
      .execute();
    return this.#db.selectFrom('execution_step').selectAll().where('execution', '=', id).orderBy('position').execute();
  }

  /** @returns the number of the attempt, from 1, crashes counted. */
  async start(id: string, step: string): Promise<number> {
    return this.#db.transaction().execute(async (tx) => {
      const row = await tx
        .updateTable('execution_step')
        .set((e) => ({
          state: 'running',
          attempt: e('attempt', '+', 1),
          progress: null,
          started_at: this.#clock.now(),
          ended_at: null,
        }))
        .where('execution', '=', id)
        .where('name', '=', step)
        .returning('attempt')
        .executeTakeFirstOrThrow();
      await tellExecution(this.#events, tx, { id, type: 'step.started', data: { step, attempt: row.attempt } });
      return row.attempt;
    });
  }

  async progress(id: string, step: string, at: { readonly share: number; readonly message: string }): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      await tx
        .updateTable('execution_step')
        .set({ progress: at.share, message: at.message })
        .where('execution', '=', id)
        .where('name', '=', step)
        .where('state', '=', 'running')
        .execute();
      const data = { step, progress: at.share, message: at.message };
      await tellExecution(this.#events, tx, { id, type: 'step.progress', data });
    });
  }

  async end(
    id: string,
    step: string,
    end: {
      readonly state: StepEnd;
      readonly message: string | null;
      readonly outputs: Outputs;
      readonly cacheKey: string | null;
    },
  ): Promise<void> {
    const { state, message, outputs, cacheKey } = end;
    const text = JSON.stringify(outputs);
    const now = this.#clock.now();
    await this.#db.transaction().execute(async (tx) => {
      const row = await tx
        .updateTable('execution_step')
        .set({
          state,
          message,
          outputs: text,
          cache_key: cacheKey,
          ended_at: now,
          ...(state === 'succeeded' ? { progress: 1 } : {}),
        })
        .where('execution', '=', id)
        .where('name', '=', step)
        .returning('started_at')
        .executeTakeFirstOrThrow();
      if (cacheKey !== null && state === 'succeeded')
        await tx
          .insertInto('step_cache')
          .values({ cache_key: cacheKey, execution: id, outputs: text, created_at: now })
          .onConflict((conflict) =>
            conflict.column('cache_key').doUpdateSet({ execution: id, outputs: text, created_at: now }),
          )
          .execute();
      const seconds = (now - (row.started_at ?? now)) / 1000;
      await tellExecution(this.#events, tx, { id, type: 'step.finished', data: { step, state, message, seconds } });
    });
  }

  /** What an earlier execution's step with this key gave. */
  async cached(key: string): Promise<{ readonly execution: string; readonly outputs: Outputs } | undefined> {
    const row = await this.#db
      .selectFrom('step_cache')
      .select(['execution', 'outputs'])
      .where('cache_key', '=', key)
      .executeTakeFirst();
    return row === undefined ? undefined : { execution: row.execution, outputs: JSON.parse(row.outputs) as Outputs };
  }

  /** The newest lines of an execution's log, oldest first; none for an execution that is not there. */
  async log(id: string): Promise<ExecutionLog> {
    const rows = await this.#db
      .selectFrom('execution_log')
      .select(['time', 'step', 'level', 'text'])
      .where('execution', '=', id)
      .orderBy('seq', 'desc')
      .limit(mostLogLines)
      .execute();
    return { lines: rows.reverse().map((row) => ({ ...row, level: row.level as LogLevel })) };
  }

  async writeLog(id: string, step: string, line: { readonly level: LogLevel; readonly text: string }): Promise<void> {
    const text = line.text.slice(0, longestLine);
    await this.#db
      .insertInto('execution_log')
      .values({ execution: id, step, time: this.#clock.now(), level: line.level, text })
      .execute();
    const oldest = await this.#db
      .selectFrom('execution_log')
      .select('seq')
      .where('execution', '=', id)
      .orderBy('seq', 'desc')
      .offset(mostLogLines)
      .limit(1)
      .executeTakeFirst();
    if (oldest !== undefined)
      await this.#db.deleteFrom('execution_log').where('execution', '=', id).where('seq', '<=', oldest.seq).execute();
  }
}
