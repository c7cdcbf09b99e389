// Tables of the event log.
import type { Generated } from 'kysely';
import type { Migrations } from '../store/index.ts';

export type EventTables = {
  event: {
    seq: Generated<number>;
    id: string;
    time: number;
    type: string;
    project: string | null;
    subject: string | null;
    data: string;
  };
  /** How far each durable consumer has read. */
  event_cursor: { consumer: string; seq: number };
};

export const migrations: Migrations = {
  '2026-11-21-events-1': {
    async up(db) {
      await db.schema
        .createTable('event')
        .addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('id', 'text', (column) => column.notNull().unique())
        .addColumn('time', 'bigint', (column) => column.notNull())
        .addColumn('type', 'text', (column) => column.notNull())
        .addColumn('project', 'text')
        .addColumn('subject', 'text')
        .addColumn('data', 'text', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('event_project').on('event').columns(['project', 'seq']).execute();
      await db.schema
        .createTable('event_cursor')
        .addColumn('consumer', 'text', (column) => column.primaryKey())
        .addColumn('seq', 'integer', (column) => column.notNull())
        .execute();
    },
  },
};
