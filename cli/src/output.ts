// What commands print: tables for people, JSON for programs, errors with what to do.
import { styleText } from 'node:util';
import { toSanderlingError } from '@sanderling/kit';

/** A column: its heading and how it reads a row. */
export interface Column<T> {
  readonly title: string;
  readonly of: (row: T) => string | number | null | undefined;
}

/** A table with aligned columns; numbers to the right. Empty lists say so. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], empty: string): string {
  if (rows.length === 0) return empty;
  const cells = rows.map((row) => columns.map((column) => cellText(column.of(row))));
  const isNumber = columns.map((column) => rows.every((row) => typeof column.of(row) === 'number'));
  const widths = columns.map((column, i) => Math.max(column.title.length, ...cells.map((line) => line[i]!.length)));
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => (isNumber[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [styleText('dim', line(columns.map((column) => column.title))), ...cells.map(line)].join('\n');
}

/** A moment as people read it, UTC to the second. */
export function moment(time: number | null | undefined): string {
  return time === null || time === undefined ? '–' : `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

/** Names and values below each other. */
export function facts(pairs: readonly (readonly [string, string | number | null | undefined])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${styleText('dim', name.padEnd(width))}  ${cellText(value)}`).join('\n');
}

/** Prints what went wrong, where, and what to do; returns the exit status. */
export function reportError(thrown: unknown, json: boolean): number {
  const error = toSanderlingError(thrown);
  if (json) console.error(JSON.stringify({ error: error.toBody() }));
  else {
    console.error(`${styleText('red', error.code)} ${printable(error.message)}`);
    if (error.where !== undefined && !error.message.includes(error.where))
      console.error(`  where: ${printable(error.where)}`);
    if (error.fix !== undefined) console.error(`  try:   ${printable(error.fix)}`);
    if (error.code === 'INTERNAL' && process.env['SANDERLING_DEBUG'] !== undefined) console.error(error.cause);
  }
  return error.row.exit;
}

function cellText(value: string | number | null | undefined): string {
  if (value === null || value === undefined || value === '') return '–';
  return typeof value === 'number' && !Number.isInteger(value) ? value.toPrecision(4) : printable(String(value));
}

/** Names come from files and devices: control characters, which a terminal would obey, are shown instead. Line breaks stay. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
