// Run as a process by crash.test.ts: lanes put blobs, name each in a row when it is stored, and take names away again, while collection follows collection.
// Many blobs lie there from earlier lives, named by nobody, and are put again just when they go. Until it is killed.
import { join } from 'node:path';
import { createRandom, writeFileAtomic } from '@sanderling/kit';
import { DiskBlobs, openDatabase, sqliteDialect, tables, WriteAheadLog } from '../store/index.ts';
import { collect } from './collect.ts';

const [folder, seed] = process.argv.slice(2) as [string, string];
const random = createRandom(seed);
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, random.int(0, 4)));
/** Every write may be slow before it and after it: that is where a removal, or the end, comes in between. */
const slow: typeof writeFileAtomic = async (...file) => {
  await pause();
  await writeFileAtomic(...file);
  await pause();
};
const database = join(folder, 'x.sqlite');
const blobs = new DiskBlobs(join(folder, 'blobs'), slow);
const durable = new WriteAheadLog(database);
const db = tables<{ noted: { digest: string } }>(await openDatabase(sqliteDialect(database, durable), []));
process.on('disconnect', () => process.exit(1));
process.send?.({ kind: 'begun' });

const lane = async (): Promise<never> => {
  for (;;) {
    const digest = await blobs.put(Buffer.from(`blob ${random.int(0, 300)}`.repeat(20)));
    await pause();
    await db
      .insertInto('noted')
      .values({ digest })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const rows = await db.selectFrom('noted').select('digest').execute();
    for (const row of rows)
      if (random.next() < 0.05) await db.deleteFrom('noted').where('digest', '=', row.digest).execute();
  }
};

const collections = async (): Promise<never> => {
  const { signal } = new AbortController();
  for (;;) {
    let removed = 0;
    const news = { progress: () => undefined, found: () => undefined, removed: () => void removed++ };
    await collect({ database, blobs, durable }, { before: Date.now(), dryRun: false, evenMost: true, signal, news });
    process.send?.({ kind: 'collected', removed });
  }
};

await Promise.all([collections(), ...Array.from({ length: 6 }, lane)]);
