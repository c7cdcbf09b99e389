// The folder of a loop: the user's own, which must be empty, or ours, which is emptied at every start unless somebody still lives there.
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SanderlingError } from '@sanderling/kit';

/** A folder that is ours until it is let go. */
export interface ClaimedFolder extends Disposable {
  readonly path: string;
}

/** Says that a folder was made by a loop and may be emptied by the next one; locked while a loop runs in it. */
const marker = 'made-by-npm-start';

/** Takes a folder that the user named. @throws ALREADY_EXISTS when something is in it */
export async function claimNamedFolder(folder: string): Promise<ClaimedFolder> {
  const path = resolve(folder);
  if ((await readdir(path).catch(() => [])).length > 0) throw notEmpty(path);
  await mkdir(path, { recursive: true });
  return { path, [Symbol.dispose]: () => undefined };
}

/**
 * Takes and empties the folder that is used when the user names none. The operating system lifts the lock when the process dies, however it dies.
 * @throws ALREADY_EXISTS when it holds what no loop made; CONFLICT when another loop runs in it, or a hub that has outlived its loop
 */
export async function claimOwnFolder(folder: string): Promise<ClaimedFolder> {
  const path = resolve(folder);
  const present = await readdir(path).catch(() => [] as string[]);
  if (present.length > 0 && !present.includes(marker)) throw notEmpty(path);
  await mkdir(path, { recursive: true });
  const lock = tryLock(join(path, marker));
  if (lock === undefined) throw inUse(path, 'another npm start runs');
  try {
    await throwIfHubLives(path);
    for (const name of await readdir(path))
      if (name !== marker) await rm(join(path, name), { recursive: true, force: true });
  } catch (error) {
    lock.close();
    throw error;
  }
  return { path, [Symbol.dispose]: () => lock.close() };
}

async function throwIfHubLives(path: string): Promise<void> {
  const file = join(path, 'hub', 'hub.lock');
  if ((await stat(file).catch(() => undefined)) === undefined) return;
  const lock = tryLock(file);
  if (lock === undefined) throw inUse(path, 'a hub still runs');
  lock.close();
}

/** An exclusive transaction on a small SQLite file, as the hub locks its folder. */
function tryLock(file: string): DatabaseSync | undefined {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return database;
  } catch {
    database.close();
    return undefined;
  }
}

function notEmpty(path: string): SanderlingError {
  return new SanderlingError('ALREADY_EXISTS', `${path} is not empty`, {
    where: '--data',
    fix: 'name an empty folder',
  });
}

function inUse(path: string, who: string): SanderlingError {
  return new SanderlingError('CONFLICT', `${who} in ${path}`, {
    where: '--data',
    fix: 'stop it, or give this one an empty folder with --data',
  });
}
