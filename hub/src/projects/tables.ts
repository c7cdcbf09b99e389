// Tables of the projects.
import type { Migrations } from '../store/index.ts';

export type ProjectTables = {
  project: { name: string; spec: string; created_at: number; updated_at: number };
};

export const migrations: Migrations = {
  '2026-11-21-projects-1': {
    async up(db) {
      await db.schema
        .createTable('project')
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('spec', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addColumn('updated_at', 'bigint', (column) => column.notNull())
        .execute();
    },
  },
};
