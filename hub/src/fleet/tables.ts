// Tables of the fleet: enrolment tokens, devices, and how far each device's outbox has been taken over.
import type { Target } from '@sanderling/wire';
import type { Migrations } from '../store/index.ts';

export type FleetTables = {
  enrolment_token: {
    id: string;
    project: string;
    secret_digest: string;
    created_at: number;
    expires_at: number;
    used_by: string | null;
  };
  device: {
    id: string;
    name: string;
    project: string;
    target: Target;
    tags: string;
    public_key: string;
    agent_version: string;
    enrolled_at: number;
    last_seen_at: number | null;
    desired: string | null;
    /** Grows whenever `desired` is set. */
    counter: number;
    /** The newest status that the device sent, null before the first. */
    status: string | null;
  };
  outbox: { device: string; outbox: string; acked: number };
  /** Signatures of requests that are taken once only, until they are too old to be believed anyway. */
  seen_request: { signature: string; until: number };
};

export const migrations: Migrations = {
  '2026-11-21-fleet-1': {
    async up(db) {
      await db.schema
        .createTable('enrolment_token')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('secret_digest', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addColumn('expires_at', 'bigint', (column) => column.notNull())
        .addColumn('used_by', 'text')
        .execute();
      await db.schema.createIndex('enrolment_token_project').on('enrolment_token').columns(['project', 'id']).execute();
      await db.schema
        .createTable('device')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('name', 'text', (column) => column.notNull().unique())
        .addColumn('project', 'text', (column) => column.notNull())
        .addColumn('target', 'text', (column) => column.notNull())
        .addColumn('tags', 'text', (column) => column.notNull())
        .addColumn('public_key', 'text', (column) => column.notNull().unique())
        .addColumn('agent_version', 'text', (column) => column.notNull())
        .addColumn('enrolled_at', 'bigint', (column) => column.notNull())
        .addColumn('last_seen_at', 'bigint')
        .addColumn('desired', 'text')
        .addColumn('counter', 'bigint', (column) => column.notNull())
        .addColumn('status', 'text')
        .execute();
      await db.schema.createIndex('device_project').on('device').columns(['project', 'id']).execute();
      await db.schema
        .createTable('outbox')
        .addColumn('device', 'text', (column) => column.notNull())
        .addColumn('outbox', 'text', (column) => column.notNull())
        .addColumn('acked', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('outbox_key', ['device', 'outbox'])
        .execute();
    },
  },
  '2026-11-29-fleet-2': {
    async up(db) {
      await db.schema
        .createTable('seen_request')
        .addColumn('signature', 'text', (column) => column.primaryKey())
        .addColumn('until', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('seen_request_until').on('seen_request').columns(['until']).execute();
    },
  },
};
