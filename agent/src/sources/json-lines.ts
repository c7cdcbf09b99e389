// Readings as lines of JSON, such as a sensor program pipes into the agent: {"time": 1770000000000, "value": 21.4}
import type { Readable } from 'node:stream';
import type { Reading } from '@sanderling/series';
import { checkReading, type Source, type SourceItem } from './source.ts';

/** Longest line, bytes. What is longer is skipped up to its end. */
const maxLineBytes = 4096;
const exampleLength = 80;

/** Lines on a stream. The stream is read no faster than the readings are taken. */
export function jsonLines(stream: Readable, atEnd: Source['atEnd'] = 'stop'): Source {
  return { name: 'stdin', atEnd, open: (signal) => readLines(stream, signal) };
}

async function* readLines(stream: Readable, signal: AbortSignal): AsyncGenerator<SourceItem> {
  const stop = (): void => void stream.destroy();
  signal.addEventListener('abort', stop, { once: true });
  const splitter = new LineSplitter();
  try {
    for await (const chunk of stream) {
      for (const line of splitter.push(chunk as Buffer)) yield itemOf(line);
      if (signal.aborted) return;
    }
    for (const line of splitter.end()) yield itemOf(line);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Cuts bytes into lines and never holds more than one line's worth. */
class LineSplitter {
  #rest = '';
  #skipping = false;

  *push(chunk: Buffer): Generator<string> {
    // Latin-1 keeps every byte of a line that is not UTF-8; digits and quotes are the same in both.
    const parts = chunk.toString('latin1').split('\n');
    for (const [i, part] of parts.entries()) {
      const whole = i < parts.length - 1;
      if (!this.#skipping) this.#rest += part;
      if (this.#rest.length > maxLineBytes) {
        yield this.#rest.slice(0, maxLineBytes);
        this.#rest = '';
        this.#skipping = true;
      }
      if (!whole) continue;
      if (!this.#skipping && this.#rest.trim() !== '') yield this.#rest;
      this.#rest = '';
      this.#skipping = false;
    }
  }

  *end(): Generator<string> {
    if (!this.#skipping && this.#rest.trim() !== '') yield this.#rest;
  }
}

function itemOf(line: string): SourceItem {
  const reading = parseReadingLine(line);
  return typeof reading === 'string' ? { rejected: reading, example: line.slice(0, exampleLength) } : { reading };
}

/** The reading in a line, or why there is none. Other fields are ignored. */
export function parseReadingLine(line: string): Reading | string {
  let fields: { readonly time?: unknown; readonly value?: unknown } | null;
  try {
    fields = JSON.parse(line) as typeof fields;
  } catch {
    return 'the line is not JSON';
  }
  const { time, value } = fields ?? {};
  if (typeof value !== 'number') return 'the value is not a number';
  if (typeof time === 'number') return checkReading(time, value);
  return typeof time === 'string' ? checkReading(isoTime(time), value) : 'the time is missing';
}

const iso = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/;

/** Milliseconds of an ISO 8601 time; without a zone it is UTC. NaN when it is none. */
function isoTime(text: string): number {
  const match = iso.exec(text);
  if (match === null) return Number.NaN;
  return Date.parse(`${text.replace(' ', 'T')}${match[3] === undefined ? 'Z' : ''}`);
}
