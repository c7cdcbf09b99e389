// Executions in the database: queued, claimed, ended, listed. Every change of state and its event are one transaction. Their steps: `step-store.ts`.
import { newId, SanderlingError, type Clock, type ErrorCode } from '@sanderling/kit';
import type { Execution, ProjectSpec } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { EventLog } from '../../events/index.ts';
import { defaultPageItems, tables, toPage, type Database, type Page, type PageQuery } from '../../store/index.ts';
import type { PipelineTables } from '../tables.ts';
import { tellExecution } from './execution-event.ts';
import type { AnyStep } from './pipeline.ts';
import type { StepRow } from './step-store.ts';

/** What an execution is to do: stored with it, so that a restarted hub derives the same pipeline. */
export interface ExecutionRequest {
  readonly spec: ProjectSpec;
  readonly actions: readonly ('retrain' | 'gate' | 'roll-out')[];
  /** Time of the first reading behind an alarm, milliseconds; null without one. */
  readonly freshFrom: number | null;
  /** Takes nothing from earlier executions. */
  readonly ignoreCache: boolean;
}

/** A new execution. */
export interface NewExecution {
  readonly project: string;
  readonly pipeline: string;
  readonly trigger: string;
  readonly automation: number | null;
  readonly request: ExecutionRequest;
  readonly steps: readonly AnyStep[];
}

/** An execution that was claimed. */
export interface ClaimedExecution {
  readonly id: string;
  readonly project: string;
  readonly trigger: string;
  readonly request: ExecutionRequest;
  readonly cancelRequested: boolean;
}

/** How an execution ended. */
export interface ExecutionEnd {
  readonly state: 'succeeded' | 'stopped' | 'failed' | 'cancelled';
  /** One sentence; null when all went well. */
  readonly reason: string | null;
  /** Of the error that ended it; null without one, as for a gate's no. */
  readonly code: ErrorCode | null;
}

/** Executions of a project that may wait; the next is refused. */
const mostQueued = 10;
/** Where executions live. */
export class ExecutionStore {
  readonly #db: Kysely<PipelineTables>;
  readonly #events: EventLog;
  readonly #clock: Clock;

  constructor(database: Database, events: EventLog, clock: Clock) {
    this.#db = tables<PipelineTables>(database);
    this.#events = events;
    this.#clock = clock;
  }

