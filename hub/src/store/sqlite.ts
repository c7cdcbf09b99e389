// The embedded database: node:sqlite behind Kysely. In WAL mode what was committed survives kill -9; `durability.ts` makes it survive power cuts.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { SqliteAdapter, SqliteDialect, type Dialect, type SqliteDatabase, type SqliteStatement } from 'kysely';
import type { WriteAheadLog } from './durability.ts';

/** How long a statement waits for another process's lock, milliseconds. */
const busyTimeoutMs = 10_000;

/** Prepared statements kept. */
const keptStatements = 200;

/** Kysely's dialect over a database file; `:memory:` for tests. `log` is told of everything that is written. */
export function sqliteDialect(path: string, log?: WriteAheadLog): Dialect {
  return new TransactionalSqlite({ database: async () => openSqlite(path, log) });
}

/** SQLite can undo changes of tables: all migrations of a start happen or none, also when the hub is killed among them. */
class TransactionalSqlite extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }
}

class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

function openSqlite(path: string, log: WriteAheadLog | undefined): SqliteDatabase {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
  database.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${log === undefined ? 'FULL' : 'NORMAL'}; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY`,
  );
  const statements = new StatementCache(database);
  const close = (): void => {
    log?.close();
    database.close();
  };
  const prepare = (sql: string): SqliteStatement => {
    const statement = adapt(database, statements, sql);
    return log === undefined || readsOnly.test(sql) ? statement : noting(statement, log);
  };
  return { close, prepare };
}

/** Statements that write nothing to the log. */
const readsOnly = /^\s*(select|begin|pragma)\b/i;

/** The same statement, telling the log afterwards. */
function noting(statement: SqliteStatement, log: WriteAheadLog): SqliteStatement {
  const noted = <T>(result: T): T => {
    log.note();
    return result;
  };
  return {
    ...statement,
    all: (parameters) => noted(statement.all(parameters)),
    run: (parameters) => noted(statement.run(parameters)),
  };
}

/** Prepared statements by their text; the one used longest ago goes first. Running one ends it before the next query: sharing is safe. */
class StatementCache {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > keptStatements) this.#statements.delete(this.#statements.keys().next().value!);
    return statement;
  }
}

function adapt(database: DatabaseSync, statements: StatementCache, sql: string): SqliteStatement {
  const statement = statements.get(sql);
  const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...values(parameters)),
    run: (parameters) => statement.run(...values(parameters)),
    // A walk over rows lasts while other queries run: it has a statement of its own.
    iterate: (parameters) => database.prepare(sql).iterate(...values(parameters)),
  };
}
