// Blobs that no row names go, and no others: not those of a whole training, not young ones, not those that somebody is about to name; and not on doubtful grounds.
import { mkdir, mkdtemp, open, readdir, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SanderlingError, sha256, type Digest } from '@sanderling/kit';
import { expect, test, vi } from 'vitest';
import { ended, feed, openHouse, roomReadings, smallProject, type House } from '../learning.suite.ts';
import { openTestHub, type TestHub } from '../running-hub.suite.ts';
import { DiskBlobs } from '../store/index.ts';
import { Retention, type Collection, type CollectionRequest } from './index.ts';

// Seconds of work on a quiet machine; a busy one may take a minute.
vi.setConfig({ testTimeout: 240_000 });

const hourMs = 3_600_000;

/** Makes every file below a folder some hours old. */
async function age(folder: string, hours: number): Promise<void> {
  const then = (Date.now() - hours * hourMs) / 1000;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), then, then);
}

/** Stores blobs as an earlier life of the hub did, without naming them. */
async function strew(hub: TestHub, texts: readonly string[], hours = 48): Promise<Digest[]> {
  const blobs = new DiskBlobs(join(hub.folder, 'blobs'));
  const digests = await Promise.all(texts.map((text) => blobs.put(Buffer.from(text))));
  const then = (Date.now() - hours * hourMs) / 1000;
  for (const digest of digests) await utimes(blobs.path(digest), then, then);
  return digests;
}

/** Artifacts, so that rows name more than half of the blobs. @returns the run */
async function nameBlobs(hub: TestHub, count = 5): Promise<string> {
  const { tracking } = hub.hub.capabilities;
  const { id } = await tracking.experiment('rooms', 'notes');
  const run = await tracking.startRun({ experiment: id, name: 'run' });
  for (let i = 0; i < count; i++) await tracking.putArtifact(run, `note-${i}.txt`, Buffer.from(`a named note ${i}`));
  return run;
}

async function finished(retention: Retention, request: CollectionRequest = {}): Promise<Collection> {
  retention.begin(request);
  await expect.poll(() => retention.newest.state, { timeout: 60_000 }).not.toBe('running');
  return retention.newest;
}

/** Retention over a house that has only just been opened: nothing was put in its life. */
function retentionOf({ folder, blobs, events, clock }: House): Retention {
  const durable = { sync: async () => undefined };
  return new Retention({ database: join(folder, 'hub.sqlite'), blobs: blobs as DiskBlobs, durable, events, clock });
}

test('a whole training leaves nothing that no row names, and all of it is there after a collection', async () => {
  const first = await openHouse(await mkdtemp(join(tmpdir(), 'house-')));
  await first.projects.put(smallProject);
  await feed(first, 'room', roomReadings(900));
  const { id } = await first.pipelines.begin('room');
  expect(await ended(first, id)).toMatchObject({ state: 'succeeded' });
  await first[Symbol.asyncDispose]();
  await age(join(first.folder, 'blobs'), 48);
  await using house = await openHouse(first.folder);
  const collection = await finished(retentionOf(house));
  expect(collection).toMatchObject({ state: 'done', unnamed: { count: 0 }, removed: { count: 0 }, partials: 0 });
  expect(collection.blobs.count).toBeGreaterThan(8);
  const [dataset] = await house.data.datasets('room');
  expect((await house.data.columns(dataset!.digest)).times.length).toBe(900);
  expect((await house.registry.modelInput(await house.registry.get('room', 1))).model.length).toBeGreaterThan(100);
  const [release] = (await house.releases.list('room')).items;
  expect((await house.releases.open(release!.digest)).files.get('model.onnx')!.length).toBeGreaterThan(100);
  for (const run of (await house.tracking.runs({ limit: 100 })).items)
    for (const { path, size } of await house.tracking.artifacts(run.id))
      expect((await house.tracking.artifact(run.id, path)).length).toBe(size);
});

