// Blobs as files: `ab/cdef…`, written aside, synced and renamed, so that a blob is whole or absent.
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDigest, SanderlingError, sha256, toSanderlingError, writeFileAtomic, type Digest } from '@sanderling/kit';
import type { BlobStore } from './blobs.ts';

/** A blob store in a folder of this machine. */
export class DiskBlobs implements BlobStore {
  readonly #folder: string;
  readonly #write: typeof writeFileAtomic;
  /** Blobs on their way to the disk: a file can be seen there before it is durable. */
  readonly #writing = new Map<Digest, Promise<void>>();

  /** @param write how a file is written; tests make it slow */
  constructor(folder: string, write: typeof writeFileAtomic = writeFileAtomic) {
    this.#folder = folder;
    this.#write = write;
  }

  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = sha256(bytes);
    const writing = this.#writing.get(digest) ?? this.#store(digest, bytes);
    this.#writing.set(digest, writing);
    await writing.finally(() => this.#writing.delete(digest));
    return digest;
  }

  async #store(digest: Digest, bytes: Uint8Array): Promise<void> {
    const present = await stat(this.path(digest)).catch(() => undefined);
    if (present?.size !== bytes.length) await this.#write(this.path(digest), bytes);
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
    return join(this.#folder, digest.slice(0, 2), digest.slice(2));
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
