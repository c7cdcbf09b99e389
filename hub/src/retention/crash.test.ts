// Collections among writers of the same blobs, killed at random moments: no row ever names a blob that is gone, and in the end nothing unnamed is left.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { expect, test } from 'vitest';
import { DiskBlobs, openDatabase, sqliteDialect, tables } from '../store/index.ts';
import { collect } from './collect.ts';

const kills = 8;

/** One life of the collector, killed after its second collection and a moment. @returns how many blobs its collections removed */
async function live(folder: string, seed: string, afterMs: number): Promise<number> {
  const child = fork(new URL('./collector.suite.ts', import.meta.url), [folder, seed], { execArgv: [] });
  const died = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  let [removed, collections] = [0, 0];
  await new Promise<void>((resolve) => {
    child.on('message', (news: { readonly kind: string; readonly removed?: number }) => {
      removed += news.removed ?? 0;
      if (news.kind === 'collected' && ++collections === 2) resolve();
    });
    child.once('exit', () => resolve());
  });
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  child.kill('SIGKILL');
  expect((await died)[1], `seed ${seed}`).toBe('SIGKILL');
  return removed;
}

test('no row names a blob that a collection removed, whenever it is killed and whoever puts it again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-retention-'));
  const database = join(folder, 'x.sqlite');
  const seed = String(Date.now());
  const random = createRandom(seed);
  const made = tables<object>(await openDatabase(sqliteDialect(database), []));
  await made.schema
    .createTable('noted')
    .addColumn('digest', 'text', (column) => column.primaryKey())
    .execute();
  await made.destroy();
  let removed = 0;
  for (let round = 0; round < kills; round++) {
    removed += await live(folder, `${seed} ${round}`, random.int(0, 150));
    const db = tables<{ noted: { digest: string } }>(await openDatabase(sqliteDialect(database), []));
    const blobs = new DiskBlobs(join(folder, 'blobs'));
    for (const { digest } of await db.selectFrom('noted').select('digest').execute())
      expect(await blobs.get(digest).then(() => 'there', String), `seed ${seed}, round ${round}`).toBe('there');
    await db.destroy();
  }
  expect(removed).toBeGreaterThan(20);
  const blobs = new DiskBlobs(join(folder, 'blobs'));
  const news = { progress: () => undefined, found: () => undefined, removed: () => undefined };
  const durable = { sync: async () => undefined };
  const { signal } = new AbortController();
  await collect({ database, blobs, durable }, { before: Date.now() + 1, dryRun: false, evenMost: true, signal, news });
  const db = tables<{ noted: { digest: string } }>(await openDatabase(sqliteDialect(database), []));
  const named = (await db.selectFrom('noted').select('digest').execute()).map(({ digest }) => digest);
  await db.destroy();
  const files = await readdir(join(folder, 'blobs'), { recursive: true, withFileTypes: true });
  const left = files.filter((file) => file.isFile()).map((file) => file.parentPath.slice(-2) + file.name);
  expect(left.toSorted()).toEqual(named.toSorted());
  await rm(folder, { recursive: true });
});
