// Tables of the model registry.
import type { Migrations } from '../store/index.ts';

export type ModelTables = {
  model_version: {
    project: string;
    version: number;
    run: string;
    /** The execution that made it; one execution makes one version. */
    execution: string | null;
    dataset: string;
    artifact: string;
    size_bytes: number;
    /** JSON: see `VersionRecord`. */
    metrics: string;
    preprocessing: string;
    prepared: string;
    evaluation: string;
    gates: string | null;
    created_at: number;
  };
  model_alias: { project: string; alias: string; version: number; updated_at: number };
};

export const migrations: Migrations = {
  '2026-11-21-models-1': {
    async up(db) {
      await db.schema
        .createTable('model_version')
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('run', 'text', (column) => column.notNull())
        .addColumn('execution', 'text')
        .addColumn('dataset', 'text', (column) => column.notNull())
        .addColumn('artifact', 'text', (column) => column.notNull())
        .addColumn('size_bytes', 'bigint', (column) => column.notNull())
        .addColumn('metrics', 'text', (column) => column.notNull())
        .addColumn('preprocessing', 'text', (column) => column.notNull())
        .addColumn('prepared', 'text', (column) => column.notNull())
        .addColumn('evaluation', 'text', (column) => column.notNull())
        .addColumn('gates', 'text')
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('model_version_key', ['project', 'version'])
        .addUniqueConstraint('model_version_execution', ['execution'])
        .execute();
      await db.schema
        .createTable('model_alias')
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('alias', 'text', (column) => column.notNull())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('updated_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('model_alias_key', ['project', 'alias'])
        .execute();
    },
  },
};
