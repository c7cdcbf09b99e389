// The fast lane of the table reader: plain lines are read straight from their bytes, without making a text of them. What is not plain goes the slow lane.
import type { TableLayout } from './table-layout.ts';

const [quote, plus, minus, point, zero, nine] = [34, 43, 45, 46, 48, 57];

/** Where a line's fields lie in the bytes; filled by {@link FieldCutter.cut}. */
export class FieldCutter {
  readonly #layout: TableLayout;
  readonly #delimiter: number;
  timeFrom = 0;
  timeTo = 0;
  valueFrom = 0;
  valueTo = 0;

  constructor(layout: TableLayout) {
    this.#layout = layout;
    this.#delimiter = layout.delimiter.charCodeAt(0);
  }

  /** Whether lines of this layout can go the fast lane at all. */
  get usable(): boolean {
    const { delimiter, clockColumn } = this.#layout;
    return delimiter !== ' ' && delimiter.length === 1 && this.#delimiter < 128 && clockColumn === undefined;
  }

  /** Finds time and value in the line `from … to`; false when the line is not plain: other field count, odd or doubled quotes. */
  cut(bytes: Uint8Array, from: number, to: number): boolean {
    const { timeColumn, valueColumn, fields } = this.#layout;
    let field = 0;
    let start = from;
    for (let at = from; at <= to; at++) {
      if (at < to && bytes[at] === quote) {
        const end = closingQuote(bytes, at, { start, to });
        if (end < 0 || (end + 1 < to && bytes[end + 1] !== this.#delimiter)) return false;
        at = end;
        continue;
      }
      if (at < to && bytes[at] !== this.#delimiter) continue;
      const quoted = start < at && bytes[start] === quote ? 1 : 0;
      if (field === timeColumn) [this.timeFrom, this.timeTo] = [start + quoted, at - quoted];
      else if (field === valueColumn) [this.valueFrom, this.valueTo] = [start + quoted, at - quoted];
      field++;
      start = at + 1;
    }
    return field === fields;
  }
}

/** The quote that ends a field which `at` begins; −1 when it is doubled, missing, or `at` lies inside of a field. */
function closingQuote(bytes: Uint8Array, at: number, { start, to }: { start: number; to: number }): number {
  if (at !== start) return -1;
  let end = at + 1;
  while (end < to && bytes[end] !== quote) end++;
  return end < to && bytes[end + 1] !== quote ? end : -1;
}

/**
 * A plain decimal number such as −12.375; NaN for anything else. Exact: at most 15 digits, and the power of ten is exact too (Clinger 1990).
 */
export function parseNumberBytes(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  const first = bytes[at];
  if (first === minus || first === plus) at++;
  let [mantissa, digits, decimals, seenPoint] = [0, 0, 0, false];
  for (; at < to; at++) {
    const byte = bytes[at]!;
    if (byte === point && !seenPoint) {
      seenPoint = true;
      continue;
    }
    if (byte < zero || byte > nine || digits === 15) return Number.NaN;
    mantissa = mantissa * 10 + byte - zero;
    digits++;
    if (seenPoint) decimals++;
  }
  if (digits === 0) return Number.NaN;
  const value = mantissa / powersOfTen[decimals]!;
  return first === minus ? -value : value;
}

const powersOfTen = Array.from({ length: 16 }, (_, i) => 10 ** i);

/** A time such as 2021-02-02T14:51:01.026563Z or 2021-02-02 14:51, UTC, milliseconds; NaN for anything else. */
export function parseTimeBytes(bytes: Uint8Array, from: number, to: number): number {
  const dash = bytes[from + 4];
  if (to - from < 16 || (dash !== minus && dash !== 47) || bytes[from + 7] !== dash) return Number.NaN;
  const gap = bytes[from + 10];
  if ((gap !== 32 && gap !== 84) || bytes[from + 13] !== 58) return Number.NaN;
  const day = dayBytes(bytes, from);
  const hour = pair(bytes, from + 11);
  const minute = pair(bytes, from + 14);
  const end = bytes[to - 1] === 90 ? to - 1 : to;
  const ms = end === from + 16 ? 0 : secondBytes(bytes, from + 16, end);
  return hour < 24 && minute < 60 ? day + hour * 3_600_000 + minute * 60_000 + ms : Number.NaN;
}

const daysBefore = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function dayBytes(bytes: Uint8Array, from: number): number {
  const year = pair(bytes, from) * 100 + pair(bytes, from + 2);
  const month = pair(bytes, from + 5);
  const day = pair(bytes, from + 8);
  // Leap days and years of other centuries go the slow lane.
  if (!(year >= 1970 && year < 2100 && month >= 1 && month <= 12 && day >= 1 && day <= monthDays[month - 1]!))
    return Number.NaN;
  const leapDays = Math.floor((year - 1969) / 4) + (year % 4 === 0 && month > 2 ? 1 : 0);
  return ((year - 1970) * 365 + leapDays + daysBefore[month - 1]! + day - 1) * 86_400_000;
}

/** `:ss` or `:ss.fff…`, milliseconds. */
function secondBytes(bytes: Uint8Array, from: number, to: number): number {
  const seconds = pair(bytes, from + 1);
  if (bytes[from] !== 58 || to < from + 3 || !(seconds < 60)) return Number.NaN;
  if (to === from + 3) return seconds * 1000;
  if (bytes[from + 3] !== point || to > from + 13 || to === from + 4) return Number.NaN;
  let [ms, weight] = [0, 100];
  for (let at = from + 4; at < to; at++) {
    const digit = bytes[at]! - zero;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    ms += digit * weight;
    weight = weight === 1 ? 0 : weight / 10;
  }
  return seconds * 1000 + ms;
}

function pair(bytes: Uint8Array, at: number): number {
  const [tens, ones] = [bytes[at]! - zero, bytes[at + 1]! - zero];
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}
