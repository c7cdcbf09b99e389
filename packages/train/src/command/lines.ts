// A byte stream cut into lines, in bounded memory: of a line that does not end only the beginning is kept.
import type { Readable } from 'node:stream';

/** Calls back with each line, without its end, of at most `longest` characters; the rest of a longer one is dropped. */
export function onLines(stream: Readable, longest: number, each: (line: string) => void): void {
  let held = '';
  const text = new TextDecoder();
  const take = (chunk: string) => {
    const parts = chunk.split('\n');
    parts.forEach((part, i) => {
      if (held.length < longest) held += part.slice(0, longest - held.length);
      if (i === parts.length - 1) return;
      const line = held.endsWith('\r') ? held.slice(0, -1) : held;
      held = '';
      each(line);
    });
  };
  stream.on('data', (bytes: Uint8Array) => take(text.decode(bytes, { stream: true })));
  stream.once('end', () => {
    take(text.decode());
    if (held !== '') each(held);
  });
}
