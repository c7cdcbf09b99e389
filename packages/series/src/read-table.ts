// Reading a user's file of readings as a stream: bounded memory whatever its size, every skipped line accounted for.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { TextDecoder } from 'node:util';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { Reading } from './reading.ts';
import { detectEncoding, type TextEncoding } from './table-encoding.ts';
import { detectLayout, type LayoutHints, type TableLayout } from './table-layout.ts';
import { RecordSplitter, type TextRecord } from './table-records.ts';
import { SkipTally, tableError, type TableReport } from './table-report.ts';
import { RowParser } from './table-rows.ts';
import { unitInName } from './table-numbers.ts';

/** Where a table comes from: a file's path, its bytes, or a stream of them. */
export type TableSource = string | Uint8Array | AsyncIterable<Uint8Array>;

/** How far reading has come. */
export interface TableProgress {
  readonly bytes: number;
  /** Undefined for a stream. */
  readonly totalBytes: number | undefined;
  readonly readings: number;
}

/** Bounds on what a file may hold. */
export interface TableLimits {
  /** Rows before this time are skipped as `too-old`, milliseconds. @default 1990-01-01 */
  readonly earliest?: number;
  /** Rows after this time are skipped as `future-dated`, milliseconds. @default one day from now */
  readonly latest?: number;
  /** Share of lines that may be bad. @default 0.2 */
  readonly badShare?: number;
}

/** How to read a table. */
export interface TableOptions extends LayoutHints {
  /** What to call the source in reports and errors. @default the file's name, or `table` */
  readonly name?: string;
  /** Unit of the values. @default as the column's name says, else '' */
  readonly unit?: string;
  readonly limits?: TableLimits;
  /** Readings in a batch. @default 4096 */
  readonly batchSize?: number;
  /** Called about every megabyte. */
  readonly onProgress?: (progress: TableProgress) => void;
  readonly signal?: AbortSignal;
}

/** Batches of readings in the file's order, once; and a report that grows with them. */
export interface TableReader extends AsyncIterable<readonly Reading[]> {
  /** What was found so far; complete when the batches have ended. @throws CONFLICT before the first batch. */
  report(): TableReport;
}

const sampleBytes = 64 * 1024;
const sampleLines = 400;

/**
 * Reads readings from CSV-like text. Finds encoding, delimiter, header, time and value columns by itself where not told.
 * Iterating throws: NOT_FOUND for a missing file, CANCELLED when aborted, and coded errors with `file:line` and `details.problem`
 * (see `TableProblem`) for what is no such table or has too many bad lines.
 */
export function readTable(source: TableSource, options: TableOptions = {}): TableReader {
  const reading = new TableReading(source, options);
  return { [Symbol.asyncIterator]: () => reading.batches(), report: () => reading.report() };
}

/** Reads a whole table into memory; for files of up to some hundred thousand readings. Throws as {@link readTable}. */
export async function readReadings(
  source: TableSource,
  options: TableOptions = {},
): Promise<{ readonly readings: Reading[]; readonly report: TableReport }> {
  const table = readTable(source, options);
  const readings: Reading[] = [];
  for await (const batch of table) for (const reading of batch) readings.push(reading);
  return { readings, report: table.report() };
}

class TableReading {
  readonly #source: TableSource;
  readonly #options: TableOptions;
  readonly #name: string;
  readonly #tally = new SkipTally();
  readonly #splitter: RecordSplitter;
  #records: TextRecord[] = [];
  #encoding: TextEncoding = 'utf-8';
  #layout: TableLayout | undefined;
  #rows: RowParser | undefined;
  #bytes = 0;
  #reported = 0;
  #dataLines = 0;

  constructor(source: TableSource, options: TableOptions) {
    this.#source = source;
    this.#options = options;
    this.#name = options.name ?? (typeof source === 'string' ? basename(source) : 'table');
    this.#splitter = new RecordSplitter(this.#name);
  }

