// Tables of the data: readings in parts, where they came from, batches that were imported, dataset versions.
import type { Generated } from 'kysely';
import type { Migrations } from '../store/index.ts';

export type DataTables = {
  /**
   * Readings lie in parts. Every project has one live part for what arrives piece by piece; a large import fills a part of its own,
   * which nobody sees before it is whole, and which disappears without a trace when it fails.
   */
  data_part: {
    id: Generated<number>;
    project: string;
    /** The project's name on its live part, else null: keeps the live part unique. */
    live_of: string | null;
    state: 'visible' | 'staging' | 'dropped';
    rows: number;
    first_time: number | null;
    last_time: number | null;
  };
  data_source: { id: Generated<number>; project: string; name: string };
  reading: {
    id: Generated<number>;
    part: number;
    time: number;
    value: number;
    source: number;
    received_at: number;
  };
  /** Imports; `answer` is null while one runs. */
  data_batch: {
    id: string;
    project: string;
    idempotency_key: string | null;
    answer: string | null;
    created_at: number;
  };
  dataset: {
    digest: string;
    project: string;
    rows: number;
    first_time: number | null;
    last_time: number | null;
    created_at: number;
    quality: string;
  };
};

export const migrations: Migrations = {
  '2026-11-21-data-1': {
    async up(db) {
      await db.schema
        .createTable('data_part')
        .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('live_of', 'text', (column) => column.unique())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('rows', 'bigint', (column) => column.notNull())
        .addColumn('first_time', 'bigint')
        .addColumn('last_time', 'bigint')
        .execute();
      await db.schema.createIndex('data_part_project').on('data_part').columns(['project', 'state']).execute();
      await db.schema
        .createTable('data_source')
        .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addUniqueConstraint('data_source_name', ['project', 'name'])
        .execute();
      await db.schema
        .createTable('reading')
        .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('part', 'integer', (column) => column.notNull())
        .addColumn('time', 'bigint', (column) => column.notNull())
        .addColumn('value', 'double precision', (column) => column.notNull())
        .addColumn('source', 'integer', (column) => column.notNull())
        .addColumn('received_at', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('reading_time').on('reading').columns(['part', 'time', 'id']).execute();
      await db.schema
        .createTable('data_batch')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('idempotency_key', 'text')
        .addColumn('answer', 'text')
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addUniqueConstraint('data_batch_key', ['project', 'idempotency_key'])
        .execute();
      await db.schema
        .createTable('dataset')
        .addColumn('digest', 'text', (column) => column.primaryKey())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('rows', 'bigint', (column) => column.notNull())
        .addColumn('first_time', 'bigint')
        .addColumn('last_time', 'bigint')
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addColumn('quality', 'text', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('dataset_project').on('dataset').columns(['project', 'created_at']).execute();
    },
  },
};
