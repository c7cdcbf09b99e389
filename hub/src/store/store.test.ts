// The store: blobs on disk keep their contract and notice damage; the database starts from nothing, again and again, and rolls back.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256, writeFileAtomic } from '@sanderling/kit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeBlobStore } from './blobs.suite.ts';
import { DiskBlobs, openDatabase, sqliteDialect, tables, type Migrations } from './index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sanderling-store-'));
});
afterAll(async () => rm(folder, { recursive: true }));

describeBlobStore('DiskBlobs', async () => new DiskBlobs(await mkdtemp(join(folder, 'blobs-'))));

test('a blob that was damaged on disk is CORRUPT, and putting it again heals it when its size changed', async () => {
  const blobs = new DiskBlobs(join(folder, 'damage'));
  const digest = await blobs.put(Buffer.from('precious'));
  await writeFile(blobs.path(digest), 'preciouS');
  await expect(blobs.get(digest)).rejects.toMatchObject({ code: 'CORRUPT' });
  await writeFile(blobs.path(digest), 'prec');
  await blobs.put(Buffer.from('precious'));
  expect(Buffer.from(await blobs.get(digest)).toString()).toBe('precious');
});

test('nothing is left beside a blob', async () => {
  const blobs = new DiskBlobs(join(folder, 'clean'));
  const digest = await blobs.put(Buffer.from('one'));
  expect(await readdir(join(folder, 'clean', digest.slice(0, 2)))).toEqual([digest.slice(2)]);
  expect(digest).toBe(sha256('one'));
});

test('nobody is told of a blob before it is durable, however many put it at once', async () => {
  const path = join(folder, 'slow');
  let durable = false;
  const written = Promise.withResolvers<void>();
  const slow: typeof writeFileAtomic = async (...file) => {
    await writeFileAtomic(...file);
    written.resolve();
    await new Promise((resolve) => setTimeout(resolve, 50));
    durable = true;
  };
  const blobs = new DiskBlobs(path, slow);
  const first = blobs.put(Buffer.from('news')).then(() => durable);
  await written.promise;
  const second = blobs.put(Buffer.from('news')).then(() => durable);
  expect(await Promise.all([first, second])).toEqual([true, true]);
});

interface Tables {
  thing: { id: number; name: string };
}
const first: Migrations = {
  '2026-11-21-things-1': {
    up: async (db) => {
      await db.schema
        .createTable('thing')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('name', 'text')
        .execute();
    },
  },
};

test('migrations run once, new ones are added later, and a failing one names itself and changes nothing', async () => {
  const path = join(folder, 'things.sqlite');
  const open = (migrations: readonly Migrations[]) => openDatabase(sqliteDialect(path), migrations);
  const database = await open([first]);
  await tables<Tables>(database).insertInto('thing').values({ id: 1, name: 'a' }).execute();
  await database.destroy();
  const failing: Migrations = {
    '2026-11-22-things-2': {
      up: async (db) => {
        await db.schema.createTable('half').addColumn('id', 'integer').execute();
        throw new Error('power cut');
      },
    },
  };
  await expect(open([first, failing])).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining('2026-11-22-things-2') as string,
  });
  const again = await open([first]);
  expect(await tables<Tables>(again).selectFrom('thing').selectAll().execute()).toEqual([{ id: 1, name: 'a' }]);
  await expect(tables<{ half: { id: number } }>(again).selectFrom('half').selectAll().execute()).rejects.toThrow(
    'half',
  );
  await again.destroy();
});

test('one statement serves many values, in and out of transactions', async () => {
  const database = await openDatabase(sqliteDialect(':memory:'), [first]);
  const db = tables<Tables>(database);
  for (let id = 0; id < 500; id++)
    await db
      .insertInto('thing')
      .values({ id, name: `n${id}` })
      .execute();
  const failing = db.transaction().execute(async (tx) => {
    await tx.insertInto('thing').values({ id: 1000, name: 'gone' }).execute();
    await tx.insertInto('thing').values({ id: 1, name: 'twice' }).execute();
  });
  await expect(failing).rejects.toThrow('UNIQUE');
  const seen: number[] = [];
  for await (const row of db.selectFrom('thing').select('id').orderBy('id').stream()) {
    if (seen.length === 0) await Promise.resolve();
    seen.push(row.id);
  }
  expect(seen).toEqual(Array.from({ length: 500 }, (_, id) => id));
  const found = await Promise.all(
    [7, 9].map((id) => db.selectFrom('thing').select('name').where('id', '=', id).executeTakeFirst()),
  );
  expect(found).toEqual([{ name: 'n7' }, { name: 'n9' }]);
  await database.destroy();
});
