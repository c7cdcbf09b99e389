// Power cuts: a commit reaches the disk's cache at once and the disk a little later, off the event loop. Nobody is told of it before it is there.
import { open, type FileHandle } from 'node:fs/promises';
import { SanderlingError } from '@sanderling/kit';

/** Makes what was committed survive a power cut. */
export interface Durable {
  /** Resolves when everything that was committed before the call is on the disk. @throws when the disk refuses; then nothing must be acknowledged. */
  sync(): Promise<void>;
}

/**
 * SQLite's write-ahead log, synchronised by us instead of inside every commit: with `synchronous = NORMAL` a commit that was not synchronised yet may be lost
 * in a power cut (never in a crash of the process), later ones before earlier ones, and the database stays whole (sqlite.org/pragma.html#pragma_synchronous).
 * One flush serves all who wait; the event loop is free meanwhile (a commit that flushes itself holds it for 5 to 35 ms).
 */
export class WriteAheadLog implements Durable {
  readonly #path: string;
  #handle: FileHandle | undefined;
  #written = 0;
  #synced = 0;
  #flushing: Promise<void> | undefined;

  /** @param path of the database */
  constructor(path: string) {
    this.#path = `${path}-wal`;
  }

  /** Something was written. */
  note(): void {
    this.#written++;
  }

  async sync(): Promise<void> {
    const goal = this.#written;
    while (this.#synced < goal) {
      this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined));
      await this.#flushing;
    }
  }

  close(): void {
    void this.#handle?.close();
    this.#handle = undefined;
  }

  async #flush(): Promise<void> {
    const upTo = this.#written;
    this.#handle ??= await open(this.#path, 'r+');
    await this.#handle.datasync();
    if ((await this.#handle.stat()).nlink === 0) throw removed(this.#path);
    this.#synced = upTo;
  }
}

/** The log is still open and takes what is written, but it has no name any more: nothing of it will be there after a restart. */
function removed(path: string): SanderlingError {
  return new SanderlingError('CORRUPT', 'the data folder was removed under the running hub', {
    where: path,
    fix: 'stop the hub, and start it on a folder that nothing else empties',
  });
}
