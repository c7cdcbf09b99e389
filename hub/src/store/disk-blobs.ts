// Blobs as files: `ab/cdef…`, written aside, synced and renamed, so that a blob is whole or absent.
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDigest, SanderlingError, sha256, toSanderlingError, writeFileAtomic, type Digest } from '@sanderling/kit';
import type { BlobStore } from './blobs.ts';

/** So long after it was put a blob is kept whatever the database says: whoever put it is about to name it in a row. Milliseconds. */
const heldMs = 3_600_000;

/** A blob store in a folder of this machine. */
export class DiskBlobs implements BlobStore {
  /** Where the blobs lie. */
  readonly folder: string;
  readonly #write: typeof writeFileAtomic;
  /** Blobs on their way to the disk: a file can be seen there before it is durable. */
  readonly #writing = new Map<Digest, Promise<void>>();
  /** Blobs on their way out: whoever puts one again waits, and then writes it. */
  readonly #removing = new Map<Digest, Promise<boolean>>();
  /** When each was put last, by a clock that nobody turns back; the longest ago first, nothing from before {@link heldMs}. */
  readonly #held = new Map<Digest, number>();

  /** @param write how a file is written; tests make it slow */
  constructor(folder: string, write: typeof writeFileAtomic = writeFileAtomic) {
    this.folder = folder;
    this.#write = write;
  }

  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = sha256(bytes);
    this.#hold(digest);
    const writing = this.#writing.get(digest) ?? this.#store(digest, bytes);
    this.#writing.set(digest, writing);
    await writing.finally(() => this.#writing.delete(digest));
    return digest;
  }

  async #store(digest: Digest, bytes: Uint8Array): Promise<void> {
    await this.#removing.get(digest)?.catch(() => undefined);
    const present = await stat(this.path(digest)).catch(() => undefined);
    if (present?.size !== bytes.length) await this.#write(this.path(digest), bytes);
  }

  /**
   * Removes a blob that no row names, unless it was put in the last hour or its file is not older than `before`.
   * @param before milliseconds since 1970
   * @returns whether it was removed. @throws FORBIDDEN … as the disk
   */
  async remove(digest: Digest, before: number): Promise<boolean> {
    if (this.#isHeld(digest)) return false;
    const removing = this.#removing.get(digest) ?? this.#unlink(this.path(digest), before);
    this.#removing.set(digest, removing);
    return removing.finally(() => this.#removing.delete(digest));
  }

  async #unlink(path: string, before: number): Promise<boolean> {
    const present = await stat(path).catch(() => undefined);
    if (present === undefined || present.mtimeMs >= before) return false;
    try {
      await rm(path);
      return true;
    } catch (error) {
      throw toSanderlingError(error);
    }
  }

  #hold(digest: Digest): void {
    const now = performance.now();
    this.#held.delete(digest);
    this.#held.set(digest, now);
    for (const [oldest, since] of this.#held) {
      if (now - since < heldMs) break;
      this.#held.delete(oldest);
    }
  }

  #isHeld(digest: Digest): boolean {
    const since = this.#held.get(digest);
    return since !== undefined && performance.now() - since < heldMs;
  }

  async get(digest: Digest): Promise<Uint8Array> {
    const bytes = await this.read(digest, 0, Number.POSITIVE_INFINITY);
    if (sha256(bytes) === digest) return bytes;
    throw new SanderlingError('CORRUPT', `blob ${digest.slice(0, 12)} is damaged on disk`, {
      where: this.path(digest),
      fix: 'restore this file from a backup',
    });
  }

  async size(digest: Digest): Promise<number> {
    const path = this.path(digest);
    try {
      return (await stat(path)).size;
    } catch (error) {
      throw systemCode(error) === 'ENOENT' ? missing(digest, error) : toSanderlingError(error);
    }
  }

  async read(digest: Digest, start: number, end: number): Promise<Uint8Array> {
    const size = await this.size(digest);
    const length = Math.max(0, Math.min(end, size) - start);
    const handle = await open(this.path(digest), 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  /** Where a blob lies, for processes on this machine that read it themselves. */
  path(digest: Digest): string {
    if (!isDigest(digest))
      throw new SanderlingError('INVALID_ARGUMENT', 'this is not a blob’s address', { where: 'digest' });
    return join(this.folder, digest.slice(0, 2), digest.slice(2));
  }
}

function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function missing(digest: Digest, cause: unknown): SanderlingError {
  return new SanderlingError('NOT_FOUND', `there is no blob ${digest.slice(0, 12)}`, {
    fix: 'restore the folder of the blobs from a backup',
    cause,
  });
}
