import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.suite.ts';
import { emptyPointer, PointerFile } from './pointer.ts';

async function paths(): Promise<readonly [string, string]> {
  const folder = await temporaryFolder();
  return [join(folder, 'a.json'), join(folder, 'b.json')];
}

test('a device without a record starts empty, and that is no loss', async () => {
  const { file, lost } = await PointerFile.open(await paths());
  expect(file.value).toEqual(emptyPointer);
  expect(lost).toBe(false);
});

test('the newest copy counts; with it damaged the one before does; with both damaged the loss is told', async () => {
  const both = await paths();
  const { file } = await PointerFile.open(both);
  await file.write({ counter: 1 });
  await file.write({ counter: 2 });
  await file.write({ counter: 3 });
  expect((await PointerFile.open(both)).file.value.counter).toBe(3);
  const texts = await Promise.all(both.map((path) => readFile(path, 'utf8')));
  const newest = both[texts.findIndex((text) => text.includes('"counter":3'))]!;
  await truncate(newest, 40);
  expect((await PointerFile.open(both)).file.value.counter).toBe(2);
  for (const path of both) await writeFile(path, (await readFile(path, 'utf8')).replace('"counter":2', '"counter":9'));
  const { lost } = await PointerFile.open(both);
  expect(lost).toBe(true);
});

test('failed releases are remembered within a bound', async () => {
  const both = await paths();
  const { file } = await PointerFile.open(both);
  for (let counter = 1; counter <= 40; counter++) {
    const entry = { release: String(counter), counter, stage: 'refused', code: 'CORRUPT', reason: 'x' } as const;
    await file.write({ failed: [...file.value.failed, entry] });
  }
  expect(file.value.failed).toHaveLength(16);
  expect(file.value.failed.at(-1)?.counter).toBe(40);
});
