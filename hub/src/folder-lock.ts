// One hub a data folder: an exclusive SQLite transaction on a small file. The operating system lifts it when the process dies, however it dies.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeDataFolder, SanderlingError } from '@sanderling/kit';

/** A held lock. */
export interface FolderLock {
  release(): void;
}

/** Takes the lock of a data folder, which is made when it is not there. @throws CONFLICT when another hub holds it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await makeDataFolder(folder);
  const path = join(folder, 'hub.lock');
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new SanderlingError('CONFLICT', 'another hub runs on this data folder', {
      where: folder,
      fix: 'stop it, or give this one another folder with SANDERLING_DATA',
      cause: error,
    });
  }
  return { release: () => database.close() };
}
