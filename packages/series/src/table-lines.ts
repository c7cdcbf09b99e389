// Bytes to lines, in place: only the piece of a line that two chunks share is copied.
import { tableError } from './table-report.ts';

const maxLineBytes = 1 << 20;
const [lf, cr] = [10, 13];

/** Takes a line: `bytes[from … to)`, its end and a CR before it left out. */
export type LineTaker = (bytes: Uint8Array, from: number, to: number) => void;

/** Cuts streamed bytes of an ASCII-compatible encoding into lines; understands LF, CRLF and lone CR. */
export class LineCutter {
  readonly #name: string;
  #rest: Uint8Array = new Uint8Array(0);
  #end = lf;
  #started = false;
  /** Lines seen so far. */
  lines = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Calls back for each line that `chunk` completes. @throws INVALID_DATA (`line-too-long`) beyond 1 MiB without a line's end. */
  push(chunk: Uint8Array, take: LineTaker): void {
    if (!this.#started) {
      this.#started = true;
      if (!chunk.includes(lf) && chunk.includes(cr)) this.#end = cr;
    }
    let from = this.#rest.length === 0 ? 0 : this.#finishLine(chunk, take);
    for (let end = chunk.indexOf(this.#end, from); end >= 0; end = chunk.indexOf(this.#end, from)) {
      this.#takeLine(chunk, { from, end }, take);
      from = end + 1;
    }
    // A copy: the chunk's memory may be used again.
    if (from < chunk.length) this.#rest = Buffer.concat([this.#rest, chunk.subarray(from)]);
    if (this.#rest.length <= maxLineBytes) return;
    const line = this.lines + 1;
    throw tableError('line-too-long', this.#name, {
      message: `line ${line} is longer than ${maxLineBytes} bytes`,
      line,
    });
  }

  /** Ends the line that the last chunk left open; returns where the next one begins. */
  #finishLine(chunk: Uint8Array, take: LineTaker): number {
    const end = chunk.indexOf(this.#end);
    if (end < 0) return 0;
    const bytes = Buffer.concat([this.#rest, chunk.subarray(0, end + 1)]);
    this.#rest = new Uint8Array(0);
    this.#takeLine(bytes, { from: 0, end: bytes.length - 1 }, take);
    return end + 1;
  }

  #takeLine(bytes: Uint8Array, { from, end }: { from: number; end: number }, take: LineTaker): void {
    this.lines++;
    take(bytes, from, end > from && bytes[end - 1] === cr ? end - 1 : end);
  }

  /** Calls back for what is left when the bytes have ended. */
  end(take: LineTaker): void {
    const rest = this.#rest;
    this.#rest = new Uint8Array(0);
    if (rest.length === 0) return;
    this.lines++;
    take(rest, 0, rest[rest.length - 1] === cr ? rest.length - 1 : rest.length);
  }
}