  async *batches(): AsyncGenerator<readonly Reading[]> {
    const { batchSize = 4096, signal } = this.#options;
    const totalBytes = await sizeOf(this.#source);
    const text = this.#text();
    const take = (record: TextRecord): void => void this.#records.push(record);
    try {
      for await (const piece of text) {
        this.#splitter.push(piece, take);
        if (!this.#hasSample()) continue;
        yield* this.#drain(batchSize);
        this.#progress(totalBytes);
      }
      this.#splitter.end(take);
      yield* this.#drain(1);
      this.#finish();
      this.#progress(totalBytes, true);
    } catch (error) {
      throw signal?.aborted
        ? new SanderlingError('CANCELLED', 'cancelled while reading', { where: this.#name, cause: error })
        : named(error, this.#name);
    }
  }

  report(): TableReport {
    const [layout, rows] = [this.#layout, this.#rows];
    if (layout === undefined || rows === undefined) {
      throw new SanderlingError('CONFLICT', 'there is no report before the first batch', { where: this.#name });
    }
    const clock = layout.clockColumn;
    const valueColumn = layout.nameOf(layout.valueColumn);
    return {
      name: this.#name,
      encoding: this.#encoding,
      delimiter: layout.delimiter,
      header: layout.header,
      timeColumn: layout.nameOf(layout.timeColumn) + (clock === undefined ? '' : ` ${layout.nameOf(clock)}`),
      valueColumn,
      timeFormat: layout.timeFormat,
      unit: this.#options.unit ?? unitInName(valueColumn),
      bytes: this.#bytes,
      lines: this.#splitter.lines,
      readings: rows.readings,
      firstTime: rows.readings === 0 ? undefined : rows.firstTime,
      lastTime: rows.readings === 0 ? undefined : rows.lastTime,
      skipped: this.#tally.list(),
    };
  }

  /** Decoded text, the first piece long enough to judge the file by. */
  async *#text(): AsyncGenerator<string> {
    let head: Uint8Array | undefined = new Uint8Array(0);
    let decoder = new TextDecoder();
    for await (const chunk of bytesOf(this.#source, this.#options.signal)) {
      this.#options.signal?.throwIfAborted();
      this.#bytes += chunk.length;
      if (head === undefined) {
        yield decoder.decode(chunk, { stream: true });
        continue;
      }
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      if (head.length < sampleBytes) continue;
      decoder = this.#decoderFor(head);
      yield decoder.decode(head, { stream: true });
      head = undefined;
    }
    if (head !== undefined) {
      decoder = this.#decoderFor(head);
      yield decoder.decode(head, { stream: true });
    }
    yield decoder.decode();
  }

  #decoderFor(head: Uint8Array): TextDecoder {
    this.#encoding = detectEncoding(head.subarray(0, sampleBytes), this.#name);
    return new TextDecoder(this.#encoding);
  }

  #hasSample(): boolean {
    return this.#layout !== undefined || this.#records.length >= sampleLines;
  }

  *#drain(least: number): Generator<readonly Reading[]> {
    const { batchSize = 4096 } = this.#options;
    const rows = (this.#rows ??= this.#start());
    const records = this.#records;
    this.#records = [];
    for (const record of records) {
      if (record.text === '' || record.text.trim() === '' || record.line < this.#layout!.firstLine) continue;
      this.#dataLines++;
      const skipped = rows.take(record);
      if (skipped !== undefined) this.#tally.add(skipped, record.line);
      if (rows.batch.length >= batchSize) yield rows.takeBatch();
    }
    this.#checkBad(1000);
    if (rows.batch.length >= least) yield rows.takeBatch();
  }

  #start(): RowParser {
    this.#layout = detectLayout(this.#records.slice(0, sampleLines), this.#name, this.#options);
    const { earliest = Date.UTC(1990, 0, 1), latest = Date.now() + 86_400_000 } = this.#options.limits ?? {};
    return new RowParser(this.#layout, { earliest, latest });
  }

  #checkBad(least: number): void {
    const share = this.#options.limits?.badShare ?? 0.2;
    if (this.#dataLines < least || this.#tally.bad <= share * this.#dataLines) return;
    const [worst] = this.#tally.list().filter(({ reason }) => reason !== 'comment');
    throw tableError('too-many-bad-lines', this.#name, {
      message: `${this.#tally.bad} of the first ${this.#dataLines} lines cannot be read: ${worst?.message}`,
      line: worst?.lines[0] ?? 1,
      fix: 'check the delimiter and the columns',
      details: { skipped: this.#tally.list() },
    });
  }

  #finish(): void {
    this.#checkBad(1);
    const rows = this.#rows!;
    if (rows.readings === 1) {
      throw tableError('one-line', this.#name, {
        message: `${this.#name} has one reading`,
        line: this.#layout!.firstLine,
      });
    }
    if (rows.readings > 0) return;
    const [worst] = this.#tally.list();
    throw tableError('no-readings', this.#name, {
      message: `${this.#name} has no usable reading${worst === undefined ? '' : `: ${worst.message}`}`,
      line: worst?.lines[0] ?? this.#layout!.firstLine,
      details: { skipped: this.#tally.list() },
    });
  }

  #progress(totalBytes: number | undefined, always = false): void {
    if (!always && this.#bytes - this.#reported < 1 << 20) return;
    this.#reported = this.#bytes;
    this.#options.onProgress?.({ bytes: this.#bytes, totalBytes, readings: this.#rows?.readings ?? 0 });
  }
}

async function* bytesOf(source: TableSource, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (typeof source === 'string') {
    yield* createReadStream(source, { highWaterMark: 128 * 1024, ...(signal === undefined ? {} : { signal }) });
  } else if (source instanceof Uint8Array) {
    for (let at = 0; at < source.length; at += 1 << 17) yield source.subarray(at, at + (1 << 17));
  } else {
    yield* source;
  }
}

async function sizeOf(source: TableSource): Promise<number | undefined> {
  if (typeof source !== 'string') return source instanceof Uint8Array ? source.length : undefined;
  try {
    const facts = await stat(source);
    if (!facts.isDirectory()) return facts.size;
  } catch (error) {
    throw named(error, source);
  }
  throw new SanderlingError('INVALID_ARGUMENT', `${source} is a folder`, { where: source, fix: 'give a file' });
}

function named(thrown: unknown, name: string): SanderlingError {
  const error = toSanderlingError(thrown);
  if (error === thrown) return error;
  return new SanderlingError(error.code, `cannot read ${name}: ${error.message}`, { where: name, cause: thrown });
}
