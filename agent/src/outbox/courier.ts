// Carries the outbox to the hub: in order, in batches, again until it is acknowledged. The hub knows (outbox, seq), so nothing arrives twice.
import { backoff, SanderlingError, toSanderlingError, type Clock } from '@sanderling/kit';
import { maxDeliverEntries, type DeliverAnswer, type DeliverRequest } from '@sanderling/wire/device';
import type { CrashHook } from '../crash-points.ts';
import type { Narrator } from '../status/lines.ts';
import type { NumberedEntry } from './outbox-table.ts';
import type { Outbox } from './outbox.ts';

/** The hub, as far as delivery needs it. */
export interface DeliveryDesk {
  deliver(request: DeliverRequest, signal: AbortSignal): Promise<DeliverAnswer>;
}

/** What a courier works with. */
export interface CourierParts {
  readonly outbox: Outbox;
  readonly desk: DeliveryDesk;
  readonly narrate: Narrator;
  readonly clock: Clock;
  readonly random: () => number;
  readonly crash: CrashHook;
  /** Shortest time from one delivery to the next when little waits, milliseconds. @default 1000 */
  readonly everyMs?: number;
}

/** The hub looked at the entries and will never take them. */
const unacceptable: ReadonlySet<string> = new Set(['INVALID_ARGUMENT', 'INVALID_DATA', 'TOO_LARGE']);
/** So often must the hub say that of a single entry before it is given up. */
const lastWord = 3;

/** Delivers until the signal aborts. */
export async function keepDelivering(parts: CourierParts, signal: AbortSignal): Promise<void> {
  const { outbox, clock, random, narrate, everyMs = 1000 } = parts;
  const round = new Round(parts);
  for (let failures = 0; ; ) {
    if (outbox.state.waiting === 0) await outbox.stored.wait(signal);
    const started = clock.now();
    try {
      await round.deliver(signal);
      failures = 0;
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      if (signal.aborted) throw error;
      // Looking for the entry that the hub finds fault with is progress, not an outage.
      if (round.narrowing) failures = 0;
      if (failures++ === 0) narrate({ type: 'error', about: 'delivery', ...error.toBody() });
      await clock.sleep(backoff(failures, { baseMs: 500, maxMs: 60_000, random }), signal);
      continue;
    }
    // With a backlog there is no pause, and an event does not wait for its end.
    const pause = everyMs - (clock.now() - started);
    if (outbox.state.waiting < maxDeliverEntries && pause > 0) await outbox.eventStored.wait(signal, pause);
  }
}

/** One delivery after the other; smaller ones when the hub finds fault, down to the entry that it finds fault with. */
class Round {
  readonly #parts: CourierParts;
  /** Entries of the next batch, and the most that the hub has not found too large. */
  #limit = maxDeliverEntries;
  #cap = maxDeliverEntries;
  #refusals = 0;
  /** Whether the last delivery was refused for what is in it. */
  narrowing = false;

  constructor(parts: CourierParts) {
    this.#parts = parts;
  }

  async deliver(signal: AbortSignal): Promise<void> {
    const { outbox, desk, narrate, crash } = this.#parts;
    this.narrowing = false;
    this.#tellDropped();
    const entries = outbox.batch(this.#limit);
    if (entries.length === 0) return;
    const { acked } = await this.#send(entries, () => desk.deliver({ outbox: outbox.id, entries }, signal));
    crash('deliver-answered');
    if (!outbox.acknowledge(acked)) {
      narrate({ type: 'error', about: 'delivery', ...oldCopy.toBody() });
      return;
    }
    if (acked < entries[0]!.seq)
      throw new SanderlingError('UNAVAILABLE', `the hub acknowledged ${acked}, which is before the first entry sent`);
    this.#refusals = 0;
    this.#limit = Math.min(this.#cap, this.#limit * 2);
    narrate({ type: 'delivered', acked, waiting: outbox.state.waiting });
  }

  async #send(entries: readonly NumberedEntry[], send: () => Promise<DeliverAnswer>): Promise<DeliverAnswer> {
    try {
      return await send();
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      if (unacceptable.has(error.code)) this.#narrowDown(entries, error);
      throw error;
    }
  }

  #narrowDown(entries: readonly NumberedEntry[], error: SanderlingError): void {
    const { outbox, clock } = this.#parts;
    this.narrowing = true;
    this.#limit = Math.max(1, Math.floor(entries.length / 2));
    if (error.code === 'TOO_LARGE') this.#cap = this.#limit;
    if (entries.length > 1 || ++this.#refusals < lastWord) return;
    this.#refusals = 0;
    const [refused] = entries;
    outbox.refuse(refused!);
    const data = { kind: refused!.entry.kind, time: refused!.entry.time, ...error.toBody() };
    outbox.add({ kind: 'event', time: Math.round(clock.now()), type: 'agent.entry-refused', data });
  }

  /** The hub is told of losses when it can be reached, not one event for every loss of a week without it. */
  #tellDropped(): void {
    const { outbox, clock } = this.#parts;
    const data = outbox.takeDropped();
    if (data !== undefined)
      outbox.add({ kind: 'event', time: Math.round(clock.now()), type: 'readings.dropped', data });
  }
}

const oldCopy = new SanderlingError(
  'CONFLICT',
  'the hub knows later entries of this outbox than the outbox itself: the data folder is an old copy',
  { fix: 'nothing to do: the outbox has taken a new identity and delivers what it holds' },
);
