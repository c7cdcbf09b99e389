// The barrier before an acknowledgement: it flushes what was written, once for all who wait, and does not lie when the disk refuses.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDatabase, sqliteDialect, tables, WriteAheadLog } from './index.ts';

test('a written row is synchronised; nothing written costs nothing; many waiters share a flush', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'sanderling-durable-')), 'x.sqlite');
  const log = new WriteAheadLog(path);
  const migration = {
    up: async (db: Parameters<typeof tables>[0]) =>
      tables<object>(db as never)
        .schema.createTable('a')
        .addColumn('b', 'integer')
        .execute(),
  };
  const database = await openDatabase(sqliteDialect(path, log), [{ '2026-01-01-test-1': migration }]);
  const db = tables<{ a: { b: number } }>(database);
  await db.insertInto('a').values({ b: 1 }).execute();
  await Promise.all(Array.from({ length: 50 }, () => log.sync()));
  await log.sync();
  expect(await db.selectFrom('a').selectAll().execute()).toEqual([{ b: 1 }]);
  await database.destroy();
});

test('a log that cannot be flushed is an error, not an acknowledgement; the next try flushes again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-durable-'));
  await rm(folder, { recursive: true });
  const log = new WriteAheadLog(join(folder, 'x.sqlite'));
  await log.sync();
  log.note();
  await expect(log.sync()).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(log.sync()).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a folder that is removed under the hub is told, instead of acknowledging what nobody will find again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-durable-'));
  const log = new WriteAheadLog(join(folder, 'x.sqlite'));
  const database = await openDatabase(sqliteDialect(join(folder, 'x.sqlite'), log), []);
  log.note();
  await log.sync();
  await rm(folder, { recursive: true });
  log.note();
  await expect(log.sync()).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining('removed') });
  await database.destroy();
});
