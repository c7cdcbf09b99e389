// What imports look like: CSV (any layout that can be recognised), NDJSON, and JSON arrays, each as batches of readings with what was skipped.
import { SanderlingError } from '@sanderling/kit';
import type { IngestAnswer } from '@sanderling/wire';
import type { Measurement } from './parts.ts';

/** Formats of an import. */
export type ImportFormat = 'csv' | 'ndjson' | 'json';

/** How to read an import. */
export interface FormatOptions {
  /** CSV: the time column's name or its position from 0. @default found */
  readonly timeColumn?: string | number;
  /** CSV: the value column's name or its position from 0. @default found */
  readonly valueColumn?: string | number;
  /** CSV: @default found */
  readonly delimiter?: string;
  /** Readings after this time are skipped, milliseconds; undefined keeps them. */
  readonly latest?: number;
  /** Largest JSON body, bytes. */
  readonly maxJsonBytes: number;
  readonly signal?: AbortSignal;
}

/** Why readings were skipped, and how many. */
export type SkipCounts = IngestAnswer['reasons'];

/** Readings of an import, batch by batch; `skipped` is complete when they have ended. */
export interface ImportReader extends AsyncIterable<readonly Measurement[]> {
  skipped(): SkipCounts;
}

/** Readings of one batch, so that its transaction is short. */
const batchSize = 2000;
/** Longest line of NDJSON, characters. */
const maxLineLength = 10_000;
/** As far as JavaScript's dates go, milliseconds. */
const maxTime = 8_640_000_000_000_000;

/** A time of ISO 8601 that says its zone. */
const zoned = /^\d{4}-\d\d-\d\dT[\d:.]{5,15}(Z|[+-]\d\d:\d\d)$/;

/** How each format is read. */
export const importFormats = {
  csv: readCsv,
  ndjson: (body, options) => new JsonReader(ndjsonValues(body), options),
  json: (body, options) => new JsonReader(arrayValues(body, options.maxJsonBytes), options),
} as const satisfies Record<ImportFormat, (body: AsyncIterable<Uint8Array>, options: FormatOptions) => ImportReader>;

function readCsv(body: AsyncIterable<Uint8Array>, options: FormatOptions): ImportReader {
  const { maxJsonBytes: _, latest = maxTime, ...rest } = options;
  let skipped: SkipCounts = [];
  async function* batches(): AsyncGenerator<readonly Measurement[]> {
    const { readTable } = await import('@sanderling/series');
    const table = readTable(body, { ...rest, name: 'the CSV', batchSize, limits: { latest } });
    for await (const batch of table) yield batch.map(({ time, value }) => ({ time: Math.round(time), value }));
    skipped = table.report().skipped.map(({ reason, count, lines }) => ({
      reason,
      count,
      ...(lines[0] === undefined ? {} : { firstLine: lines[0] }),
    }));
  }
  return { [Symbol.asyncIterator]: batches, skipped: () => skipped };
}

/** A value and the place it stands at: a line of NDJSON, an index of an array. */
interface Placed {
  readonly value: unknown;
  readonly place: number;
}

class JsonReader implements ImportReader {
  readonly #values: AsyncGenerator<readonly Placed[]>;
  readonly #latest: number;
  #future = 0;
  #firstFuture = 0;

  constructor(values: AsyncGenerator<readonly Placed[]>, options: FormatOptions) {
    this.#values = values;
    this.#latest = options.latest ?? maxTime;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Measurement[]> {
    for await (const values of this.#values) {
      const readings = values.map(toMeasurement);
      const kept = readings.filter(({ time }) => time <= this.#latest);
      if (kept.length < readings.length && this.#future === 0) {
        this.#firstFuture = values[readings.findIndex(({ time }) => time > this.#latest)]!.place;
      }
      this.#future += readings.length - kept.length;
      yield kept;
    }
  }

  skipped(): SkipCounts {
    if (this.#future === 0) return [];
    return [{ reason: 'future-dated', count: this.#future, firstLine: this.#firstFuture }];
  }
}

function toMeasurement({ value, place }: Placed): Measurement {
  const {
    time,
    value: measured,
    ...rest
  } = (typeof value === 'object' && value !== null ? value : {}) as {
    time?: unknown;
    value?: unknown;
  };
  const at = typeof time === 'string' && zoned.test(time) ? Date.parse(time) : time;
  if (!Number.isSafeInteger(at) || Math.abs(at as number) > maxTime)
    throw badReading(place, 'time', 'expected whole milliseconds since 1970-01-01 UTC, or ISO 8601 with a zone');
  if (!Number.isFinite(measured)) throw badReading(place, 'value', 'expected a finite number');
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw badReading(place, unknown.slice(0, 100), 'no such field');
  return { time: at as number, value: measured as number };
}

function badReading(place: number, field: string, message: string): SanderlingError {
  return new SanderlingError('INVALID_DATA', `reading ${place}: ${field}: ${message}`, {
    where: `${place}.${field}`,
    fix: 'nothing was stored; correct the reading and send the batch again',
  });
}

/** Every element of a JSON array; places count from 0. */
async function* arrayValues(body: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<readonly Placed[]> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) {
      throw new SanderlingError('TOO_LARGE', `a JSON array may have ${limit} bytes`, {
        fix: 'send CSV or NDJSON, which are read as streams',
      });
    }
    chunks.push(chunk);
  }
  const values = parseJson(decode(Buffer.concat(chunks)), 'body');
  if (!Array.isArray(values))
    throw new SanderlingError('INVALID_ARGUMENT', 'expected an array of readings', { where: 'body' });
  for (let at = 0; at < values.length; at += batchSize)
    yield values.slice(at, at + batchSize).map((value: unknown, i) => ({ value, place: at + i }));
}

/** Every line of NDJSON; places count from 1. */
async function* ndjsonValues(body: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Placed[]> {
  let batch: Placed[] = [];
  for await (const { line, place } of lines(body)) {
    if (line.trim() === '') continue;
    batch.push({ value: parseJson(line, `line ${place}`), place });
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* lines(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly line: string; readonly place: number }> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let place = 0;
  for await (const chunk of body) {
    const pieces = (rest + decode(chunk, decoder)).split('\n');
    rest = pieces.pop()!;
    for (const line of pieces) yield { line, place: ++place };
    if (rest.length > maxLineLength)
      throw new SanderlingError('INVALID_DATA', `line ${place + 1} is longer than ${maxLineLength} characters`, {
        where: `line ${place + 1}`,
      });
  }
  yield { line: rest + decode(new Uint8Array(0), decoder, true), place: place + 1 };
}

function decode(bytes: Uint8Array, decoder = new TextDecoder('utf-8', { fatal: true }), end = false): string {
  try {
    return decoder.decode(bytes, { stream: !end });
  } catch (error) {
    throw new SanderlingError('INVALID_DATA', 'the body is not UTF-8 text', { where: 'body', cause: error });
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SanderlingError('INVALID_DATA', `${where} is not JSON`, { where, cause: error });
  }
}
