import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ReportEntry } from '@sanderling/wire/device';
import { temporaryFolder } from '../testing/temporary-folder.suite.ts';
import { Outbox, type OutboxOptions } from './outbox.ts';

const report = (time: number): ReportEntry => ({
  kind: 'report',
  time,
  release: 'a'.repeat(64),
  predictions: 1,
  rollingError: null,
  driftScore: 0,
  latencyMs: { p50: 0, p99: 0 },
  forecast: [],
  health: { residentMb: 1, uptimeSeconds: 1, outboxEntries: 0, outboxDropped: 0, diskFreeMb: null },
});
const event = (time: number) => ({ kind: 'event', time, type: 'a.b', data: {} }) as const;

async function openOutbox(options?: OutboxOptions, path?: string): Promise<Outbox> {
  const outbox = Outbox.open(path ?? join(await temporaryFolder(), 'outbox.db'), options);
  onTestFinished(() => outbox.close());
  return outbox;
}

const kindsOf = (outbox: Outbox): string[] => outbox.batch(10_000).map(({ entry }) => `${entry.kind}@${entry.time}`);

describe('an outbox', () => {
  test('gives durable entries in the order they came, and no others', async () => {
    const outbox = await openOutbox();
    outbox.addReading(10, 1.5);
    outbox.add(event(11));
    expect(outbox.batch(10)).toEqual([]);
    outbox.commit();
    outbox.addReading(12, 2.5);
    expect(outbox.batch(10)).toEqual([
      { seq: 1, entry: { kind: 'reading', time: 10, value: 1.5 } },
      { seq: 2, entry: event(11) },
    ]);
  });

  test('keeps undelivered entries and its identity over a restart, and never gives a number twice', async () => {
    const path = join(await temporaryFolder(), 'outbox.db');
    const first = Outbox.open(path);
    for (let time = 1; time <= 5; time++) first.addReading(time, time);
    first.commit();
    first.acknowledge(3);
    first.close();
    const second = Outbox.open(path);
    expect(second.id).toBe(first.id);
    expect(second.batch(10).map(({ seq }) => seq)).toEqual([4, 5]);
    second.acknowledge(5);
    second.close();
    const third = await openOutbox({}, path);
    third.addReading(6, 6);
    third.commit();
    expect(third.batch(10).map(({ seq }) => seq)).toEqual([6]);
    expect([...third.recent].map(({ time }) => time)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('keeps the newest delivered readings as history and forgets the older', async () => {
    const path = join(await temporaryFolder(), 'outbox.db');
    const first = Outbox.open(path, { historyReadings: 10 });
    for (let time = 1; time <= 100; time++) first.addReading(time, time);
    first.commit();
    first.acknowledge(100);
    first.close();
    const second = await openOutbox({ historyReadings: 1000 }, path);
    expect([...second.recent].map(({ time }) => time)).toEqual([91, 92, 93, 94, 95, 96, 97, 98, 99, 100]);
    expect(second.state.waiting).toBe(0);
  });

  test('when full, drops the oldest reports first, then the oldest readings, and events last; counts and reports it', async () => {
    const outbox = await openOutbox({ maxEntries: 6 });
    outbox.addReading(1, 1);
    outbox.add(report(2));
    outbox.add(event(3));
    outbox.add(report(4));
    outbox.addReading(5, 5);
    outbox.addReading(6, 6);
    outbox.commit();
    outbox.addReading(7, 7);
    outbox.commit();
    expect(kindsOf(outbox)).toEqual(['reading@1', 'event@3', 'report@4', 'reading@5', 'reading@6', 'reading@7']);
    outbox.acknowledge(0);
    // What was just given may be on its way to the hub and is safe; a new batch lets go of it.
    outbox.batch(0);
    for (let time = 8; time <= 11; time++) {
      outbox.addReading(time, time);
      outbox.commit();
    }
    expect(kindsOf(outbox)).toEqual(['event@3', 'reading@7', 'reading@8', 'reading@9', 'reading@10', 'reading@11']);
    expect(outbox.state.dropped).toBe(5);
    expect(outbox.takeDropped()).toEqual({ readings: 3, reports: 2, events: 0, firstTime: 1, lastTime: 6, total: 5 });
    expect(outbox.takeDropped()).toBeUndefined();
  });

  test('entries on their way to the hub are not evicted', async () => {
    const outbox = await openOutbox({ maxEntries: 4 });
    for (let time = 1; time <= 4; time++) outbox.addReading(time, time);
    outbox.commit();
    const sent = outbox.batch(2);
    for (let time = 5; time <= 6; time++) outbox.addReading(time, time);
    outbox.commit();
    expect(sent.map(({ seq }) => seq)).toEqual([1, 2]);
    outbox.acknowledge(2);
    expect(outbox.batch(10).map(({ entry }) => entry.time)).toEqual([5, 6]);
  });

  test('a bound on bytes holds as well', async () => {
    const outbox = await openOutbox({ maxBytes: 5000 });
    for (let time = 1; time <= 100; time++) {
      outbox.add(report(time));
      outbox.commit();
    }
    expect(outbox.state.waiting).toBeLessThan(20);
    expect(outbox.state.dropped).toBe(100 - outbox.state.waiting);
  });

  test('a full disk holds entries in memory within a bound; nothing durable is lost, and all goes on when there is space', async () => {
    const path = join(await temporaryFolder(), 'outbox.db');
    const outbox = Outbox.open(path, { maxFileBytes: 120 * 1024, memoryEntries: 1000 });
    let time = 0;
    while (outbox.state.trouble === undefined) {
      for (let i = 0; i < 500; i++) outbox.addReading(++time, time);
      outbox.commit();
    }
    const durable = outbox.state.waiting;
    expect(outbox.state.trouble.code).toBe('DISK_FULL');
    for (let i = 0; i < 2000; i++) outbox.addReading(++time, time);
    expect(outbox.state.pending).toBeLessThanOrEqual(1000);
    expect(outbox.state.waiting).toBe(durable);
    const { dropped } = outbox.state;
    expect(dropped).toBe(time - durable - outbox.state.pending);
    // Space comes back when the hub takes what is durable.
    outbox.acknowledge(outbox.batch(durable).at(-1)!.seq);
    const result = outbox.commit();
    outbox.close();
    const again = await openOutbox({}, path);
    expect(result.recovered?.error.code).toBe('DISK_FULL');
    expect(result.recovered?.dropped).toBe(dropped);
    expect(again.batch(10_000).at(-1)?.entry).toEqual({ kind: 'reading', time, value: time });
    expect(again.state.waiting).toBe(time - durable - dropped);
  });

  test('a damaged file is set aside, a new outbox begins, and the hub will hear of it', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'outbox.db');
    await writeFile(path, 'this is no database'.repeat(1000));
    const outbox = await openOutbox({}, path);
    outbox.commit();
    expect(outbox.batch(10)[0]?.entry).toMatchObject({ kind: 'event', type: 'outbox.reset' });
    expect(await readdir(folder)).toContain('outbox.db.damaged');
  });

  test('a second process is kept out with a coded error', async () => {
    const path = join(await temporaryFolder(), 'outbox.db');
    await openOutbox({}, path);
    expect(() => Outbox.open(path)).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
  });

  test('an old copy of the file takes a new identity when the hub knows more than it', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'outbox.db');
    const first = Outbox.open(path);
    for (let time = 1; time <= 3; time++) first.addReading(time, time);
    first.close();
    await copyFile(path, join(folder, 'copy.db'));
    const copy = await openOutbox({}, join(folder, 'copy.db'));
    expect(copy.acknowledge(70)).toBe(false);
    expect(copy.id).not.toBe(first.id);
    expect(copy.batch(10)).toHaveLength(3);
  });

  test('an entry that the hub will never take is dropped and counted', async () => {
    const outbox = await openOutbox();
    outbox.addReading(1, 1);
    outbox.addReading(2, 2);
    outbox.commit();
    outbox.refuse(outbox.batch(1)[0]!);
    expect(outbox.batch(10).map(({ seq }) => seq)).toEqual([2]);
    expect(outbox.state.dropped).toBe(1);
  });

  test('whatever the order of taking, committing, delivering and restarting: every reading is delivered once, in order', async () => {
    const step = fc.constantFrom('take', 'commit', 'deliver', 'lose-answer', 'restart');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const path = join(await temporaryFolder(), 'outbox.db');
        const hub = new Map<number, number>();
        let outbox = Outbox.open(path);
        let taken = 0;
        for (const name of [...steps, 'commit', 'deliver'] as const) {
          if (name === 'take') outbox.addReading(++taken, taken);
          if (name === 'commit') outbox.commit();
          if (name === 'restart') {
            outbox.close();
            outbox = Outbox.open(path);
          }
          if (name !== 'deliver' && name !== 'lose-answer') continue;
          const entries = outbox.batch(100);
          for (const { seq, entry } of entries) if (!hub.has(seq)) hub.set(seq, entry.time);
          if (name === 'deliver' && entries.length > 0) outbox.acknowledge(entries.at(-1)!.seq);
        }
        outbox.close();
        expect([...hub.values()]).toEqual(Array.from({ length: taken }, (_, i) => i + 1));
      }),
      { numRuns: 25 },
    );
  });
});
