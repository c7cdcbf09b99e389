// API keys and failed attempts: what is kept, who gets in, and how a hub that was killed at its first start lets its owner in.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@sanderling/kit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EventLog, eventMigrations } from '../events/index.ts';
import { openDatabase, sqliteDialect, tables } from '../store/index.ts';
import { accessMigrations, ApiKeys, FailedAttempts, loadHubKeys } from './index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sanderling-access-'));
});
afterAll(async () => rm(folder, { recursive: true }));

async function openKeys(clock = new ManualClock(1e12)) {
  const database = await openDatabase(sqliteDialect(':memory:'), [eventMigrations, accessMigrations]);
  return { database, clock, keys: new ApiKeys(database, new EventLog(database, clock), clock) };
}

test('a hub that was killed between writing the first key and storing it takes it over', async () => {
  const path = join(folder, 'a', 'admin.key');
  await (await openKeys()).keys.ensureAdmin(path);
  const text = (await readFile(path, 'utf8')).trim();
  const { keys } = await openKeys();
  await expect(keys.authenticate(`Bearer ${text}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await keys.ensureAdmin(path);
  expect((await readFile(path, 'utf8')).trim()).toBe(text);
  expect(await keys.authenticate(`Bearer ${text}`)).toMatchObject({ scope: 'admin' });
  await keys.ensureAdmin(path);
  expect(await keys.list()).toHaveLength(1);
});

test('a damaged key file is replaced, and a deleted one does not come back while an admin key works', async () => {
  const path = join(folder, 'b', 'admin.key');
  const { keys } = await openKeys();
  await keys.ensureAdmin(path);
  await rm(path);
  await keys.ensureAdmin(path);
  await expect(readFile(path)).rejects.toThrow('ENOENT');
  const fresh = await openKeys();
  await writeFile(path, 'nonsense');
  await fresh.keys.ensureAdmin(path);
  expect(await fresh.keys.authenticate(`bearer ${(await readFile(path, 'utf8')).trim()}`)).toMatchObject({
    scope: 'admin',
  });
});

test('the database holds no secret', async () => {
  const { database, keys } = await openKeys();
  const { key } = await keys.create({ name: 'ci', scope: 'write' });
  const rows = await tables<{ api_key: Record<string, unknown>; event: Record<string, unknown> }>(database)
    .selectFrom('api_key')
    .selectAll()
    .execute();
  expect(JSON.stringify(rows)).not.toContain(key.split('_')[2]);
});

test('a key revoked by another process dies within seconds', async () => {
  const { database, clock, keys } = await openKeys();
  const { key, id } = await keys.create({ name: 'ci', scope: 'write' });
  await keys.authenticate(`Bearer ${key}`);
  await new ApiKeys(database, new EventLog(database, clock), clock).revoke(id);
  clock.advance(6000);
  await expect(keys.authenticate(`Bearer ${key}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('failures are forgiven with time, whatever the clock does, and addresses are forgotten in order', () => {
  const clock = new ManualClock(1e12);
  const attempts = new FailedAttempts(clock, { burst: 3, forgiveMs: 1000, addresses: 2 });
  const fail = (address: string): string => {
    try {
      attempts.note(address);
      return 'noted';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  expect(['a', 'a', 'a', 'a', 'b'].map(fail)).toEqual(['noted', 'noted', 'noted', 'LIMIT_REACHED', 'noted']);
  clock.advance(2000);
  expect(['a', 'a'].map(fail)).toEqual(['noted', 'LIMIT_REACHED']);
  clock.advance(-60_000);
  expect(fail('a')).toBe('LIMIT_REACHED');
  clock.advance(120_000);
  expect(fail('a')).toBe('noted');
  for (const address of ['c', 'd']) fail(address);
  expect(['a', 'a', 'a'].map(fail)).toEqual(['noted', 'noted', 'noted']);
});

test('the hub’s key is made once, and a damaged one is not replaced in silence', async () => {
  const keysFolder = join(folder, 'hub-keys');
  const first = await loadHubKeys(keysFolder);
  expect(await loadHubKeys(keysFolder)).toEqual(first);
  const other = await loadHubKeys(join(folder, 'other-keys'));
  for (const text of ['', '{}', JSON.stringify({ ...first.release, publicKey: other.release.publicKey })]) {
    await writeFile(join(keysFolder, 'release.json'), text);
    await expect(loadHubKeys(keysFolder)).rejects.toMatchObject({ code: 'CORRUPT' });
  }
});
