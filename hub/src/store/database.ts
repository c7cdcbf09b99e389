// The hub's database: one connection, one set of queries for SQLite and PostgreSQL, tables owned by the capability that migrates them.
import { SanderlingError } from '@sanderling/kit';
import { Kysely, type Dialect } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';

/** A capability's migrations by name. Names start with the date and end in a number: `2026-11-21-data-1`. They are never changed once released. */
export type Migrations = Readonly<Record<string, Migration>>;

/**
 * The database, or a transaction on it, as capabilities hand it around; each sees its own tables through {@link tables}.
 * Inside a transaction every query must go through the transaction: SQLite has one connection, and a query beside it would wait for ever.
 */
export type Database = Pick<Kysely<unknown>, 'isTransaction' | 'destroy'>;

/** The query builder over a capability's own tables. */
export function tables<T>(database: Database): Kysely<T> {
  return database as Kysely<T>;
}

/** Opens the database and brings its tables up to date. @throws CORRUPT when a migration fails, naming it. */
export async function openDatabase(dialect: Dialect, migrations: readonly Migrations[]): Promise<Database> {
  const database = new Kysely<unknown>({ dialect });
  const merged = Object.assign({}, ...migrations) as Record<string, Migration>;
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: async () => merged },
    allowUnorderedMigrations: true,
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return database;
  await database.destroy();
  const failed = results?.find((result) => result.status === 'Error')?.migrationName ?? 'the migrations';
  throw new SanderlingError(
    'CORRUPT',
    `the database cannot be brought up to date: ${failed} failed: ${error instanceof Error ? error.message : 'unknown cause'}`,
    {
      fix: 'restore the data folder from a backup, or start with an empty one',
      cause: error,
    },
  );
}
