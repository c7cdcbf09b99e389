// The state of automations in the database.
import type { Kysely, Selectable } from 'kysely';
import { tables, type Database } from '../../store/index.ts';
import type { PipelineTables } from '../tables.ts';
import { idle, type AutomationState } from './decide.ts';

/** Where automations' states live. */
export class AutomationStore {
  readonly #db: Kysely<PipelineTables>;

  constructor(database: Database) {
    this.#db = tables<PipelineTables>(database);
  }

  async get(project: string, position: number): Promise<AutomationState> {
    const row = await this.#db
      .selectFrom('automation')
      .selectAll()
      .where('project', '=', project)
      .where('position', '=', position)
      .executeTakeFirst();
    return row === undefined ? idle(project, position) : toState(row);
  }

  async list(
    query: { readonly project?: string; readonly state?: string; readonly execution?: string } = {},
  ): Promise<AutomationState[]> {
    let select = this.#db.selectFrom('automation').selectAll().orderBy('project').orderBy('position');
    for (const field of ['project', 'state', 'execution'] as const) {
      const value = query[field];
      if (value !== undefined) select = select.where(field, '=', value);
    }
    return (await select.execute()).map(toState);
  }

  /** Stores a state; `also` runs in the same transaction. */
  async put(state: AutomationState, also?: (tx: Database) => Promise<void>): Promise<void> {
    const { project, position } = state;
    const row = toRow(state);
    await this.#db.transaction().execute(async (tx) => {
      await tx
        .insertInto('automation')
        .values({ project, position, ...row })
        .onConflict((conflict) => conflict.columns(['project', 'position']).doUpdateSet(row))
        .execute();
      await also?.(tx);
    });
  }

  /** Forgets a project's automations from a position on. */
  async removeFrom(project: string, position: number): Promise<void> {
    await this.#db.deleteFrom('automation').where('project', '=', project).where('position', '>=', position).execute();
  }
}

function toRow(state: AutomationState): Omit<PipelineTables['automation'], 'project' | 'position'> {
  return {
    state: state.state,
    cause: state.cause,
    fresh_from: state.freshFrom,
    wait_until_time: state.waitUntilTime,
    wait_until_count: state.waitUntilCount,
    tries: state.tries,
    execution: state.execution,
    last_start: state.lastStart,
    due_at: state.dueAt,
  };
}

function toState(row: Selectable<PipelineTables['automation']>): AutomationState {
  return {
    project: row.project,
    position: row.position,
    state: row.state as AutomationState['state'],
    cause: row.cause,
    freshFrom: row.fresh_from,
    waitUntilTime: row.wait_until_time,
    waitUntilCount: row.wait_until_count,
    tries: row.tries,
    execution: row.execution,
    lastStart: row.last_start,
    dueAt: row.due_at,
  };
}
