// The state of the device itself, cheap enough to ask every few seconds.
import { statfs } from 'node:fs/promises';
import type { DeviceHealth } from '@sanderling/wire/device';
import type { Outbox } from './outbox/outbox.ts';

/** Reads memory, disk and outbox. */
export class Health {
  readonly #folder: string;
  readonly #outbox: Outbox;
  #diskFreeMb: number | null = null;

  constructor(folder: string, outbox: Outbox) {
    this.#folder = folder;
    this.#outbox = outbox;
  }

  /** Asks the file system; the answer is used until the next time. */
  async measureDisk(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(this.#folder);
      this.#diskFreeMb = Math.round((bavail * bsize) / 1e5) / 10;
    } catch {
      this.#diskFreeMb = null;
    }
  }

  get now(): DeviceHealth {
    const { waiting, pending, dropped } = this.#outbox.state;
    return {
      residentMb: Math.round(process.memoryUsage.rss() / 1e5) / 10,
      uptimeSeconds: Math.round(process.uptime()),
      outboxEntries: waiting + pending,
      outboxDropped: dropped,
      diskFreeMb: this.#diskFreeMb,
    };
  }
}
