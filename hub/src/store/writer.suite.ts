// Run as a process by crash.test.ts: eight lanes put blobs, many of them the same, and note each in the database only when it is stored. Until it is killed.
import { join } from 'node:path';
import { createRandom, writeFileAtomic } from '@sanderling/kit';
import { DiskBlobs, openDatabase, sqliteDialect, tables } from './index.ts';

const [folder, seed] = process.argv.slice(2) as [string, string];
const random = createRandom(seed);
/** Every write may be slow before it and after it: that is where another lane, or the end, comes in between. */
const slow: typeof writeFileAtomic = async (...file) => {
  await new Promise((resolve) => setTimeout(resolve, random.int(0, 4)));
  await writeFileAtomic(...file);
  await new Promise((resolve) => setTimeout(resolve, random.int(0, 4)));
};
const blobs = new DiskBlobs(join(folder, 'blobs'), slow);
const db = tables<{ noted: { digest: string } }>(await openDatabase(sqliteDialect(join(folder, 'x.sqlite')), []));
process.on('disconnect', () => process.exit(1));
process.send?.('begun');
const lane = async (): Promise<never> => {
  for (;;) {
    const digest = await blobs.put(Buffer.from(`blob ${random.int(0, 400)}`.repeat(random.int(1, 3) * 50)));
    await db
      .insertInto('noted')
      .values({ digest })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await blobs.get(digest);
  }
};
await Promise.all(Array.from({ length: 8 }, lane));
