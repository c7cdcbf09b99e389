// Text to records (RFC 4180 with the liberties that real files take): lines, quotes that span lines, fields.
import { tableError } from './table-report.ts';

/** One line, or several that an open quote holds together. */
export interface TextRecord {
  /** Line number of its first line, from 1. */
  readonly line: number;
  readonly text: string;
  /** Whether it opens a quote that nothing closes. */
  readonly unterminated: boolean;
}

const maxLineChars = 1 << 20;
const maxQuotedLines = 100;

/** Cuts streamed text into records; understands LF, CRLF and lone CR. Holds one record at most. */
export class RecordSplitter {
  readonly #name: string;
  #rest = '';
  #open: string[] = [];
  #line = 0;
  #lineEnd = '\n';
  #started = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** Lines seen so far. */
  get lines(): number {
    return this.#line;
  }

  /** Takes text and calls back for each record that it completes. @throws INVALID_DATA (`line-too-long`) beyond 1 MiB without a line's end. */
  push(text: string, take: (record: TextRecord) => void): void {
    if (!this.#started && text.length > 0) {
      this.#started = true;
      if (!text.includes('\n') && text.includes('\r')) this.#lineEnd = '\r';
    }
    const joined = this.#rest + text;
    let from = 0;
    for (;;) {
      const end = joined.indexOf(this.#lineEnd, from);
      if (end < 0) break;
      this.#takeLine(joined.slice(from, joined[end - 1] === '\r' && end > from ? end - 1 : end), take);
      from = end + 1;
    }
    this.#rest = joined.slice(from);
    if (this.#rest.length > maxLineChars) {
      const line = this.#line + 1;
      throw tableError('line-too-long', this.#name, {
        message: `line ${line} is longer than ${maxLineChars} characters`,
        line,
      });
    }
  }

  /** Calls back for what is left when the text has ended. */
  end(take: (record: TextRecord) => void): void {
    if (this.#rest.length > 0) this.#takeLine(this.#rest.replace(/\r$/, ''), take);
    this.#rest = '';
    this.#giveUpQuote(take);
  }

  #takeLine(text: string, take: (record: TextRecord) => void): void {
    this.#line++;
    const toggles = text.includes('"') && hasOddQuotes(text);
    if (this.#open.length === 0 && !toggles) return take({ line: this.#line, text, unterminated: false });
    this.#open.push(text);
    if (this.#open.length > 1 && toggles) {
      const record = { line: this.#line - this.#open.length + 1, text: this.#open.join('\n'), unterminated: false };
      this.#open = [];
      return take(record);
    }
    if (this.#open.length > maxQuotedLines) this.#giveUpQuote(take);
  }

  /** A quote that never closes spoils its own line only: the lines after it are taken for themselves. */
  #giveUpQuote(take: (record: TextRecord) => void): void {
    const open = this.#open;
    this.#open = [];
    const first = this.#line - open.length + 1;
    for (const [i, text] of open.entries())
      take({ line: first + i, text, unterminated: i === 0 || hasOddQuotes(text) });
  }
}

/** A record's fields, quotes taken off. A space as delimiter stands for any run of blanks. */
export function splitFields(text: string, delimiter: string): string[] {
  if (delimiter === ' ') return splitFields(text.trim().replaceAll(/[ \t]+/g, '\t'), '\t');
  if (!text.includes('"')) return text.split(delimiter);
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const [field, next] = text[at] === '"' ? quoted(text, at, delimiter) : plain(text, at, delimiter);
    fields.push(field);
    if (next > text.length) return fields;
    at = next;
  }
}

function plain(text: string, from: number, delimiter: string): [field: string, next: number] {
  const end = text.indexOf(delimiter, from);
  const stop = end < 0 ? text.length : end;
  return [text.slice(from, stop), stop + 1];
}

function quoted(text: string, from: number, delimiter: string): [field: string, next: number] {
  let field = '';
  let at = from + 1;
  for (;;) {
    const end = text.indexOf('"', at);
    if (end < 0) return [field + text.slice(at), text.length + 1];
    field += text.slice(at, end);
    if (text[end + 1] !== '"') {
      const [tail, next] = plain(text, end + 1, delimiter);
      return [field + tail, next];
    }
    field += '"';
    at = end + 2;
  }
}

function hasOddQuotes(text: string): boolean {
  let odd = false;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) odd = !odd;
  return odd;
}