test('unnamed blobs and unfinished files go when they are old; named, young and foreign ones stay', async () => {
  await using hub = await openTestHub();
  const run = await nameBlobs(hub);
  const replaced = sha256('a named note 0');
  await hub.hub.capabilities.tracking.putArtifact(run, 'note-0.txt', Buffer.from('another note'));
  const [old] = await strew(hub, ['old']);
  const [young] = await strew(hub, ['young'], 23);
  const folder = join(hub.folder, 'blobs', 'aa');
  await mkdir(folder, { recursive: true });
  const beside = ['.0123456789ab.partial', 'README', '.aaaaaaaaaaaa.partial'];
  for (const name of beside) await writeFile(join(folder, name), 'half');
  await age(hub.folder, 48);
  await strew(hub, ['young'], 23);
  await utimes(join(folder, beside[2]!), Date.now() / 1000, Date.now() / 1000);
  await hub.restart();
  const { retention, blobs, tracking, events } = hub.hub.capabilities;
  const dry = await finished(retention, { dryRun: true });
  expect(dry).toMatchObject({
    state: 'done',
    unnamed: { count: 2, bytes: 3 + 14 },
    removed: { count: 0 },
    partials: 1,
  });
  expect(dry.examples.map(({ digest }) => digest).toSorted()).toEqual([old!, replaced].toSorted());
  expect(await blobs.size(old!)).toBe(3);
  const done = await finished(retention);
  expect(done).toMatchObject({ state: 'done', removed: { count: 2, bytes: 3 + 14 }, partials: 1, error: null });
  for (const gone of [old!, replaced]) await expect(blobs.size(gone)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await blobs.size(young!)).toBe(5);
  expect((await readdir(folder)).toSorted()).toEqual(['.aaaaaaaaaaaa.partial', 'README']);
  for (const { path } of await tracking.artifacts(run)) await tracking.artifact(run, path);
  const told = (await events.list()).filter(({ type }) => type === 'storage.collected');
  expect(told.map(({ data }) => data)).toEqual([{ removed: 2, bytes: 17, partials: 1 }]);
  expect(await finished(retention)).toMatchObject({ unnamed: { count: 0 }, removed: { count: 0 }, partials: 0 });
});

