// Files that are either whole or absent, whatever happens to the process: write aside, fsync, rename, fsync the folder.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SanderlingError, toSanderlingError } from './errors.ts';

/**
 * Replaces a file atomically and durably.
 * @throws DISK_FULL, FORBIDDEN … with the path in `where`; the old file is then untouched and nothing is left beside it.
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string, mode = 0o644): Promise<void> {
  const folder = dirname(path);
  await makeFolder(folder);
  const aside = join(folder, `.${randomBytes(6).toString('hex')}.partial`);
  try {
    await writeDurably(aside, data, mode);
    await rename(aside, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(aside, { force: true });
    const known = toSanderlingError(error);
    throw new SanderlingError(known.code, `cannot write ${path}: ${known.message}`, { where: path, cause: error });
  }
}

/** Makes a folder and those above it. New ones are durable too: a power cut must not take away a folder whose files were synchronised. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

/** What the system says of folders that are not ours to synchronise: we cannot have made anything in them. */
const notOurs: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS', 'EINVAL']);

/**
 * Makes a folder that keeps a program's data, for its owner only, where it is missing, and makes the names of it and of every folder above it durable, whoever made
 * them: the cache of compiled code may have been here first. Without that a power cut may take a new folder away with everything that was synchronised inside.
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

/** Makes a rename or an unlink in this folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A file's bytes, or undefined when there is none. Other failures throw. */
export async function readFileIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeDurably(path: string, data: Uint8Array | string, mode: number): Promise<void> {
  const handle = await open(path, 'wx', mode);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
