// Entries of a microcontroller's outbox, as they cross the link, and as the rest of the hub knows them.
//
//   offset  size  field
//        0     1  kind: 1 reading, 2 report, 3 event
//        1     1  zero
//        2     2  bytes of the rest, which begins at 20
//        4     8  number
//       12     8  time, milliseconds since 1970
//       20        reading: value 4 (float)
//                 report:  release 32, predictions 4, rolling error 4, drift score 4, residual 4, forecast time p50 4 and p99 4 (microseconds), uptime 4 (s),
//                          model memory 4 (bytes), waiting 4, dropped 4, forecast start 8, flags 2 (as in the entry table), horizon 2, forecast 4 × horizon
//                 event:   type 2, reason 2, release 32, drift score 4, rolling error 4, numbers 4 × 4, first time 8, last time 8
import type { Digest } from '@sanderling/kit';
import { SanderlingError } from '@sanderling/kit';
import type { OutboxEntry } from '../device-messages.ts';
import { FieldReader } from './fields.ts';
import { deviceStatuses } from './protocol.ts';

/** Event types by number, and what their four numbers are. */
const eventTypes = {
  1: ['agent.started', ['boots']],
  2: ['drift.alarm', []],
  3: ['drift.over', []],
  4: ['release.switched', ['sequence']],
  5: ['release.activated', ['sequence', 'predictions']],
  6: ['release.rolled-back', ['sequence', 'predictions', 'boots']],
  7: ['release.refused', ['sequence']],
  8: ['release.damaged', ['sequence']],
  9: ['readings.dropped', ['readings', 'reports', 'events', 'total']],
} as const satisfies Record<number, readonly [string, readonly string[]]>;

