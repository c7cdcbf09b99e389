import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.suite.ts';
import type { SourceItem } from './source.ts';
import { tableFile } from './table-file.ts';

async function read(path: string, position?: string): Promise<Extract<SourceItem, { reading: unknown }>[]> {
  const items: SourceItem[] = [];
  for await (const item of tableFile({ path }).open(new AbortController().signal, position)) items.push(item);
  return items.filter((item) => 'reading' in item);
}

const row = (i: number): string => `2026-01-01T00:${String(i).padStart(2, '0')}:00Z,${i}\n`;
const rows = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => row(from + i)).join('');

test('a file is read whole, and after a restart from where the last durable reading was', async () => {
  const path = join(await temporaryFolder(), 'room.csv');
  await writeFile(path, `time,value\n${rows(0, 20)}`);
  const all = await read(path);
  expect(all.map(({ reading }) => reading.value)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  const rest = await read(path, all[11]!.position);
  expect(rest.map(({ reading }) => reading.value)).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
  await appendFile(path, rows(20, 23));
  expect((await read(path, all[19]!.position)).length).toBeLessThanOrEqual(23);
});

test('another file at the same place is read from its start', async () => {
  const path = join(await temporaryFolder(), 'room.csv');
  await writeFile(path, `time,value\n${rows(0, 20)}`);
  const all = await read(path);
  await writeFile(path, `time,value\n${rows(5, 30)}`);
  expect((await read(path, all[19]!.position)).map(({ reading }) => reading.value)[0]).toBe(5);
});

test('what is no table fails with a coded error', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'empty.csv'), '');
  await expect(read(join(folder, 'empty.csv'))).rejects.toMatchObject({ code: 'TOO_LITTLE_DATA' });
  await expect(read(join(folder, 'none.csv'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
