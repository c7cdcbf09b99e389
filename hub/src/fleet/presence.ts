// When each device was last heard of: kept in memory, written down now and then.
import type { Clock } from '@sanderling/kit';
import type { Kysely } from 'kysely';
import { tables, type Database } from '../store/index.ts';
import type { FleetTables } from './tables.ts';

/** A device counts as online this long after its last request, milliseconds. */
const onlineMs = 90_000;
/** How often the time is written down, milliseconds. */
const notedMs = 30_000;

/** Who was heard of, and when. */
export class Presence {
  readonly #db: Kysely<FleetTables>;
  readonly #clock: Clock;
  readonly #seen = new Map<string, { at: number; noted: number }>();

  constructor(database: Database, clock: Clock) {
    this.#db = tables<FleetTables>(database);
    this.#clock = clock;
  }

  /** Notes a request of a device. */
  async note(device: string): Promise<void> {
    const now = this.#clock.now();
    const before = this.#seen.get(device);
    const due = before === undefined || now - before.noted >= notedMs;
    this.#seen.set(device, { at: now, noted: due ? now : before.noted });
    if (due) await this.#db.updateTable('device').set({ last_seen_at: now }).where('id', '=', device).execute();
  }

  /** When a device was last heard of. @param stored what the database says. */
  lastSeen(device: string, stored: number | null): number | null {
    return this.#seen.get(device)?.at ?? stored;
  }

  /** Whether that is recent. */
  isRecent(lastSeen: number | null): boolean {
    return lastSeen !== null && this.#clock.now() - lastSeen < onlineMs;
  }

  /** Forgets a device. */
  forget(device: string): void {
    this.#seen.delete(device);
  }
}
