// Reading a user's file of readings as a stream: bounded memory whatever its size, every skipped line accounted for.
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { TextDecoder } from 'node:util';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { Reading } from './reading.ts';
import { detectEncoding, type TextEncoding } from './table-encoding.ts';
import { detectLayout, type LayoutHints, type TableLayout } from './table-layout.ts';
import { LineCutter } from './table-lines.ts';
import { RecordJoiner, type TextRecord } from './table-records.ts';
import { SkipTally, tableError, type SkipReason, type TableReport } from './table-report.ts';
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
  readonly #lines: LineCutter;
  readonly #joiner = new RecordJoiner();
  #sample: TextRecord[] = [];
  #batches: (readonly Reading[])[] = [];
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
    this.#lines = new LineCutter(this.#name);
  }

  async *batches(): AsyncGenerator<readonly Reading[]> {
    const { signal } = this.#options;
    const totalBytes = await sizeOf(this.#source);
    try {
      for await (const chunk of this.#chunks()) {
        this.#lines.push(chunk, this.#takeLine);
        yield* this.#full();
        this.#progress(totalBytes);
      }
      this.#lines.end(this.#takeLine);
      this.#joiner.end(this.#take);
      this.#rows ??= this.#start();
      yield* this.#full();
      this.#finish();
      if (this.#rows.batch.length > 0) yield this.#rows.takeBatch();
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
      lines: this.#lines.lines,
      readings: rows.readings,
      firstTime: rows.readings === 0 ? undefined : rows.firstTime,
      lastTime: rows.readings === 0 ? undefined : rows.lastTime,
      skipped: this.#tally.list(),
    };
  }

  /** Bytes of an ASCII-compatible encoding, the first piece long enough to judge the file by. */
  async *#chunks(): AsyncGenerator<Uint8Array> {
    let head: Uint8Array | undefined = new Uint8Array(0);
    let decoder: TextDecoder | undefined;
    const plain = (bytes: Uint8Array): Uint8Array =>
      decoder === undefined ? bytes : Buffer.from(decoder.decode(bytes, { stream: true }));
    for await (const chunk of bytesOf(this.#source, this.#options.signal)) {
      this.#options.signal?.throwIfAborted();
      this.#bytes += chunk.length;
      if (head === undefined) {
        yield plain(chunk);
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length < sampleBytes) continue;
      decoder = this.#decoderFor(head);
      yield plain(withoutMark(head));
      head = undefined;
    }
    if (head === undefined) return;
    decoder = this.#decoderFor(head);
    yield plain(withoutMark(head));
  }

  /** What turns the file's encoding into UTF-8; undefined when nothing needs to. */
  #decoderFor(head: Uint8Array): TextDecoder | undefined {
    this.#encoding = detectEncoding(head.subarray(0, sampleBytes), this.#name);
    const wide = this.#encoding === 'utf-16le' || this.#encoding === 'utf-16be';
    return wide ? new TextDecoder(this.#encoding) : undefined;
  }

  /** Plain lines become readings straight from their bytes; all others become text, and perhaps part of a record of several lines. */
  readonly #takeLine = (bytes: Uint8Array, from: number, to: number): void => {
    const line = this.#lines.lines;
    if (this.#rows !== undefined && !this.#joiner.open && from < to) {
      const skipped = this.#rows.takeBytes(bytes, from, to);
      if (skipped !== 'slow') return this.#note(skipped, line);
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString(
      this.#encoding === 'windows-1252' ? 'latin1' : 'utf8',
    );
    this.#joiner.push(text, line, this.#take);
  };

  /** Records before the layout is known are kept; afterwards each becomes a reading at once, so that nothing piles up. */
  readonly #take = (record: TextRecord): void => {
    if (this.#rows !== undefined) return this.#takeRow(record, this.#rows);
    this.#sample.push(record);
    if (this.#sample.length >= sampleLines) this.#rows = this.#start();
  };

  #takeRow(record: TextRecord, rows: RowParser): void {
    if (record.text.trim() === '' || record.line < this.#layout!.firstLine) return;
    this.#note(rows.take(record), record.line, rows);
  }

  #note(skipped: SkipReason | undefined, line: number, rows: RowParser = this.#rows!): void {
    this.#dataLines++;
    if (skipped !== undefined) this.#tally.add(skipped, line);
    if (rows.batch.length >= (this.#options.batchSize ?? 4096)) this.#batches.push(rows.takeBatch());
  }

  /** Batches that are full. */
  *#full(): Generator<readonly Reading[]> {
    this.#checkBad(1000);
    const batches = this.#batches;
    this.#batches = [];
    yield* batches;
  }

  #start(): RowParser {
    const sample = this.#sample;
    this.#sample = [];
    this.#layout = detectLayout(sample, this.#name, this.#options);
    const { earliest = Date.UTC(1990, 0, 1), latest = Date.now() + 86_400_000 } = this.#options.limits ?? {};
    const rows = new RowParser(this.#layout, { earliest, latest });
    for (const record of sample) this.#takeRow(record, rows);
    return rows;
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

const chunkBytes = 64 * 1024;

async function* bytesOf(source: TableSource, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (typeof source === 'string') yield* bytesOfFile(source, signal);
  else if (source instanceof Uint8Array) yield* pieces(source);
  else for await (const chunk of source) yield* pieces(chunk);
}

/** Pieces small enough that the readings of one do not pile up. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

/** One buffer is read into again and again: each chunk is used up before the next is asked for. */
async function* bytesOfFile(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, chunkBytes);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** UTF-8's byte order mark is no part of the first name. */
function withoutMark(head: Uint8Array): Uint8Array {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? head.subarray(3) : head;
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
