// Everything that happens is an event: an append-only log that consumers follow, durably by a stored cursor or live.
import { newId, type Clock } from '@sanderling/kit';
import type { HubEvent } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import { tables, type Database } from '../store/index.ts';
import type { EventTables } from './tables.ts';

/** What an event says; sequence number, id and time are the log's. */
export interface NewEvent {
  /** Dotted, past tense where it is one: `release.created`, `drift.alarm`. */
  readonly type: string;
  readonly project?: string | null;
  /** Id of what it is about: an execution, a device, a release. */
  readonly subject?: string | null;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Which events to list. */
export interface EventQuery {
  /** Only events behind this sequence number. @default 0 */
  readonly after?: number;
  /** @default 200 */
  readonly limit?: number;
  readonly project?: string;
  readonly types?: readonly string[];
}

/** Does something about an event. Called at least once for each; throwing makes it come again after a second. */
export type EventHandler = (event: HubEvent) => Promise<void>;

/** Wait before a failed handler is tried again, milliseconds. */
const retryMs = 1000;

/** Events of other types that a consumer may have to look at again after a restart. */
const skippedBeforeStored = 1000;

/** How far a consumer has come: on disk, and in this process. */
interface Place {
  stored: number;
  seen: number;
}

/** The event log of a hub. */
export class EventLog {
  readonly #db: Kysely<EventTables>;
  readonly #clock: Clock;
  readonly #pumps = new Set<() => void>();

  constructor(database: Database, clock: Clock) {
    this.#db = tables<EventTables>(database);
    this.#clock = clock;
  }

  /** Appends an event; pass the transaction that makes it true, so that both happen or neither. Followers see it once that is committed. */
  async append(event: NewEvent, executor: Database = this.#db): Promise<void> {
    await tables<EventTables>(executor)
      .insertInto('event')
      .values({
        id: newId('evt', this.#clock),
        time: this.#clock.now(),
        type: event.type,
        project: event.project ?? null,
        subject: event.subject ?? null,
        data: JSON.stringify(event.data ?? {}),
      })
      .execute();
    for (const pump of this.#pumps) pump();
  }

  /** Events in order. */
  async list(query: EventQuery = {}): Promise<HubEvent[]> {
    let select = this.#db
      .selectFrom('event')
      .selectAll()
      .where('seq', '>', query.after ?? 0)
      .orderBy('seq')
      .limit(query.limit ?? 200);
    if (query.project !== undefined) select = select.where('project', '=', query.project);
    if (query.types !== undefined) select = select.where('type', 'in', [...query.types]);
    return (await select.execute()).map(toEvent);
  }

  /** The newest sequence number, 0 when nothing has happened. */
  async newest(): Promise<number> {
    const row = await this.#db
      .selectFrom('event')
      .select((e) => e.fn.max('seq').as('seq'))
      .executeTakeFirst();
    return Number(row?.seq ?? 0);
  }

  /** Events behind `after`, then live ones, until the signal aborts. */
  async *follow(query: EventQuery, signal: AbortSignal): AsyncGenerator<HubEvent> {
    const bell = this.#bell(signal);
    try {
      for (let after = query.after ?? 0; !signal.aborted; ) {
        const events = await this.list({ ...query, after });
        yield* events;
        after = events.at(-1)?.seq ?? after;
        if (events.length === 0) await bell.next();
      }
    } finally {
      bell.close();
    }
  }

  /**
   * Hands every event, or every one of these types, to the handler in order, from where this consumer last stopped, until the signal aborts.
   * Events of other types cost the consumer nothing: they move its stored cursor only now and then.
   */
  async consume(
    consumer: string,
    handler: EventHandler,
    signal: AbortSignal,
    types?: readonly string[],
  ): Promise<void> {
    const bell = this.#bell(signal);
    const place = { stored: await this.#cursor(consumer), seen: 0 };
    place.seen = place.stored;
    try {
      while (!signal.aborted) {
        const outcome = await this.#advance(consumer, handler, { place, types });
        if (outcome === 'idle') await bell.next();
        if (outcome === 'failed') await this.#clock.sleep(retryMs, signal).catch(() => undefined);
      }
    } finally {
      bell.close();
    }
  }

  /** A failure of the handler or of the database, a full disk for one, is told and tried again: a consumer does not die of it. */
  async #advance(
    consumer: string,
    handler: EventHandler,
    { place, types }: { readonly place: Place; readonly types: readonly string[] | undefined },
  ): Promise<'idle' | 'done' | 'failed'> {
    let about = 'the next event';
    try {
      const newest = await this.newest();
      const [event] = await this.list({ after: place.seen, limit: 1, ...(types === undefined ? {} : { types }) });
      if (event === undefined) {
        place.seen = Math.max(place.seen, newest);
        if (place.seen - place.stored >= skippedBeforeStored) await this.#store(consumer, place);
        return 'idle';
      }
      about = `${event.type} (${event.id})`;
      await handler(event);
      await this.#store(consumer, { ...place, seen: event.seq });
      place.stored = place.seen = event.seq;
      return 'done';
    } catch (error) {
      process.emitWarning(`${consumer} could not handle ${about}: ${String(error)}`);
      return 'failed';
    }
  }

  async #cursor(consumer: string): Promise<number> {
    const row = await this.#db
      .selectFrom('event_cursor')
      .select('seq')
      .where('consumer', '=', consumer)
      .executeTakeFirst();
    return row?.seq ?? 0;
  }

  async #store(consumer: string, place: Place): Promise<void> {
    const seq = place.seen;
    await this.#db
      .insertInto('event_cursor')
      .values({ consumer, seq })
      .onConflict((c) => c.column('consumer').doUpdateSet({ seq }))
      .execute();
    place.stored = seq;
  }

  /** Rings once for any number of appends since the last wait. The listing that follows waits for the appender's transaction: one connection serves both. */
  #bell(signal: AbortSignal): { next(): Promise<void>; close(): void } {
    let rung = false;
    let wake: (() => void) | undefined;
    const ring = (): void => {
      rung = true;
      wake?.();
    };
    this.#pumps.add(ring);
    signal.addEventListener('abort', ring);
    const next = async (): Promise<void> => {
      if (!rung) await new Promise<void>((resolve) => (wake = resolve));
      rung = false;
    };
    const close = (): void => {
      this.#pumps.delete(ring);
      signal.removeEventListener('abort', ring);
    };
    return { next, close };
  }
}

function toEvent(row: Selectable<EventTables['event']>): HubEvent {
  return { ...row, data: JSON.parse(row.data) as Record<string, unknown> };
}
