// Tables of access: API keys, of which only the secret's digest is kept.
import type { ApiScope } from '@sanderling/wire';
import type { Migrations } from '../store/index.ts';

export type AccessTables = {
  api_key: {
    id: string;
    name: string;
    scope: ApiScope;
    secret_digest: string;
    created_at: number;
    last_used_at: number | null;
    revoked_at: number | null;
  };
};

export const migrations: Migrations = {
  '2026-11-21-access-1': {
    async up(db) {
      await db.schema
        .createTable('api_key')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('scope', 'text', (column) => column.notNull())
        .addColumn('secret_digest', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addColumn('last_used_at', 'bigint')
        .addColumn('revoked_at', 'bigint')
        .execute();
    },
  },
};
