// Lines to records (RFC 4180 with the liberties that real files take): quotes that span lines, fields.

/** One line, or several that an open quote holds together. */
export interface TextRecord {
  /** Line number of its first line, from 1. */
  readonly line: number;
  readonly text: string;
  /** Whether it opens a quote that nothing closes. */
  readonly unterminated: boolean;
}

const maxQuotedLines = 100;

/** Joins lines that a quote holds together. Keeps one record at most. */
export class RecordJoiner {
  #open: string[] = [];
  #line = 0;

  /** Whether the next line belongs to a record that has begun. */
  get open(): boolean {
    return this.#open.length > 0;
  }

  /** Takes line number `line`; calls back when a record is complete. */
  push(text: string, line: number, take: (record: TextRecord) => void): void {
    this.#line = line;
    const toggles = text.includes('"') && hasOddQuotes(text);
    if (this.#open.length === 0 && !toggles) return take({ line, text, unterminated: false });
    this.#open.push(text);
    if (this.#open.length > 1 && toggles) {
      const record = { line: line - this.#open.length + 1, text: this.#open.join('\n'), unterminated: false };
      this.#open = [];
      return take(record);
    }
    if (this.#open.length > maxQuotedLines) this.#giveUpQuote(take);
  }

  /** Calls back for what is left when the lines have ended. */
  end(take: (record: TextRecord) => void): void {
    this.#giveUpQuote(take);
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
