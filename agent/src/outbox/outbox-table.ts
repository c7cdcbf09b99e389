// The outbox on disk: one SQLite file in WAL mode, every commit synced. Statements only; what they mean stands in outbox.ts.
import { renameSync, rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { newId, SanderlingError } from '@sanderling/kit';
import type { EventEntry, OutboxEntry, ReportEntry } from '@sanderling/wire/device';

/** How the kinds of entry are stored. */
export const kinds = { reading: 0, report: 1, event: 2 } as const;
export type Kind = keyof typeof kinds;

/** An entry on its way to disk: readings as numbers, the others as JSON. */
export interface Row {
  readonly kind: Kind;
  readonly time: number;
  readonly value: number | null;
  readonly body: string | null;
}

/** An entry with its place in the order of delivery. */
export interface NumberedEntry {
  readonly seq: number;
  readonly entry: OutboxEntry;
}

/** Entries and what they weigh. */
export interface Weight {
  readonly count: number;
  readonly bytes: number;
  readonly firstTime: number | null;
  readonly lastTime: number | null;
}

/** Bytes that a row is counted as, beside its JSON. */
export const rowBytes = 24;

const schema = `
  CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, time INTEGER NOT NULL, value REAL, body TEXT
  );
  CREATE INDEX IF NOT EXISTS reports ON entries (seq) WHERE kind = ${kinds.report};
  CREATE INDEX IF NOT EXISTS events ON entries (seq) WHERE kind = ${kinds.event};
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`;

const statements = {
  insert: 'INSERT INTO entries (kind, time, value, body) VALUES (?, ?, ?, ?)',
  batch: 'SELECT seq, kind, time, value, body FROM entries WHERE seq > ? ORDER BY seq LIMIT ?',
  fact: 'SELECT value FROM facts WHERE name = ?',
  setFact: 'INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  weigh: `SELECT count(*) AS count, coalesce(sum(${rowBytes} + coalesce(length(body), 0)), 0) AS bytes, min(time) AS firstTime,
    max(time) AS lastTime FROM entries WHERE seq > ? AND seq <= ?`,
  weighKind: `SELECT count(*) AS count, coalesce(sum(${rowBytes} + coalesce(length(body), 0)), 0) AS bytes, min(time) AS firstTime,
    max(time) AS lastTime FROM entries WHERE kind = ? AND seq > ? AND seq <= ?`,
  nthReading: `SELECT seq FROM entries WHERE kind = ${kinds.reading} AND seq > ? ORDER BY seq LIMIT 1 OFFSET ?`,
  nthReport: `SELECT seq FROM entries WHERE kind = ${kinds.report} AND seq > ? ORDER BY seq LIMIT 1 OFFSET ?`,
  nthEvent: `SELECT seq FROM entries WHERE kind = ${kinds.event} AND seq > ? ORDER BY seq LIMIT 1 OFFSET ?`,
  lastOfKind: 'SELECT max(seq) AS seq FROM entries WHERE kind = ?',
  deleteKind: 'DELETE FROM entries WHERE kind = ? AND seq > ? AND seq <= ?',
  newestReadings: `SELECT seq, time, value FROM entries WHERE kind = ${kinds.reading} ORDER BY seq DESC LIMIT ?`,
  lastSeq: "SELECT seq FROM sqlite_sequence WHERE name = 'entries'",
} as const;

/** The opened file. Calls throw what SQLite throws; a full disk is errcode 13. */
export class OutboxTable {
  readonly #db: DatabaseSync;
  readonly #statements: { readonly [Name in keyof typeof statements]: StatementSync };

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#statements = Object.fromEntries(
      Object.entries(statements).map(([name, sql]) => [name, db.prepare(sql)]),
    ) as never;
  }

  /**
   * Opens or creates the file. One process at a time holds it. A damaged file is set aside as `<path>.damaged` and a new one begun.
   * @param maxBytes The file never grows beyond about this.
   * @throws CONFLICT when another process holds it, FORBIDDEN, DISK_FULL.
   */
  static open(path: string, maxBytes: number): { readonly table: OutboxTable; readonly damaged: boolean } {
    try {
      return { table: OutboxTable.#openSound(path, maxBytes), damaged: false };
    } catch (error) {
      if (!isDamaged(error)) throw explain(error, path);
    }
    renameSync(path, `${path}.damaged`);
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
    return { table: OutboxTable.#openSound(path, maxBytes), damaged: true };
  }

  static #openSound(path: string, maxBytes: number): OutboxTable {
    const db = new DatabaseSync(path, { timeout: 2000 });
    try {
      // Exclusive locking keeps the WAL index in memory (no shared-memory file to fail on a full disk) and keeps a second agent out.
      db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
      db.exec('PRAGMA cache_size = -1024; PRAGMA wal_autocheckpoint = 500; PRAGMA journal_size_limit = 8388608;');
      const { page_size: pageSize } = db.prepare('PRAGMA page_size').get() as { page_size: number };
      db.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / pageSize)};`);
      db.exec(schema);
      const table = new OutboxTable(db);
      table.weigh(0, Number.MAX_SAFE_INTEGER);
      return table;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Runs `work` as one durable transaction; on failure nothing of it remains. */
  transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      // SQLite itself has rolled back after some failures, a full disk among them.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** The identity of this file, made when it was. */
  identity(renew = false): string {
    const known = this.fact('id');
    if (known !== undefined && !renew) return known;
    const id = newId('outbox');
    this.setFact('id', id);
    return id;
  }

  insert(row: Row): void {
    this.#statements.insert.run(kinds[row.kind], row.time, row.value, row.body);
  }

  fact(name: string): string | undefined {
    return (this.#statements.fact.get(name) as { value: string } | undefined)?.value;
  }

  setFact(name: string, value: string): void {
    this.#statements.setFact.run(name, value);
  }

  /** Highest sequence number ever given. */
  lastSeq(): number {
    return (this.#statements.lastSeq.get() as { seq: number } | undefined)?.seq ?? 0;
  }

  /** Entries after `after` up to `upTo`, of one kind or of all. */
  weigh(after: number, upTo: number, kind?: Kind): Weight {
    const row =
      kind === undefined
        ? this.#statements.weigh.get(after, upTo)
        : this.#statements.weighKind.get(kinds[kind], after, upTo);
    return row as unknown as Weight;
  }

  /** Sequence number of the `n`-th entry of a kind after `after`, or of the last when there are fewer; undefined when there is none. */
  nth(kind: Kind, after: number, n: number): number | undefined {
    const statement = { reading: 'nthReading', report: 'nthReport', event: 'nthEvent' } as const;
    const row = this.#statements[statement[kind]].get(after, n - 1) as { seq: number } | undefined;
    const seq = row?.seq ?? (this.#statements.lastOfKind.get(kinds[kind]) as { seq: number | null }).seq ?? 0;
    return seq > after ? seq : undefined;
  }

  deleteKind(kind: Kind, after: number, upTo: number): void {
    this.#statements.deleteKind.run(kinds[kind], after, upTo);
  }

  /** The newest readings, newest first. */
  newestReadings(limit: number): readonly { readonly seq: number; readonly time: number; readonly value: number }[] {
    return this.#statements.newestReadings.all(limit) as never;
  }

  /** The next entries after `after`, in order. */
  batch(after: number, limit: number): NumberedEntry[] {
    const rows = this.#statements.batch.all(after, limit) as unknown as readonly StoredRow[];
    return rows.map((row) => ({ seq: row.seq, entry: entryOf(row) }));
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

interface StoredRow {
  readonly seq: number;
  readonly kind: number;
  readonly time: number;
  readonly value: number | null;
  readonly body: string | null;
}

function entryOf({ kind, time, value, body }: StoredRow): OutboxEntry {
  if (kind === kinds.reading) return { kind: 'reading', time, value: value! };
  return JSON.parse(body!) as EventEntry | ReportEntry;
}

const sqlite = { busy: 5, corrupt: 11, notADatabase: 26, cannotOpen: 14, readOnly: 8 } as const;

function primaryCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: number };
  return errcode === undefined ? undefined : errcode & 0xff;
}

function isDamaged(error: unknown): boolean {
  const code = primaryCode(error);
  return code === sqlite.corrupt || code === sqlite.notADatabase;
}

function explain(error: unknown, path: string): unknown {
  const code = primaryCode(error);
  if (code === sqlite.busy)
    return new SanderlingError('CONFLICT', 'another agent runs on this data folder', {
      where: path,
      fix: 'stop it, or give this one a folder of its own with --data',
      cause: error,
    });
  if (code === sqlite.cannotOpen || code === sqlite.readOnly)
    return new SanderlingError('FORBIDDEN', `cannot write ${path}`, {
      where: path,
      fix: 'give the agent a folder that it may write to with --data',
      cause: error,
    });
  return error;
}
