// How a table is laid out, judged by its first lines: delimiter, header, and which columns hold time and value.
import { detectTimeFormat, isDateOnly, isTimeOfDay, parseTime, type TimeFormat } from './table-times.ts';
import { parseNumberField } from './table-numbers.ts';
import { splitFields, type TextRecord } from './table-records.ts';
import { tableError } from './table-report.ts';

/** What a user may already know of the layout. */
export interface LayoutHints {
  /** The time column's name, or its position from 0. @default found by name and content */
  readonly timeColumn?: string | number;
  /** The value column's name, or its position from 0. @default found by name and content */
  readonly valueColumn?: string | number;
  /** @default found by what makes the most regular table */
  readonly delimiter?: string;
}

/** A table's layout. Columns count from 0. */
export interface TableLayout {
  readonly delimiter: string;
  /** Fields that a line has. */
  readonly fields: number;
  readonly header: readonly string[];
  /** The header as it stands in the file; '' without one. */
  readonly headerText: string;
  /** Line number of the first line with data. */
  readonly firstLine: number;
  readonly timeColumn: number;
  /** Column of the time of day when `timeColumn` holds the date alone. */
  readonly clockColumn: number | undefined;
  readonly timeFormat: TimeFormat;
  readonly valueColumn: number;
  readonly decimalComma: boolean;
  /** A column's name, or its position from 1. */
  readonly nameOf: (column: number) => string;
}

const delimiters = [',', ';', '\t', '|', ' '] as const;

const timeNames = [
  /^(time|timestamp|datetime|date_time|date time|ts)$/i,
  /^(date|time_point|zeit|datum)$/i,
  /time|date|stamp/i,
];
const valueNames = [
  /^(value|reading|measurement)$/i,
  /^(temperature|temp)$/i,
  /^t(emp(erature)?)?[\s_]*[([]?(°|deg)?\s*[cfk][)\]]?$/i,
  /indoor.*temp|room.*temp|temp.*(indoor|room|in)\b/i,
  /temp/i,
  /^t(\d{1,2}|_in|_room)?$/i,
  /value|reading|measure/i,
];
const indexNames = /^(id|index|no|nr|row|#|unnamed: 0)$/i;

/** The split of the sample by one delimiter, and what its columns hold. */
interface Trial {
  readonly delimiter: string;
  readonly rows: readonly { readonly record: TextRecord; readonly fields: readonly string[] }[];
  readonly fields: number;
  /** Share of lines with that many fields. */
  readonly regularity: number;
  readonly decimalComma: boolean;
  readonly times: readonly TimeColumn[];
  readonly numeric: readonly number[];
}

interface TimeColumn {
  readonly column: number;
  readonly clock: number | undefined;
  readonly format: TimeFormat;
}

/**
 * Finds the layout from the file's first records.
 * @throws TOO_LITTLE_DATA, INVALID_DATA or INVALID_ARGUMENT with `file:line` and `details.problem`; see `TableProblem`.
 */
export function detectLayout(records: readonly TextRecord[], name: string, hints: LayoutHints): TableLayout {
  const lines = records.filter(({ text }) => text.trim() !== '');
  if (lines.length === 0)
    throw tableError('empty', name, { message: `${name} is empty`, fix: 'give a file with readings' });
  const trial = bestTrial(lines, name, hints);
  const data = trial.rows.find((row) => isDataRow(row.fields, trial));
  if (data === undefined) {
    const message = `${name} has one line`;
    if (lines.length === 1)
      throw tableError('one-line', name, { message, line: 1, fix: 'give at least a few readings' });
    throw noTimeColumn(trial, name);
  }
  const header = headerBefore(trial, data.record);
  const names = alignHeader(header?.fields ?? [], trial);
  const nameOf = (column: number): string => names[column] ?? `${column + 1}`;
  const time = pickTime(trial, names, { name, hint: hints.timeColumn });
  const valueColumn = pickValue(trial, names, { name, hint: hints.valueColumn, time });
  return Object.freeze({
    delimiter: trial.delimiter,
    fields: trial.fields,
    header: (header?.fields ?? []).map((field) => field.trim()),
    headerText: header?.record.text ?? '',
    firstLine: data.record.line,
    timeColumn: time.column,
    clockColumn: time.clock,
    timeFormat: time.format,
    valueColumn,
    decimalComma: trial.decimalComma,
    nameOf,
  });
}

function bestTrial(lines: readonly TextRecord[], name: string, hints: LayoutHints): Trial {
  const trials = (hints.delimiter === undefined ? delimiters : [hints.delimiter]).map((d) => tryDelimiter(lines, d));
  const rate = (trial: Trial): number =>
    (trial.fields > 1 ? trial.regularity : 0) + (trial.times.length > 0 ? 4 : 0) + (trial.numeric.length > 0 ? 2 : 0);
  const best = trials.reduce((a, b) => (rate(b) > rate(a) ? b : a));
  if (best.fields > 1) return best;
  if (lines.length === 1) throw tableError('one-line', name, { message: `${name} has one line`, line: 1 });
  const other = hints.delimiter === undefined ? undefined : bestTrial(lines, name, {});
  throw tableError('one-column', name, {
    message: `${name} has one column${hints.delimiter === undefined ? '' : ` when split by ${JSON.stringify(hints.delimiter)}`}`,
    line: lines[0]!.line,
    fix:
      other === undefined
        ? 'separate time and value by a comma'
        : `use ${JSON.stringify(other.delimiter)} as delimiter`,
  });
}

function tryDelimiter(lines: readonly TextRecord[], delimiter: string): Trial {
  const rows = lines.map((record) => ({ record, fields: splitFields(record.text, delimiter) }));
  const fields = mostCommon(rows.slice(rows.length > 1 ? 1 : 0).map((row) => row.fields.length));
  const regular = rows.filter((row) => row.fields.length === fields).map((row) => row.fields);
  const body = withoutHeader(regular);
  const decimalComma = delimiter !== ',' && body.some((row) => row.some((field) => /^\s*[+-]?\d+,\d+\s*$/.test(field)));
  const columns = Array.from({ length: fields }, (_, c) => body.map((row) => row[c]!));
  const times = fields < 2 ? [] : timeColumns(columns);
  const numeric = columns.flatMap((column, c) => (isNumeric(column, decimalComma) ? [c] : []));
  return {
    delimiter,
    rows,
    fields,
    regularity: regular.length / rows.length,
    decimalComma,
    times,
    numeric: numeric.filter((c) => !times.some((time) => time.column === c)),
  };
}

/** The rows from the first that holds a time; without one, all but the first. */
function withoutHeader(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const first = rows.findIndex((row) => row.some((field) => detectTimeFormat([field]) !== undefined));
  return rows.length > 1 ? rows.slice(Math.max(first, first < 0 ? 1 : 0)) : rows;
}

function timeColumns(columns: readonly (readonly string[])[]): TimeColumn[] {
  return columns.flatMap((column, c) => {
    const format = detectTimeFormat(column);
    if (format === undefined) return [];
    const next = columns[c + 1];
    const apart = next !== undefined && mostly(column, isDateOnly) && mostly(next, isTimeOfDay);
    return [{ column: c, clock: apart ? c + 1 : undefined, format }];
  });
}

function isNumeric(column: readonly string[], decimalComma: boolean): boolean {
  const fields = column.map((field) => parseNumberField(field, decimalComma));
  return fields.some((field) => typeof field === 'number') && mostly(fields, (field) => field !== 'bad');
}

function mostly<T>(items: readonly T[], test: (item: T) => boolean): boolean {
  return items.length > 0 && items.filter(test).length >= 0.8 * items.length;
}

function mostCommon(counts: readonly number[]): number {
  const votes = new Map<number, number>();
  for (const count of counts) votes.set(count, (votes.get(count) ?? 0) + 1);
  return [...votes].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0]?.[0] ?? 0;
}

