import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonLines, parseReadingLine } from './json-lines.ts';
import type { SourceItem } from './source.ts';

async function read(chunks: readonly (string | Buffer)[]): Promise<SourceItem[]> {
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk as string)));
  const items: SourceItem[] = [];
  for await (const item of jsonLines(stream).open(new AbortController().signal, undefined)) items.push(item);
  return items;
}

describe('a line', () => {
  test.each([
    ['{"time": 1770000000000, "value": 21.5}', { time: 1770000000000, value: 21.5 }],
    ['{"time": 1770000000000.6, "value": -4, "unit": "°C"}', { time: 1770000000001, value: -4 }],
    ['{"time": "2026-02-02T02:40:00Z", "value": 1}', { time: 1770000000000, value: 1 }],
    ['{"time": "2026-02-02T03:40:00+01:00", "value": 1}', { time: 1770000000000, value: 1 }],
    ['{"time": "2026-02-02 02:40", "value": 1}', { time: 1770000000000, value: 1 }],
  ])('%s is a reading', (line, reading) => {
    expect(parseReadingLine(line)).toEqual(reading);
  });

  test.each([
    ['{"time": 1770000000, "value": 1}', 'seconds'],
    ['{"time": 1770000000000, "value": "21"}', 'value is not a number'],
    ['{"time": 1770000000000, "value": 1e999}', 'not a finite number'],
    ['{"time": 1e300, "value": 1}', 'not a time'],
    ['{"time": "yesterday", "value": 1}', 'not a time'],
    ['{"value": 1}', 'time is missing'],
    ['null', 'value is not a number'],
    ['[1,2]', 'value is not a number'],
    ['{"time": 17700', 'not JSON'],
    ['\u0000\u0001', 'not JSON'],
  ])('%s is none', (line, why) => {
    expect(parseReadingLine(line)).toContain(why);
  });
});

test('lines may be cut anywhere, end without a newline, be empty or end in CR LF', async () => {
  const text =
    '{"time":1770000000000,"value":1}\r\n\n{"time":1770000001000,"value":2}\n{"time":1770000002000,"value":3}';
  for (const size of [1, 2, 3, 7, 50, 1000]) {
    const chunks = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g'))!;
    const items = await read(chunks);
    expect(items.map((item) => 'reading' in item && item.reading.value)).toEqual([1, 2, 3]);
  }
});

test('an endless line costs one rejection and no memory', async () => {
  const flood = Array.from({ length: 200 }, () => 'x'.repeat(10_000));
  const items = await read([...flood, '\n{"time":1770000000000,"value":1}\n']);
  expect(items).toHaveLength(2);
  expect(items[1]).toEqual({ reading: { time: 1770000000000, value: 1 } });
});

test('no bytes are fatal, and readings among them are found', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), async (noise) => {
      const good = Buffer.from('\n{"time":1770000000000,"value":7}\n');
      const items = await read([...noise.map((bytes) => Buffer.from(bytes)), good]);
      expect(items.at(-1)).toEqual({ reading: { time: 1770000000000, value: 7 } });
    }),
    { numRuns: 50 },
  );
});
