// Times as people and loggers write them. A time without a zone is UTC.

/** How a column writes its times. `day-first` is 31.12.2025, `month-first` is 12/31/2025, `year-first` covers ISO 8601; the rest count from 1970. */
export type TimeFormat =
  | 'year-first'
  | 'day-first'
  | 'month-first'
  | 'seconds'
  | 'milliseconds'
  | 'microseconds'
  | 'nanoseconds';

const epochUnits = { seconds: 1e3, milliseconds: 1, microseconds: 1e-3, nanoseconds: 1e-6 } as const;
/** Counted times must fall in 1990 … 2100 to be taken for times at all. */
const earliest = Date.UTC(1990, 0, 1);
const latest = Date.UTC(2100, 0, 1);

const dateOrders = ['year-first', 'day-first', 'month-first'] as const;

/** Milliseconds since 1970-01-01 UTC, whole; NaN when the text is no such time. */
export function parseTime(text: string, format: TimeFormat): number {
  switch (format) {
    case 'year-first':
    case 'day-first':
    case 'month-first':
      return parseCivil(text, format);
    case 'seconds':
    case 'milliseconds':
    case 'microseconds':
    case 'nanoseconds':
      return parseCounted(text, format);
  }
}

/**
 * The format in which nearly all the texts are times; undefined when there is none.
 * Where day and month could be either, the order that keeps neighbours closer together wins.
 */
export function detectTimeFormat(texts: readonly string[]): TimeFormat | undefined {
  const wanted = Math.max(1, Math.ceil(0.8 * texts.length));
  const fitting = [...dateOrders, ...(Object.keys(epochUnits) as TimeFormat[])]
    .map((format) => ({
      format,
      times: texts.map((text) => parseTime(text, format)).filter((time) => !Number.isNaN(time)),
    }))
    .filter(({ times }) => times.length >= wanted);
  return fitting.sort((a, b) => b.times.length - a.times.length || roughness(a.times) - roughness(b.times))[0]?.format;
}

/** Whether a text is a date alone, as in a table that keeps the time of day in the next column. */
export function isDateOnly(text: string): boolean {
  return /^\s*\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\s*$/.test(text);
}

/** Whether a text is a time of day alone. */
export function isTimeOfDay(text: string): boolean {
  return /^\s*\d{1,2}[:.]\d{2}([:.]\d{2}([.,]\d+)?)?\s*([AaPp][Mm])?\s*$/.test(text);
}

function roughness(times: readonly number[]): number {
  let sum = 0;
  for (let i = 1; i < times.length; i++) sum += Math.abs(times[i]! - times[i - 1]!);
  return sum;
}

function parseCounted(text: string, unit: keyof typeof epochUnits): number {
  const trimmed = text.trim();
  if (trimmed.length < 9 || trimmed.length > 24) return Number.NaN;
  const code = trimmed.charCodeAt(0);
  if (code < 48 || code > 57) return Number.NaN;
  const time = Math.floor(Number(trimmed) * epochUnits[unit]);
  return time >= earliest && time < latest ? time : Number.NaN;
}

/** A cursor over a text: the one thing that the parsers below share. */
interface Cursor {
  readonly text: string;
  at: number;
  /** Digits that the last number had. */
  digits: number;
}

function parseCivil(text: string, order: (typeof dateOrders)[number]): number {
  const cursor: Cursor = { text, at: 0, digits: 0 };
  skipBlanks(cursor);
  const first = number(cursor, order === 'year-first' ? 4 : 2);
  const yearDigits = cursor.digits;
  const separator = cursor.text[cursor.at];
  if (separator !== '-' && separator !== '/' && separator !== '.') return Number.NaN;
  cursor.at++;
  const second = number(cursor, 2);
  if (cursor.text[cursor.at] !== separator) return Number.NaN;
  cursor.at++;
  const third = number(cursor, order === 'year-first' ? 2 : 4);
  if (order === 'year-first') return yearDigits === 4 ? withClock(cursor, dayStart(first, second, third)) : Number.NaN;
  const year = cursor.digits === 2 ? 2000 + third : third;
  if (cursor.digits !== 2 && cursor.digits !== 4) return Number.NaN;
  return withClock(cursor, order === 'day-first' ? dayStart(year, second, first) : dayStart(year, first, second));
}

const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function dayStart(year: number, month: number, day: number): number {
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= monthDays[month - 1]!)) return Number.NaN;
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 && day === 29 && !leap ? Number.NaN : Date.UTC(year, month - 1, day);
}

function withClock(cursor: Cursor, day: number): number {
  const { text } = cursor;
  if (Number.isNaN(day)) return day;
  if (text[cursor.at] === 'T' || text[cursor.at] === 't') cursor.at++;
  skipBlanks(cursor);
  if (cursor.at === text.length) return day;
  let hour = number(cursor, 2);
  const separator = text[cursor.at];
  if (separator !== ':' && separator !== '.') return Number.NaN;
  cursor.at++;
  const minute = number(cursor, 2);
  const seconds = text[cursor.at] === separator ? secondsAt(cursor) : 0;
  skipBlanks(cursor);
  hour = halfDay(cursor, hour);
  if (!(hour <= 24 && minute < 60 && seconds < 61)) return Number.NaN;
  const zone = zoneOffset(cursor);
  skipBlanks(cursor);
  return cursor.at === text.length
    ? day + hour * 3_600_000 + minute * 60_000 + Math.floor(seconds * 1000) - zone
    : Number.NaN;
}

function secondsAt(cursor: Cursor): number {
  cursor.at++;
  const whole = number(cursor, 2);
  const mark = cursor.text[cursor.at];
  if (mark !== '.' && mark !== ',') return whole;
  cursor.at++;
  const fraction = number(cursor, 9);
  // Floating-point division may fall just below a whole millisecond; a nanosecond more puts it right.
  return whole + fraction / 10 ** cursor.digits + 1e-10;
}

function halfDay(cursor: Cursor, hour: number): number {
  const mark = cursor.text.slice(cursor.at, cursor.at + 2).toLowerCase();
  if (mark !== 'am' && mark !== 'pm') return hour;
  cursor.at += 2;
  if (hour < 1 || hour > 12) return Number.NaN;
  return (hour % 12) + (mark === 'pm' ? 12 : 0);
}

function zoneOffset(cursor: Cursor): number {
  const mark = cursor.text[cursor.at];
  if (mark === 'Z' || mark === 'z') {
    cursor.at++;
    return 0;
  }
  if (mark !== '+' && mark !== '-') return 0;
  cursor.at++;
  const hours = number(cursor, 2);
  if (cursor.text[cursor.at] === ':') cursor.at++;
  const minutes = cursor.at < cursor.text.length ? number(cursor, 2) : 0;
  if (!(hours <= 15 && minutes < 60)) return Number.NaN;
  return (mark === '-' ? -1 : 1) * (hours * 3_600_000 + minutes * 60_000);
}

function number(cursor: Cursor, maxDigits: number): number {
  let value = 0;
  let digits = 0;
  while (digits < maxDigits) {
    const digit = cursor.text.charCodeAt(cursor.at) - 48;
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
    cursor.at++;
    digits++;
  }
  cursor.digits = digits;
  return digits === 0 ? Number.NaN : value;
}

function skipBlanks(cursor: Cursor): void {
  while (cursor.text[cursor.at] === ' ') cursor.at++;
}