/** What all entries have. */
interface Numbered {
  /** Place in the order of the outbox; grows, with gaps where the device dropped entries. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** A measured value. */
export interface LinkReading extends Numbered {
  readonly kind: 'reading';
  readonly value: number;
}

/** What a device says of its model's work. Errors and forecasts in the unit of the data. */
export interface LinkReport extends Numbered {
  readonly kind: 'report';
  /** Release of the image, 64 hexadecimal digits. */
  readonly release: string;
  /** Forecasts since the model was started. */
  readonly predictions: number;
  readonly rollingError: number | null;
  /** 0…1 */
  readonly driftScore: number;
  /** Newest settled residual one step ahead; null when there is none. */
  readonly residual: number | null;
  readonly driftAlarm: boolean;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly uptimeSeconds: number;
  /** Memory of the model, bytes. */
  readonly memory: number;
  readonly waiting: number;
  readonly dropped: number;
  /** Time of the newest cell that the forecast starts from; value k (from 1) is k steps later. */
  readonly forecastFrom: number;
  readonly forecast: readonly number[];
}

/** Something happened on the device. */
export interface LinkEvent extends Numbered {
  readonly kind: 'event';
  readonly type: (typeof eventTypes)[keyof typeof eventTypes][0];
  /** Why, as the device's status word; `ok` when there is nothing to explain. */
  readonly reason: string;
  /** Release concerned, 64 hexadecimal digits; null when there is none. */
  readonly release: string | null;
  readonly driftScore: number;
  readonly rollingError: number | null;
  readonly numbers: Readonly<Record<string, number>>;
  /** Times of the first and the last reading concerned; null when there are none. */
  readonly firstTime: number | null;
  readonly lastTime: number | null;
}

/** An entry as the device sends it. */
export type LinkEntry = LinkReading | LinkReport | LinkEvent;

/** Entries of one frame. */
export interface LinkEntries {
  /** 16 hexadecimal digits. */
  readonly outbox: string;
  /** Numbers ascend. */
  readonly entries: readonly LinkEntry[];
}

/** Reads the body of an `entries` frame. @throws INVALID_DATA when it is not whole or its numbers do not ascend. */
export function decodeEntries(body: Uint8Array): LinkEntries {
  const from = new FieldReader(body);
  const outbox = from.hex(8);
  const entries: LinkEntry[] = [];
  while (from.left > 0) {
    const entry = readEntry(from);
    if (entry.number <= (entries.at(-1)?.number ?? 0))
      throw new SanderlingError('INVALID_DATA', 'the entries of a frame are not in order');
    entries.push(entry);
  }
  return { outbox, entries };
}

/** What the hub knows and a device does not. */
export interface EntryContext {
  /** The address of the release that an image belongs to; undefined when the hub does not know it. */
  release(image: string): Digest | undefined;
  /** Time from one forecast value to the next, milliseconds. */
  stepMs(image: string): number;
}

/** An entry as the rest of the hub knows it. Undefined for a report of a release that the hub does not know. */
export function toOutboxEntry(entry: LinkEntry, context: EntryContext): OutboxEntry | undefined {
  switch (entry.kind) {
    case 'reading':
      return { kind: 'reading', time: entry.time, value: entry.value };
    case 'report':
      return toReport(entry, context);
    case 'event': {
      const { time, type, reason, release, driftScore: score, rollingError, numbers, firstTime, lastTime } = entry;
      const known = release === null ? null : (context.release(release) ?? null);
      const about = type.startsWith('drift.') ? { score, rollingError, release: known } : { release: known, reason };
      const span = firstTime === null ? {} : { firstTime, lastTime };
      return { kind: 'event', time, type, data: { ...(release === null ? {} : about), ...numbers, ...span } };
    }
  }
}

function toReport(entry: LinkReport, context: EntryContext): OutboxEntry | undefined {
  const release = context.release(entry.release);
  if (release === undefined) return undefined;
  const { time, predictions, rollingError, driftScore, latencyMs, forecastFrom } = entry;
  const step = context.stepMs(entry.release);
  const forecast = entry.forecast.map((value, k) => ({ time: forecastFrom + (k + 1) * step, value }));
  const health = {
    residentMb: entry.memory / 2 ** 20,
    uptimeSeconds: entry.uptimeSeconds,
    outboxEntries: entry.waiting,
    outboxDropped: entry.dropped,
    diskFreeMb: null,
  };
  return { kind: 'report', time, release, predictions, rollingError, driftScore, latencyMs, forecast, health };
}

function readEntry(from: FieldReader): LinkEntry {
  const [kind, , bytes] = [from.u8(), from.u8(), from.u16()];
  const numbered = { number: from.i64(), time: from.i64() };
  const rest = new FieldReader(from.bytes(bytes));
  const entry = readRest(kind, numbered, rest);
  rest.end();
  return entry;
}

function readRest(kind: number, numbered: Numbered, from: FieldReader): LinkEntry {
  switch (kind) {
    case 1:
      return { kind: 'reading', ...numbered, value: from.f32() };
    case 2:
      return readReport(numbered, from);
    case 3:
      return readEvent(numbered, from);
    default:
      throw new SanderlingError('INVALID_DATA', `an entry of the unknown kind ${kind}`);
  }
}

function readReport(numbered: Numbered, from: FieldReader): LinkReport {
  const release = from.hex(32);
  const predictions = from.u32();
  const [rollingError, driftScore, residual] = [positive(from.f32()), from.f32(), from.f32()];
  const latencyMs = { p50: from.u32() / 1000, p99: from.u32() / 1000 };
  const [uptimeSeconds, memory, waiting, dropped] = [from.u32(), from.u32(), from.u32(), from.u32()];
  const [forecastFrom, flags, horizon] = [from.i64(), from.u16(), from.u16()];
  const forecast = Array.from({ length: horizon }, () => from.f32());
  return {
    kind: 'report',
    ...numbered,
    release,
    predictions,
    rollingError,
    driftScore,
    residual: (flags & 2) === 0 ? null : residual,
    driftAlarm: (flags & 4) !== 0,
    latencyMs,
    uptimeSeconds,
    memory,
    waiting,
    dropped,
    forecastFrom,
    forecast,
  };
}

function readEvent(numbered: Numbered, from: FieldReader): LinkEvent {
  const known = eventTypes[from.u16() as keyof typeof eventTypes];
  if (known === undefined) throw new SanderlingError('INVALID_DATA', 'an event of an unknown type');
  const [type, names] = known;
  const reason = deviceStatuses[from.u16()]?.[0] ?? 'unknown';
  const release = from.hex(32);
  const [driftScore, rollingError] = [from.f32(), positive(from.f32())];
  const values = Array.from({ length: 4 }, () => from.u32());
  const numbers = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
  const [firstTime, lastTime] = [time(from.i64()), time(from.i64())];
  const about = { release: /^0*$/.test(release) ? null : release, driftScore, rollingError };
  return { kind: 'event', ...numbered, type, reason, ...about, numbers, firstTime, lastTime };
}

const positive = (value: number): number | null => (value >= 0 ? value : null);
const time = (value: number): number | null => (value > 0 ? value : null);
