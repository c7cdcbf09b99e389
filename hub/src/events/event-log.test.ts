// The event log: durable consumers see every event once in order, across failures and restarts; transactions decide what is seen.
import { systemClock } from '@sanderling/kit';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openDatabase, sqliteDialect, tables } from '../store/index.ts';
import { EventLog, eventMigrations } from './index.ts';

async function openLog() {
  const database = await openDatabase(sqliteDialect(':memory:'), [eventMigrations]);
  return { database, log: new EventLog(database, systemClock) };
}

test('a rolled-back transaction leaves no event, a committed one does', async () => {
  const { database, log } = await openLog();
  const failing = tables<object>(database)
    .transaction()
    .execute(async (tx) => {
      await log.append({ type: 'release.created' }, tx);
      throw new Error('no');
    });
  await expect(failing).rejects.toThrow('no');
  await tables<object>(database)
    .transaction()
    .execute((tx) => log.append({ type: 'device.enrolled', subject: 'dev_1' }, tx));
  expect((await log.list()).map((event) => event.type)).toEqual(['device.enrolled']);
});

test('a consumer resumes where it stopped', async () => {
  const { log } = await openLog();
  for (const type of ['a.one', 'a.two', 'a.three']) await log.append({ type });
  const seen: string[] = [];
  const consumeUntil = async (count: number): Promise<void> => {
    const stop = new AbortController();
    await log.consume(
      'tester',
      async (event) => {
        seen.push(event.type);
        if (seen.length === count) stop.abort();
      },
      stop.signal,
    );
  };
  await consumeUntil(2);
  await log.append({ type: 'a.four' });
  await consumeUntil(4);
  expect(seen).toEqual(['a.one', 'a.two', 'a.three', 'a.four']);
});

test('a follower gets the past, then what happens live', async () => {
  const { log } = await openLog();
  await log.append({ type: 'a.past', project: 'p' });
  const stop = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of log.follow({ project: 'p' }, stop.signal)) {
      seen.push(event.type);
      if (seen.length === 2) stop.abort();
    }
  })();
  await log.append({ type: 'a.other', project: 'q' });
  await log.append({ type: 'a.live', project: 'p' });
  await following;
  expect(seen).toEqual(['a.past', 'a.live']);
});

test('a consumer of some types sees those only, each once, across restarts', async () => {
  const { log } = await openLog();
  const seen: string[] = [];
  const consumeUntil = async (count: number): Promise<void> => {
    const stop = new AbortController();
    const note = async ({ data }: { data: Record<string, unknown> }): Promise<void> => {
      seen.push(String(data['n']));
      if (seen.length === count) stop.abort();
    };
    await log.consume('picky', note, stop.signal, ['b.wanted']);
  };
  for (let n = 0; n < 5; n++) await log.append({ type: n % 2 === 0 ? 'b.wanted' : 'b.other', data: { n } });
  await consumeUntil(2);
  const rest = consumeUntil(4);
  await log.append({ type: 'b.other', data: { n: 5 } });
  await log.append({ type: 'b.wanted', data: { n: 6 } });
  await rest;
  expect(seen).toEqual(['0', '2', '4', '6']);
});

test('a consumer outlives a handler that fails and a database that is full', async () => {
  const { database, log } = await openLog();
  const pages = (limit: number) => sql`pragma max_page_count = ${sql.lit(limit)}`.execute(tables<object>(database));
  await log.append({ type: 'a.first', data: { text: 'x'.repeat(20_000) } });
  const stop = new AbortController();
  const seen: string[] = [];
  const consuming = log.consume(
    'tester',
    async (event) => {
      seen.push(event.type);
      if (seen.length === 1) {
        await pages(1);
        await log.append({ type: 'a.second', data: { text: 'x'.repeat(200_000) } });
      }
      await pages(100_000);
      if (seen.length === 2) stop.abort();
    },
    stop.signal,
  );
  await consuming;
  expect(seen).toEqual(['a.first', 'a.first']);
});
