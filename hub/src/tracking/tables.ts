// Tables of tracking: experiments, runs and what runs log (the MLflow meaning).
import type { Migrations } from '../store/index.ts';

export type TrackingTables = {
  experiment: { id: string; project: string; name: string; created_at: number };
  run: {
    id: string;
    experiment: string;
    project: string;
    name: string;
    state: string;
    parent: string | null;
    started_at: number;
    ended_at: number | null;
  };
  run_param: { run: string; key: string; value: string };
  run_tag: { run: string; key: string; value: string };
  run_metric: { run: string; key: string; step: number; time: number; value: number };
  /** The value of the highest step of each metric, so that a list of runs reads no history. */
  run_metric_newest: { run: string; key: string; step: number; time: number; value: number };
  run_artifact: { run: string; path: string; size: number; digest: string };
};

export const migrations: Migrations = {
  '2026-11-21-tracking-1': {
    async up(db) {
      await db.schema
        .createTable('experiment')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addUniqueConstraint('experiment_name', ['project', 'name'])
        .execute();
      await db.schema
        .createTable('run')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('experiment', 'text', (column) => column.notNull().references('experiment.id'))
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('parent', 'text', (column) => column.references('run.id'))
        .addColumn('started_at', 'bigint', (column) => column.notNull())
        .addColumn('ended_at', 'bigint')
        .execute();
      await db.schema.createIndex('run_experiment').on('run').columns(['experiment', 'id']).execute();
      await db.schema.createIndex('run_parent').on('run').columns(['parent', 'id']).execute();
      for (const table of ['run_param', 'run_tag']) {
        await db.schema
          .createTable(table)
          .addColumn('run', 'text', (column) => column.notNull().references('run.id'))
          .addColumn('key', 'text', (column) => column.notNull())
          .addColumn('value', 'text', (column) => column.notNull())
          .addPrimaryKeyConstraint(`${table}_key`, ['run', 'key'])
          .execute();
      }
      for (const [table, key] of [
        ['run_metric', ['run', 'key', 'step', 'time']],
        ['run_metric_newest', ['run', 'key']],
      ] as const) {
        await db.schema
          .createTable(table)
          .addColumn('run', 'text', (column) => column.notNull().references('run.id'))
          .addColumn('key', 'text', (column) => column.notNull())
          .addColumn('step', 'bigint', (column) => column.notNull())
          .addColumn('time', 'bigint', (column) => column.notNull())
          .addColumn('value', 'double precision', (column) => column.notNull())
          .addPrimaryKeyConstraint(`${table}_key`, [...key] as never)
          .execute();
      }
      await db.schema
        .createTable('run_artifact')
        .addColumn('run', 'text', (column) => column.notNull().references('run.id'))
        .addColumn('path', 'text', (column) => column.notNull())
        .addColumn('size', 'bigint', (column) => column.notNull())
        .addColumn('digest', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('run_artifact_path', ['run', 'path'])
        .execute();
    },
  },
};
