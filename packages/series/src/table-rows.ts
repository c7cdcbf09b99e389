// One line to one reading, millions of times: only the two or three fields that matter are cut out.
import type { Reading } from './reading.ts';
import { FieldCutter, parseNumberBytes, parseTimeBytes } from './table-bytes.ts';
import type { TableLayout } from './table-layout.ts';
import { parseNumberField } from './table-numbers.ts';
import { splitFields, type TextRecord } from './table-records.ts';
import type { SkipReason } from './table-report.ts';
import { parseTime } from './table-times.ts';

/** Turns records into readings, batch by batch. */
export class RowParser {
  readonly #layout: TableLayout;
  readonly #limits: { readonly earliest: number; readonly latest: number };
  /** Readings since {@link takeBatch}. */
  batch: Reading[] = [];
  readings = 0;
  firstTime = Number.POSITIVE_INFINITY;
  lastTime = Number.NEGATIVE_INFINITY;
  readonly #cutter: FieldCutter;
  readonly #fast: boolean;
  #time = '';
  #clock = '';
  #value = '';

  constructor(layout: TableLayout, limits: { readonly earliest: number; readonly latest: number }) {
    this.#layout = layout;
    this.#limits = limits;
    this.#cutter = new FieldCutter(layout);
    this.#fast = this.#cutter.usable && layout.timeFormat === 'year-first';
  }

  /** Takes a plain line straight from its bytes; `slow` when it is not plain and must come as a record. */
  takeBytes(bytes: Uint8Array, from: number, to: number): SkipReason | 'slow' | undefined {
    const cutter = this.#cutter;
    if (!this.#fast || !cutter.cut(bytes, from, to)) return 'slow';
    const time = parseTimeBytes(bytes, cutter.timeFrom, cutter.timeTo);
    const value = parseNumberBytes(bytes, cutter.valueFrom, cutter.valueTo);
    return Number.isNaN(time) || Number.isNaN(value) ? 'slow' : this.#accept(time, value);
  }

  /** Takes a record; tells why it gave no reading, or undefined when it did. */
  take({ text, unterminated }: TextRecord): SkipReason | undefined {
    if (unterminated) return 'unterminated-quote';
    if (text === this.#layout.headerText) return 'repeated-header';
    const fields = this.#cut(text);
    if (
      fields !== this.#layout.fields &&
      !(fields === this.#layout.fields + 1 && text.endsWith(this.#layout.delimiter))
    ) {
      return text.startsWith('#') ? 'comment' : 'field-count';
    }
    const time = this.#readTime();
    if (Number.isNaN(time)) return text.startsWith('#') ? 'comment' : 'bad-time';
    const value = parseNumberField(this.#value, this.#layout.decimalComma);
    if (typeof value !== 'number')
      return value === 'bad' ? 'bad-value' : value === 'missing' ? 'missing-value' : 'infinite-value';
    return this.#accept(time, value);
  }

  /** The readings since the last call. */
  takeBatch(): Reading[] {
    const { batch } = this;
    this.batch = [];
    return batch;
  }

  #accept(time: number, value: number): SkipReason | undefined {
    if (time < this.#limits.earliest) return 'too-old';
    if (time > this.#limits.latest) return 'future-dated';
    this.batch.push({ time, value });
    this.readings++;
    if (time < this.firstTime) this.firstTime = time;
    if (time > this.lastTime) this.lastTime = time;
    return undefined;
  }

  #readTime(): number {
    const { clockColumn, timeFormat } = this.#layout;
    return parseTime(clockColumn === undefined ? this.#time : `${this.#time.trim()} ${this.#clock.trim()}`, timeFormat);
  }

  /** Cuts out the fields that matter; returns how many fields there are. */
  #cut(text: string): number {
    const { delimiter, timeColumn, clockColumn, valueColumn } = this.#layout;
    if (delimiter === ' ' || text.includes('"')) {
      const fields = splitFields(text, delimiter);
      this.#time = fields[timeColumn] ?? '';
      this.#value = fields[valueColumn] ?? '';
      this.#clock = clockColumn === undefined ? '' : (fields[clockColumn] ?? '');
      return fields.length;
    }
    let field = 0;
    for (let from = 0; ; field++) {
      const end = text.indexOf(delimiter, from);
      const stop = end < 0 ? text.length : end;
      if (field === timeColumn) this.#time = text.slice(from, stop);
      else if (field === valueColumn) this.#value = text.slice(from, stop);
      else if (field === clockColumn) this.#clock = text.slice(from, stop);
      if (end < 0) return field + 1;
      from = end + 1;
    }
  }
}