test('what a named manifest names is named, however deep and however large it is', async () => {
  await using hub = await openTestHub();
  const run = await nameBlobs(hub);
  const [leaf, loose] = await strew(hub, ['leaf', 'loose']);
  const inner = JSON.stringify({ padding: 'x'.repeat((1 << 20) - 30), leaf });
  const [middle] = await strew(hub, [inner]);
  await hub.hub.capabilities.tracking.putArtifact(run, 'manifest.json', Buffer.from(JSON.stringify({ middle })));
  await age(join(hub.folder, 'blobs'), 48);
  await hub.restart();
  const { retention, blobs } = hub.hub.capabilities;
  expect(await finished(retention)).toMatchObject({ removed: { count: 1 } });
  for (const kept of [leaf!, middle!]) expect(await blobs.size(kept)).toBeGreaterThan(0);
  await expect(blobs.size(loose!)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a blob that is put again before it is removed stays, and one that is put while it goes is written again', async () => {
  await using hub = await openTestHub();
  const [held, racing] = await strew(hub, ['held', 'racing']);
  const { blobs } = hub.hub.capabilities;
  await blobs.put(Buffer.from('held'));
  expect(await blobs.remove(held!, Date.now())).toBe(false);
  const removing = blobs.remove(racing!, Date.now());
  const put = blobs.put(Buffer.from('racing'));
  expect([await removing, await put]).toEqual([true, racing]);
  expect(Buffer.from(await blobs.get(racing!)).toString()).toBe('racing');
  expect(await blobs.remove(racing!, Date.now() + hourMs)).toBe(false);
});

test('a database that names less than half of the blobs is doubted; whoever knows better says so', async () => {
  await using hub = await openTestHub();
  await nameBlobs(hub, 2);
  await strew(hub, ['a', 'b', 'c']);
  const { retention } = hub.hub.capabilities;
  const refused = await finished(retention);
  expect(refused).toMatchObject({ state: 'failed', removed: { count: 0 }, unnamed: { count: 3 } });
  expect(refused.error).toMatchObject({ code: 'CONFLICT', message: 'the database names only 2 of 5 blobs' });
  expect(await finished(retention, { dryRun: true })).toMatchObject({ state: 'done', unnamed: { count: 3 } });
  expect(await finished(retention, { evenMost: true })).toMatchObject({ state: 'done', removed: { count: 3 } });
});

/** An empty leaf of a table: what a page looks like whose rows were lost without a trace (sqlite.org/fileformat2.html#b_tree_pages). */
const emptyLeaf = Buffer.from([0x0d, 0, 0, 0, 0, 0x10, 0, 0]);

test.each([
  ['is unreadable', Buffer.alloc(512, 0xa5)],
  ['has lost its rows', emptyLeaf],
])('when a table %s nothing is removed: rows that are not seen name nothing', async (_, damage) => {
  await using hub = await openTestHub();
  await nameBlobs(hub);
  await strew(hub, ['old']);
  await age(join(hub.folder, 'blobs'), 48);
  await hub.hub.stop();
  const database = join(hub.folder, 'hub.sqlite');
  const reader = new DatabaseSync(database);
  const root = reader.prepare("SELECT rootpage AS page FROM sqlite_schema WHERE name = 'run_artifact'").get()!;
  const { page_size: pageSize } = reader.prepare('PRAGMA page_size').get()!;
  reader.close();
  const file = await open(database, 'r+');
  await file.write(damage, 0, damage.length, (Number(root['page']) - 1) * Number(pageSize));
  await file.close();
  const blobs = new DiskBlobs(join(hub.folder, 'blobs'));
  const { events, clock } = hub.hub.capabilities;
  const durable = { sync: async () => undefined };
  const collection = await finished(new Retention({ database, blobs, durable, events, clock }), { evenMost: true });
  expect(collection).toMatchObject({ state: 'failed', error: { code: 'CORRUPT' }, removed: { count: 0 } });
  expect(collection.error!.fix).toContain('nothing was removed');
  for (const text of ['old', 'a named note 0']) expect(await blobs.size(sha256(text))).toBe(text.length);
});

test('what the disk does not keep of the rows stops the collection before it removes anything', async () => {
  await using hub = await openTestHub();
  await nameBlobs(hub);
  const [old] = await strew(hub, ['old']);
  const { blobs, events, clock } = hub.hub.capabilities;
  const database = join(hub.folder, 'hub.sqlite');
  const durable = { sync: () => Promise.reject(new SanderlingError('DISK_FULL', 'the disk is full')) };
  const collection = await finished(new Retention({ database, blobs, durable, events, clock }));
  expect(collection).toMatchObject({ state: 'failed', error: { code: 'DISK_FULL' }, unnamed: { count: 1 } });
  expect(await blobs.size(old!)).toBe(3);
});

test('over HTTP: begun once at a time, followed, cancelled, refused with a code, for administrators only', async () => {
  await using hub = await openTestHub();
  await nameBlobs(hub);
  await strew(hub, ['old']);
  const path = '/api/v1/storage/collection';
  expect(await hub.call(path)).toMatchObject({ status: 200, body: { state: 'never', startedAt: null } });
  expect(await hub.call(path, { body: { olderThan: '59m' } })).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT' });
  expect(await hub.call(path, { body: { olderThan: 'long' } })).toMatchObject({ status: 400 });
  const { body: key } = await hub.call('/api/v1/keys', { body: { name: 'writer', scope: 'write' } });
  expect(await hub.call(path, { body: {}, key: key['key'] as string })).toMatchObject({ code: 'FORBIDDEN' });
  const { retention } = hub.hub.capabilities;
  expect(retention.begin()).toMatchObject({ state: 'running' });
  expect(() => retention.begin()).toThrow(expect.objectContaining({ code: 'CONFLICT' }) as Error);
  const cancelled = await hub.call(path, { method: 'DELETE' });
  expect(['cancelled', 'done']).toContain(cancelled.body['state']);
  expect(await hub.call(path, { body: { olderThan: '1d' } })).toMatchObject({
    status: 202,
    body: { state: 'running' },
  });
  await expect.poll(async () => (await hub.call(path)).body['state'], { timeout: 60_000 }).toBe('done');
  expect((await hub.call(path)).body).toMatchObject({ progress: null, error: null });
  await hub.call(path, { body: {} });
  await hub.restart();
  expect((await hub.call(path)).body).toMatchObject({ state: 'never' });
});
