import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { jsonPrinter } from './printer.ts';

/** A stream whose reader never reads. */
function stuck(): Writable & { readonly text: () => string } {
  const stream = new Writable({ write: () => undefined, highWaterMark: 1 });
  const chunks: string[] = [];
  const write = stream.write.bind(stream);
  stream.write = ((chunk: string) => {
    chunks.push(chunk);
    return write(chunk);
  }) as typeof stream.write;
  return Object.assign(stream, { text: () => chunks.join('') });
}

test('a reader who falls behind loses the frequent lines and keeps the rare ones, in bounded memory', () => {
  const stream = stuck();
  const print = jsonPrinter(stream);
  for (let time = 0; time < 100_000; time++) print({ type: 'reading', time, value: 20, window: 'no-model' });
  print({ type: 'stopped', waiting: 3 });
  expect(stream.writableLength).toBeLessThan(1.1 * 2 ** 20);
  expect(stream.text().trimEnd().split('\n').at(-1)).toBe('{"type":"stopped","waiting":3}');
  for (let i = 0; i < 100_000; i++) print({ type: 'error', about: 'x'.repeat(100), code: 'INTERNAL', message: '' });
  expect(stream.writableLength).toBeLessThan(8.1 * 2 ** 20);
});

test('a reader who goes away ends the printing, not the agent', () => {
  const stream = stuck();
  const print = jsonPrinter(stream);
  stream.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  print({ type: 'stopped', waiting: 0 });
  expect(stream.text()).toBe('');
});