function isDataRow(fields: readonly string[], trial: Trial): boolean {
  if (fields.length !== trial.fields) return false;
  return trial.times.some(({ column, format }) => !Number.isNaN(parseTime(fields[column]!, format)));
}

/** The line before the first data, unless a comment that looks nothing like a header. */
function headerBefore(trial: Trial, data: TextRecord): Trial['rows'][number] | undefined {
  const before = trial.rows.filter(({ record }) => record.line < data.line);
  const last = before[before.length - 1];
  if (last === undefined || (last.fields.length < 2 && trial.fields > 1)) return undefined;
  const text = last.record.text.replace(/^#\s*/, '');
  return { record: last.record, fields: splitFields(text, trial.delimiter) };
}

/**
 * Names by column when the header has fewer or more names than there are fields: R leaves the first column (the row's name) without one,
 * others forget the last. The alignment under which a column called like a time holds times wins.
 */
function alignHeader(header: readonly string[], trial: Trial): readonly (string | undefined)[] {
  const names = header.map((field) => field.trim().replace(/^\d+:/, ''));
  const shifts = [...new Set([trial.fields - names.length, 0])].filter(
    (shift) => shift === 0 || names.length < trial.fields,
  );
  const named = shifts.find((shift) =>
    trial.times.some(({ column }) => timeNames.some((pattern) => pattern.test(names[column - shift] ?? ''))),
  );
  const shift = named ?? shifts[0] ?? 0;
  return Array.from({ length: trial.fields }, (_, column) => names[column - shift]);
}

interface Choice {
  readonly name: string;
  readonly hint: string | number | undefined;
}

function pickTime(trial: Trial, names: readonly (string | undefined)[], { name, hint }: Choice): TimeColumn {
  if (hint !== undefined) {
    const column = columnOf(hint, names, name);
    const found = trial.times.find((time) => time.column === column);
    if (found !== undefined) return found;
    const line = trial.rows[1]?.record.line ?? 1;
    throw tableError('no-time-column', name, {
      message: `column '${names[column] ?? column + 1}' does not hold times: ${JSON.stringify(trial.rows[1]?.fields[column] ?? '')}`,
      line,
      fix: timeFix,
    });
  }
  if (trial.times.length === 0) throw noTimeColumn(trial, name);
  const column = byName(
    trial.times.map((time) => time.column),
    names,
    timeNames,
  );
  const time = trial.times.find((candidate) => candidate.column === column) ?? trial.times[0]!;
  refuseTwins(names, time.column, name);
  return time;
}

function pickValue(
  trial: Trial,
  names: readonly (string | undefined)[],
  choice: Choice & { readonly time: TimeColumn },
): number {
  const { name, hint, time } = choice;
  const candidates = trial.numeric.filter((c) => c !== time.column && c !== time.clock);
  if (hint !== undefined) {
    const column = columnOf(hint, names, name);
    if (candidates.includes(column)) return column;
    throw nonNumeric(trial, column, { name, called: names[column] ?? `${column + 1}` });
  }
  const column =
    byName(candidates, names, valueNames) ??
    candidates.find((c) => !indexNames.test(names[c] ?? '') && !isCounter(trial, c)) ??
    candidates[0];
  if (column === undefined) throw nonNumeric(trial, undefined, { name, called: 'any' });
  refuseTwins(names, column, name);
  return column;
}

function byName(
  columns: readonly number[],
  names: readonly (string | undefined)[],
  patterns: readonly RegExp[],
): number | undefined {
  for (const pattern of patterns) {
    const found = columns.find((column) => pattern.test(names[column] ?? ''));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a column counts lines. */
function isCounter(trial: Trial, column: number): boolean {
  const numbers = trial.rows.slice(1, 50).map((row) => Number(row.fields[column]));
  return numbers.length > 2 && numbers.every((n, i) => i === 0 || n === numbers[i - 1]! + 1);
}

function columnOf(hint: string | number, names: readonly (string | undefined)[], name: string): number {
  if (typeof hint === 'number') {
    if (Number.isInteger(hint) && hint >= 0 && hint < names.length) return hint;
    throw noSuchColumn(`${hint}`, names, name);
  }
  const wanted = hint.trim().toLowerCase();
  const exact = names.findIndex((candidate) => candidate === hint);
  const column = exact >= 0 ? exact : names.findIndex((candidate) => candidate?.toLowerCase() === wanted);
  if (column >= 0) {
    refuseTwins(names, column, name);
    return column;
  }
  const position = Number(wanted);
  if (/^\d+$/.test(wanted) && position >= 1 && position <= names.length) return position - 1;
  throw noSuchColumn(hint, names, name);
}

function refuseTwins(names: readonly (string | undefined)[], column: number, name: string): void {
  const called = names[column];
  const twins = names.flatMap((candidate, c) => (called !== undefined && candidate === called ? [c + 1] : []));
  if (twins.length < 2) return;
  throw tableError('duplicate-header', name, {
    message: `${twins.length} columns are called '${called}': ${twins.join(' and ')}`,
    line: 1,
    fix: 'give each column its own name, or choose one by its position',
    details: { columns: twins },
  });
}

const timeFix = 'times may be ISO 8601, 31.12.2025 23:59, 12/31/2025 11:59 PM, or seconds or milliseconds since 1970';

function describe(trial: Trial): string {
  return (trial.rows[0]?.fields ?? [])
    .slice(0, 12)
    .map((field) => `'${field.trim().slice(0, 40)}'`)
    .join(', ');
}

function noTimeColumn(trial: Trial, name: string): Error {
  const line = trial.rows[0]?.record.line ?? 1;
  return tableError('no-time-column', name, {
    message: `no column of ${name} holds times; the first line is ${describe(trial)}`,
    line,
    fix: timeFix,
  });
}

function noSuchColumn(hint: string, names: readonly (string | undefined)[], name: string): Error {
  const list = names
    .map((candidate, c) => `'${candidate ?? c + 1}'`)
    .slice(0, 20)
    .join(', ');
  return tableError('no-such-column', name, {
    message: `${name} has no column '${hint}'`,
    line: 1,
    fix: `choose among ${list}`,
  });
}

function nonNumeric(
  trial: Trial,
  column: number | undefined,
  { name, called }: { name: string; called: string },
): Error {
  const wrong = (fields: readonly string[]): boolean =>
    column !== undefined && parseNumberField(fields[column] ?? '', trial.decimalComma) === 'bad';
  const data = trial.rows.filter(({ fields }) => isDataRow(fields, trial));
  const row = data.find(({ fields }) => wrong(fields)) ?? data[0] ?? trial.rows[0]!;
  const shown = column === undefined ? '' : `: ${JSON.stringify((row.fields[column] ?? '').slice(0, 40))}`;
  const message =
    column === undefined ? `no column of ${name} holds numbers` : `column '${called}' does not hold numbers${shown}`;
  return tableError('non-numeric', name, { message, line: row.record.line, fix: 'choose a column with numbers' });
}
