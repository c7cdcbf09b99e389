// The data folder of a hub: for its owner only, and still there after a power cut.
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { syncFolder } from '@sanderling/kit';

/** What the system says of folders that are not ours to synchronise: we cannot have made anything in them. */
const notOurs: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS', 'EINVAL']);

/**
 * Makes the folder where it is missing, and makes the names of it and of every folder above it durable, whoever made them: the cache of compiled code may have
 * been here first. Without that a power cut may take a new folder away with everything that was synchronised inside.
 */
export async function makeDataFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (let inside = resolve(folder); inside !== dirname(inside); inside = dirname(inside)) {
    try {
      await syncFolder(dirname(inside));
    } catch (error) {
      if (notOurs.has((error as NodeJS.ErrnoException).code)) return;
      throw error;
    }
  }
}
