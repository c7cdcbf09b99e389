// What the database names is in the blobs: under many writers of the same bytes, slow disks and kill -9 at random moments.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { expect, test } from 'vitest';
import { DiskBlobs, openDatabase, sqliteDialect, tables } from './index.ts';

const kills = 8;

test('no row names a blob that is not there, whenever the process is killed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-blobs-'));
  const seed = String(Date.now());
  const random = createRandom(seed);
  const made = tables<object>(await openDatabase(sqliteDialect(join(folder, 'x.sqlite')), []));
  await made.schema
    .createTable('noted')
    .addColumn('digest', 'text', (column) => column.primaryKey())
    .execute();
  await made.destroy();
  let known = 0;
  for (let round = 0; round < kills; round++) {
    const child = fork(new URL('./writer.suite.ts', import.meta.url), [folder, `${seed} ${round}`], { execArgv: [] });
    const died = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    await once(child, 'message');
    await new Promise((resolve) => setTimeout(resolve, random.int(20, 200)));
    child.kill('SIGKILL');
    expect((await died)[1], `seed ${seed}, round ${round}`).toBe('SIGKILL');
    const database = await openDatabase(sqliteDialect(join(folder, 'x.sqlite')), []);
    const rows = await tables<{ noted: { digest: string } }>(database).selectFrom('noted').select('digest').execute();
    const blobs = new DiskBlobs(join(folder, 'blobs'));
    for (const { digest } of rows) await blobs.get(digest);
    expect(rows.length).toBeGreaterThanOrEqual(known);
    known = rows.length;
    await database.destroy();
  }
  expect(known).toBeGreaterThan(0);
  expect(await readdir(join(folder, 'blobs'))).not.toEqual([]);
  await rm(folder, { recursive: true });
});
