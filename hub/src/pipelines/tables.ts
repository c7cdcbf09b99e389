// Tables of pipelines, searches and automations.
import type { Generated } from 'kysely';
import type { Migrations } from '../store/index.ts';

export type PipelineTables = {
  execution: {
    id: string;
    project: string;
    pipeline: string;
    trigger: string;
    /** Which automation of the project started it; null by hand. */
    automation: number | null;
    state: string;
    reason: string | null;
    /** JSON: what was asked for, the project's spec included, frozen at the start. */
    request: string;
    cancel_requested: number;
    created_at: number;
    started_at: number | null;
    ended_at: number | null;
  };
  execution_step: {
    execution: string;
    name: string;
    position: number;
    /** JSON: names of the steps before it. */
    after: string;
    state: string;
    attempt: number;
    started_at: number | null;
    ended_at: number | null;
    message: string | null;
    progress: number | null;
    cache_key: string | null;
    outputs: string;
  };
  execution_log: {
    seq: Generated<number>;
    execution: string;
    step: string;
    time: number;
    level: string;
    text: string;
  };
  step_cache: { cache_key: string; execution: string; outputs: string; created_at: number };
  search: { execution: string; experiment: string; parent_run: string; settings: string };
  search_trial: {
    execution: string;
    trial: number;
    run: string;
    params: string;
    state: string;
    validation_mae: number | null;
    model: string | null;
    size_bytes: number | null;
    seconds: number | null;
    best_epoch: number | null;
    reason: string | null;
  };
  automation: {
    project: string;
    position: number;
    /** idle | armed | running */
    state: string;
    cause: string | null;
    /** Where fresh readings begin, milliseconds. */
    fresh_from: number | null;
    wait_until_time: number | null;
    wait_until_count: number | null;
    tries: number;
    execution: string | null;
    /** Reading time of the last start. */
    last_start: number | null;
    /** Hub time at which a schedule is due. */
    due_at: number | null;
  };
};

export const migrations: Migrations = {
  '2026-11-21-pipelines-1': {
    async up(db) {
      await db.schema
        .createTable('execution')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('pipeline', 'text', (column) => column.notNull())
        .addColumn('trigger', 'text', (column) => column.notNull())
        .addColumn('automation', 'integer')
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('reason', 'text')
        .addColumn('request', 'text', (column) => column.notNull())
        .addColumn('cancel_requested', 'integer', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addColumn('started_at', 'bigint')
        .addColumn('ended_at', 'bigint')
        .execute();
      await db.schema.createIndex('execution_project').on('execution').columns(['project', 'id']).execute();
      await db.schema.createIndex('execution_state').on('execution').columns(['state', 'id']).execute();
      await db.schema
        .createTable('execution_step')
        .addColumn('execution', 'text', (column) => column.notNull().references('execution.id'))
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('position', 'integer', (column) => column.notNull())
        .addColumn('after', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('attempt', 'integer', (column) => column.notNull())
        .addColumn('started_at', 'bigint')
        .addColumn('ended_at', 'bigint')
        .addColumn('message', 'text')
        .addColumn('progress', 'double precision')
        .addColumn('cache_key', 'text')
        .addColumn('outputs', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('execution_step_key', ['execution', 'name'])
        .execute();
      await db.schema
        .createTable('execution_log')
        .addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('execution', 'text', (column) => column.notNull())
        .addColumn('step', 'text', (column) => column.notNull())
        .addColumn('time', 'bigint', (column) => column.notNull())
        .addColumn('level', 'text', (column) => column.notNull())
        .addColumn('text', 'text', (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex('execution_log_execution')
        .on('execution_log')
        .columns(['execution', 'seq'])
        .execute();
      await db.schema
        .createTable('step_cache')
        .addColumn('cache_key', 'text', (column) => column.primaryKey())
        .addColumn('execution', 'text', (column) => column.notNull())
        .addColumn('outputs', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .execute();
    },
  },
  '2026-11-21-pipelines-2': {
    async up(db) {
      await db.schema
        .createTable('search')
        .addColumn('execution', 'text', (column) => column.primaryKey())
        .addColumn('experiment', 'text', (column) => column.notNull())
        .addColumn('parent_run', 'text', (column) => column.notNull())
        .addColumn('settings', 'text', (column) => column.notNull())
        .execute();
      await db.schema
        .createTable('search_trial')
        .addColumn('execution', 'text', (column) => column.notNull().references('search.execution'))
        .addColumn('trial', 'integer', (column) => column.notNull())
        .addColumn('run', 'text', (column) => column.notNull())
        .addColumn('params', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('validation_mae', 'double precision')
        .addColumn('model', 'text')
        .addColumn('size_bytes', 'bigint')
        .addColumn('seconds', 'double precision')
        .addColumn('reason', 'text')
        .addPrimaryKeyConstraint('search_trial_key', ['execution', 'trial'])
        .execute();
      await db.schema
        .createTable('automation')
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('position', 'integer', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('cause', 'text')
        .addColumn('fresh_from', 'bigint')
        .addColumn('wait_until_time', 'bigint')
        .addColumn('wait_until_count', 'bigint')
        .addColumn('tries', 'integer', (column) => column.notNull())
        .addColumn('execution', 'text')
        .addColumn('last_start', 'bigint')
        .addColumn('due_at', 'bigint')
        .addPrimaryKeyConstraint('automation_key', ['project', 'position'])
        .execute();
    },
  },
  '2026-11-21-pipelines-3': {
    async up(db) {
      await db.schema.alterTable('search_trial').addColumn('best_epoch', 'integer').execute();
    },
  },
};
