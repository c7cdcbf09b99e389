// Readings from a CSV file, played as fast as they are taken or at a rate; a restart goes on where the last durable reading was.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { systemClock, type Clock } from '@sanderling/kit';
import { readTable } from '@sanderling/series';
import { checkReading, type Source, type SourceItem } from './source.ts';

/** Which file and columns. */
export interface TableFileOptions {
  readonly path: string;
  /** Column of the times. @default found by itself */
  readonly time?: string;
  /** Column of the values. @default found by itself */
  readonly value?: string;
  /** Readings a second. @default as fast as they are taken */
  readonly rate?: number;
  /** @default 'stay' */
  readonly atEnd?: Source['atEnd'];
  readonly clock?: Clock;
}

/** A file of readings. Iterating throws what `readTable` throws: NOT_FOUND, INVALID_DATA … */
export function tableFile(options: TableFileOptions): Source {
  return {
    name: options.path,
    atEnd: options.atEnd ?? 'stay',
    open: (signal, position) => readFileFrom(options, signal, position),
  };
}

async function* readFileFrom(
  options: TableFileOptions,
  signal: AbortSignal,
  position: string | undefined,
): AsyncGenerator<SourceItem> {
  const { path, time, value, rate, clock = systemClock } = options;
  const table = readTable(path, {
    signal,
    batchSize: 256,
    ...(time === undefined ? {} : { timeColumn: time }),
    ...(value === undefined ? {} : { valueColumn: value }),
  });
  let key: string | undefined;
  let done = 0;
  let count = 0;
  for await (const batch of table) {
    key ??= await keyOf(options);
    done ||= donePart(position, key);
    for (const { time, value } of batch) {
      if (++count <= done) continue;
      if (rate !== undefined) await clock.sleep(1000 / rate, signal);
      const reading = checkReading(time, value);
      if (typeof reading === 'string') yield { rejected: reading, example: `${time},${value}` };
      else yield { reading, position: `${key}:${count}` };
    }
  }
}

/** Readings of this very file that an earlier run made durable. */
function donePart(position: string | undefined, key: string): number {
  const [known, count] = position?.split(':') ?? [];
  return known === key ? Number(count) : 0;
}

/** What makes a file the same file: its path, its columns and how it begins. It may have grown. */
async function keyOf({ path, time, value }: TableFileOptions): Promise<string> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
  const head = buffer.subarray(0, bytesRead);
  const line = head.subarray(0, head.lastIndexOf(0x0a) + 1);
  return createHash('sha256')
    .update(JSON.stringify([path, time, value]))
    .update(line)
    .digest('hex')
    .slice(0, 16);
}