  /** Queues an execution. A queued one of the same automation is replaced. @throws LIMIT_REACHED when ten wait already */
  async queue(execution: NewExecution): Promise<string> {
    const { project, pipeline, trigger, automation, request, steps } = execution;
    const id = newId('exe', this.#clock);
    await this.#db.transaction().execute(async (tx) => {
      const waiting = await tx
        .selectFrom('execution')
        .select(['id', 'automation'])
        .where('project', '=', project)
        .where('state', '=', 'queued')
        .execute();
      const replaced = automation === null ? [] : waiting.filter((other) => other.automation === automation);
      for (const other of replaced) await this.#end(tx, other.id, cancelled('a newer trigger took its place'));
      if (waiting.length - replaced.length >= mostQueued)
        throw new SanderlingError('LIMIT_REACHED', `${mostQueued} executions of ${project} wait already`, {
          fix: 'cancel one, or wait',
        });
      await tx
        .insertInto('execution')
        .values({
          id,
          project,
          pipeline,
          trigger,
          automation,
          state: 'queued',
          reason: null,
          request: JSON.stringify(request),
          cancel_requested: 0,
          created_at: this.#clock.now(),
          started_at: null,
          ended_at: null,
        })
        .execute();
      await tx
        .insertInto('execution_step')
        .values(steps.map((step, position) => newStepRow(id, step, position)))
        .execute();
      await tellExecution(this.#events, tx, {
        id,
        type: 'execution.queued',
        data: { trigger, steps: steps.map(({ name }) => name) },
      });
    });
    return id;
  }

  /** Puts executions that a killed hub left running back into the queue, where they are first. */
  async recover(): Promise<void> {
    await this.#db.updateTable('execution').set({ state: 'queued' }).where('state', '=', 'running').execute();
  }

  /** Takes the oldest execution that may run: one at a time of a project. */
  async claim(): Promise<ClaimedExecution | undefined> {
    const now = this.#clock.now();
    return this.#db.transaction().execute(async (tx) => {
      const row = await this.#take(tx, now);
      if (row === undefined) return undefined;
      const data = { trigger: row.trigger, pipeline: row.pipeline, resumed: row.started_at !== now };
      await tellExecution(this.#events, tx, { id: row.id, type: 'execution.started', data });
      const request = JSON.parse(row.request) as ExecutionRequest;
      const { id, project, trigger, cancel_requested } = row;
      return { id, project, trigger, request, cancelRequested: cancel_requested === 1 };
    });
  }

  #take(tx: Kysely<PipelineTables>, now: number): Promise<Selectable<PipelineTables['execution']> | undefined> {
    return tx
      .updateTable('execution')
      .set((e) => ({ state: 'running', started_at: e.fn.coalesce('started_at', e.val(now)) }))
      .where('id', '=', (query) =>
        query
          .selectFrom('execution as next')
          .select('next.id')
          .where('next.state', '=', 'queued')
          .where((e) =>
            e.not(
              e.exists(
                e
                  .selectFrom('execution as other')
                  .select('other.id')
                  .whereRef('other.project', '=', 'next.project')
                  .where('other.state', '=', 'running'),
              ),
            ),
          )
          .orderBy('next.id')
          .limit(1),
      )
      .returningAll()
      .executeTakeFirst();
  }

  /** Asks for an execution's end; a queued one ends at once. @returns its state before. @throws NOT_FOUND */
  async requestCancel(id: string): Promise<string> {
    return this.#db.transaction().execute(async (tx) => {
      const row = await tx.selectFrom('execution').select('state').where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw missing(id);
      if (row.state === 'queued') await this.#end(tx, id, cancelled('cancelled before it began'));
      if (row.state === 'running')
        await tx.updateTable('execution').set({ cancel_requested: 1 }).where('id', '=', id).execute();
      return row.state;
    });
  }

  /** Ends an execution; steps that have not run are skipped. */
  async end(id: string, end: ExecutionEnd): Promise<void> {
    await this.#db.transaction().execute((tx) => this.#end(tx, id, end));
  }

  /** @throws NOT_FOUND */
  async get(id: string): Promise<Execution> {
    const row = await this.#db.selectFrom('execution').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw missing(id);
    const [execution] = await this.#withSteps([row]);
    return execution!;
  }

  /** The execution of a project with exactly this trigger. */
  findByTrigger(project: string, trigger: string): Promise<{ readonly id: string } | undefined> {
    return this.#db
      .selectFrom('execution')
      .select('id')
      .where('project', '=', project)
      .where('trigger', '=', trigger)
      .orderBy('id', 'desc')
      .executeTakeFirst();
  }

  /** Executions, newest first. */
  async list(query: PageQuery & { readonly project?: string } = {}): Promise<Page<Execution>> {
    const { limit = defaultPageItems, cursor, project } = query;
    let select = this.#db
      .selectFrom('execution')
      .selectAll()
      .orderBy('id', 'desc')
      .limit(limit + 1);
    if (project !== undefined) select = select.where('project', '=', project);
    if (cursor !== undefined) select = select.where('id', '<', cursor);
    const executions = await this.#withSteps(await select.execute());
    return toPage(executions, limit, { item: (execution) => execution, cursor: (execution) => execution.id });
  }

  async #end(tx: Kysely<PipelineTables>, id: string, { state, reason, code }: ExecutionEnd): Promise<void> {
    const now = this.#clock.now();
    await tx
      .updateTable('execution_step')
      .set({ state: 'skipped' })
      .where('execution', '=', id)
      .where('state', 'in', ['waiting', 'running'])
      .execute();
    const row = await tx
      .updateTable('execution')
      .set({ state, reason, ended_at: now })
      .where('id', '=', id)
      .returning(['started_at', 'trigger'])
      .executeTakeFirstOrThrow();
    const seconds = row.started_at === null ? 0 : (now - row.started_at) / 1000;
    const data = { state, reason, code, seconds, trigger: row.trigger };
    await tellExecution(this.#events, tx, { id, type: 'execution.finished', data });
  }

  async #withSteps(rows: readonly Selectable<PipelineTables['execution']>[]): Promise<Execution[]> {
    if (rows.length === 0) return [];
    const ids = rows.map((row) => row.id);
    const steps = await this.#db
      .selectFrom('execution_step')
      .selectAll()
      .where('execution', 'in', ids)
      .orderBy('position')
      .execute();
    return rows.map((row) =>
      toExecution(
        row,
        steps.filter((step) => step.execution === row.id),
      ),
    );
  }
}

function cancelled(reason: string): ExecutionEnd {
  return { state: 'cancelled', reason, code: 'CANCELLED' };
}

function newStepRow(execution: string, step: AnyStep, position: number): PipelineTables['execution_step'] {
  return {
    execution,
    name: step.name,
    position,
    after: JSON.stringify(step.after),
    state: 'waiting',
    attempt: 0,
    started_at: null,
    ended_at: null,
    message: null,
    progress: null,
    cache_key: null,
    outputs: '{}',
  };
}

function toExecution(row: Selectable<PipelineTables['execution']>, steps: readonly StepRow[]): Execution {
  return {
    id: row.id,
    project: row.project,
    pipeline: row.pipeline,
    trigger: row.trigger,
    state: row.state as Execution['state'],
    reason: row.reason,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    steps: steps.map((step) => ({
      name: step.name,
      state: step.state as Execution['steps'][number]['state'],
      attempt: step.attempt,
      startedAt: step.started_at,
      endedAt: step.ended_at,
      message: step.message,
      progress: step.progress,
      outputs: JSON.parse(step.outputs) as Record<string, unknown>,
    })),
  };
}

function missing(id: string): SanderlingError {
  return new SanderlingError('NOT_FOUND', `there is no execution ${id}`);
}
