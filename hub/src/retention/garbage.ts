// Which blobs no row names. It knows nothing of the capabilities' tables: every text of every row counts as naming what it mentions, and a named blob that is
// JSON (the manifest of a dataset) names what it mentions in turn. What a capability forgets to say can therefore never be lost.
import { closeSync, openSync, readdirSync, readSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SanderlingError, toSanderlingError, type Digest } from '@sanderling/kit';

/** Where to look. */
export interface GarbageQuery {
  /** The database's file. */
  readonly database: string;
  /** The folder of the blobs. */
  readonly blobs: string;
  /** Only files that are older than this are told, milliseconds since 1970. */
  readonly before: number;
}

/** How far the search is. `rows` and `contents` are counted in tables and blobs. */
export interface GarbageProgress {
  readonly phase: 'listing' | 'rows' | 'contents';
  readonly done: number;
  readonly total: number;
}

/** A blob, by what the disk says of it. */
export interface BlobFile {
  readonly digest: Digest;
  readonly size: number;
}

/** What was found. */
export interface Garbage {
  /** Everything that is there. */
  readonly blobs: number;
  readonly bytes: number;
  /** Named by no row and old enough, in the order of their digests. */
  readonly unnamed: readonly BlobFile[];
  /** Files that writes left behind when they were killed, old enough; their paths. */
  readonly partials: readonly string[];
}

interface Known extends BlobFile {
  readonly isOld: boolean;
}

/** At every place of a longer run of such letters, too: whatever stands before a digest must not hide it. */
const digests = /(?=([0-9a-f]{64}))/g;

/**
 * Searches in one snapshot of the database. The files are listed before the snapshot is taken: what is named later is named by somebody who put it later.
 * Takes some 200 bytes of memory a blob.
 * @throws CORRUPT when the database is damaged: rows that cannot be read name nothing
 */
export function findGarbage(query: GarbageQuery, tell: (progress: GarbageProgress) => void): Garbage {
  const { known, partials } = listBlobs(query, tell);
  const named = namesInRows(query.database, known, tell);
  const live = namesInContents(query.blobs, known, { named, tell });
  const all = [...known.values()];
  return {
    blobs: all.length,
    bytes: all.reduce((sum, { size }) => sum + size, 0),
    unnamed: all
      .filter(({ digest, isOld }) => isOld && !live.has(digest))
      .map(({ digest, size }) => ({ digest, size }))
      .toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
    partials,
  };
}

function listBlobs(
  { blobs, before }: GarbageQuery,
  tell: (progress: GarbageProgress) => void,
): { readonly known: ReadonlyMap<Digest, Known>; readonly partials: readonly string[] } {
  const known = new Map<Digest, Known>();
  const partials: string[] = [];
  const folders = readFolder(blobs).filter((name) => /^[0-9a-f]{2}$/.test(name));
  for (const [i, folder] of folders.entries()) {
    tell({ phase: 'listing', done: i, total: folders.length });
    for (const name of readFolder(join(blobs, folder))) {
      const path = join(blobs, folder, name);
      const found = statIfPresent(path);
      if (found === undefined) continue;
      const isOld = found.mtimeMs < before;
      if (/^[0-9a-f]{62}$/.test(name)) known.set(folder + name, { digest: folder + name, size: found.size, isOld });
      else if (/^\.[0-9a-f]{12}\.partial$/.test(name) && isOld) partials.push(path);
    }
  }
  return { known, partials };
}

/** Every blob that some text of some row mentions. */
function namesInRows(
  path: string,
  known: ReadonlyMap<Digest, Known>,
  tell: (progress: GarbageProgress) => void,
): Set<Digest> {
  const named = new Set<Digest>();
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    database.exec('BEGIN');
    const tables = database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .all()
      .map(({ name }) => String(name));
    refuseDamage(database, path);
    for (const [i, table] of tables.entries()) {
      tell({ phase: 'rows', done: i, total: tables.length });
      for (const text of textsOf(database, table)) addNames(text, known, named);
    }
  } catch (error) {
    const known = toSanderlingError(error);
    if (known.code === 'CORRUPT') throw known;
    throw new SanderlingError('CORRUPT', `the database cannot be read: ${(error as Error).message}`, {
      where: path,
      fix: 'restore the data folder from a backup; nothing was removed',
      cause: error,
    });
  } finally {
    database.close();
  }
  return named;
}

/** Rows that are silently missing show when tables are held against their indexes. */
function refuseDamage(database: DatabaseSync, path: string): void {
  const [answer] = database.prepare('PRAGMA integrity_check(1)').all().map(Object.values).flat();
  if (answer === 'ok') return;
  throw new SanderlingError('CORRUPT', `the database is damaged: ${String(answer)}`, {
    where: path,
    fix: 'restore the data folder from a backup; nothing was removed',
  });
}

/** Every text (or bytes) of a table that is long enough for a digest. */
function* textsOf(database: DatabaseSync, table: string): Generator<string> {
  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  const columns = database
    .prepare(`PRAGMA table_info(${quoted(table)})`)
    .all()
    .map(({ name, type }) => ({ name: quoted(String(name)), type: String(type) }))
    .filter(({ type }) => !/int|double|real|float/i.test(type));
  if (columns.length === 0) return;
  const long = columns.map(({ name }) => `length(${name}) >= 64`).join(' OR ');
  const rows = database.prepare(`SELECT ${columns.map(({ name }) => name).join()} FROM ${quoted(table)} WHERE ${long}`);
  for (const row of rows.iterate())
    for (const value of Object.values(row)) {
      if (typeof value === 'string') yield value;
      else if (value instanceof Uint8Array) yield Buffer.from(value).toString('latin1');
    }
}

/** Whatever the named blobs mention, and what those mention. Blobs that are too young to be removed count as named: their row may be on its way. */
function namesInContents(
  folder: string,
  known: ReadonlyMap<Digest, Known>,
  { named, tell }: { readonly named: ReadonlySet<Digest>; readonly tell: (progress: GarbageProgress) => void },
): ReadonlySet<Digest> {
  const live = new Set<Digest>();
  for (const { digest, isOld } of known.values()) if (!isOld || named.has(digest)) live.add(digest);
  const chunk = Buffer.alloc(chunkBytes);
  let done = 0;
  // A set that grows while it is walked: what was added is visited too.
  for (const digest of live) {
    if (done++ % 100 === 0) tell({ phase: 'contents', done, total: live.size });
    const path = join(folder, digest.slice(0, 2), digest.slice(2));
    for (const text of jsonOf(path, chunk)) addNames(text, known, live);
  }
  return live;
}

const chunkBytes = 1 << 20;

/** The text of a blob that is a JSON object, in pieces that overlap by a digest, read through `chunk`; nothing of other blobs. */
function* jsonOf(path: string, chunk: Buffer): Generator<string> {
  if (statIfPresent(path) === undefined) return;
  const file = openSync(path, 'r');
  try {
    let rest = '';
    for (let at = 0; ; ) {
      const read = readSync(file, chunk, 0, at === 0 ? 1 : chunkBytes, at);
      if (read === 0 || (at === 0 && chunk[0] !== 0x7b)) return;
      const text = rest + chunk.toString('latin1', 0, read);
      yield text;
      rest = text.slice(-63);
      at += read;
    }
  } finally {
    closeSync(file);
  }
}

function addNames(text: string, known: ReadonlyMap<Digest, Known>, names: Set<Digest>): void {
  for (const [, digest] of text.matchAll(digests)) if (known.has(digest!)) names.add(digest!);
}

function readFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw toSanderlingError(error);
  }
}

function statIfPresent(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
