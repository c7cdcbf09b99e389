import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { DeviceInfo, LinkEvent, LinkReading, LinkReport, SlotInfo } from '@sanderling/wire';
import { possible, setUp } from './host-device.suite.ts';
import { hostImage, hostRelease, type HostModel } from './host-image.ts';
import { provisionFlash } from './provision.ts';
import type { TestHub } from './test-hub.ts';

const model =
  (fields: Omit<HostModel, 'slotAddress'>) =>
  ({ address }: SlotInfo): Uint8Array =>
    hostImage({ slotAddress: address, ...fields });

let clock = Date.UTC(2026, 0, 1);
const readings = (values: readonly number[]): { readonly time: number; readonly value: number }[] =>
  values.map((value) => ({ time: (clock += 1000), value }));

const events = (hub: TestHub): string[] =>
  hub.entries.filter((entry): entry is LinkEvent => entry.kind === 'event').map(({ type }) => type);

async function run(hub: TestHub, fields: Omit<HostModel, 'slotAddress'>, predictions = 3): Promise<DeviceInfo> {
  const session = await hub.session();
  const slot = await session.update(model(fields));
  await session.activate({ slot, predictions });
  return session.status();
}

test.runIf(possible)('a device says hello, takes the time, delivers what it is fed, each reading once', async () => {
  const { hub, start } = await setUp();
  await start();
  const session = await hub.session();
  const { device, info } = await session.hello();
  expect(device).toBe('dev_one');
  expect(info).toMatchObject({ board: 'host', boots: 1, active: null, clockSet: true, nextEntry: 1, abi: 1 });
  expect(info.slots.map(({ state }) => state)).toEqual(['empty', 'empty']);
  const fed = readings(Array.from({ length: 150 }, (_, i) => i / 8));
  expect(await session.feed(fed)).toBe(150);
  expect(await session.feed(fed.slice(-10))).toBe(0);
  await hub.until((entries) => entries.filter(({ kind }) => kind === 'reading').length >= 150);
  const got = hub.entries.filter((entry): entry is LinkReading => entry.kind === 'reading');
  expect(got.map(({ time, value }) => ({ time, value }))).toEqual(fed);
  expect(events(hub)).toEqual(['agent.started']);
});

test.runIf(possible)(
  'an update is written, tested, run on probation and confirmed; reports and alarms follow',
  async () => {
    const { hub, start } = await setUp();
    await start();
    const before = await run(hub, { sequence: 7 });
    expect(before).toMatchObject({ active: 0, previous: null, probation: true, floor: 0 });
    const session = await hub.session();
    await session.feed(readings([20, 21, 22, 60, 61, 23]));
    expect(await session.status()).toMatchObject({ probation: false, floor: 7, predictions: 6, rollingError: 0.25 });
    await hub.until(() => events(hub).includes('drift.over'));
    expect(events(hub)).toEqual(
      ['release.switched', 'agent.started', 'release.activated', 'drift.alarm', 'drift.over'].sort(
        (a, b) => events(hub).indexOf(a) - events(hub).indexOf(b),
      ),
    );
    const reports = hub.entries.filter((entry): entry is LinkReport => entry.kind === 'report');
    expect(reports[0]).toMatchObject({
      release: hostRelease(7),
      predictions: 1,
      forecast: [27, 28, 29, 30],
      residual: 7,
    });
    expect(reports.at(-1)).toMatchObject({ driftAlarm: true, forecast: [67, 68, 69, 70] });
    expect(reports[0]!.forecastFrom).toBe(reports[0]!.time);
  },
);

test.runIf(possible)(
  'what fails its self-test, probation or forecasts is left behind, and the hub hears why',
  async () => {
    const { hub, start } = await setUp();
    await start();
    await run(hub, { sequence: 1 });
    const session = await hub.session();
    await session.feed(readings([1, 2, 3]));
    const bad = await session.update(model({ sequence: 2, behaviour: 'failsTest' }));
    const refusal = { code: 'SELF_TEST_FAILED', details: { status: 'self-test-failed', number: 3 } };
    await expect(session.selfTest(bad)).rejects.toMatchObject(refusal);
    await expect(session.activate({ slot: bad })).rejects.toMatchObject({ code: 'SELF_TEST_FAILED' });
    expect((await session.status()).active).toBe(0);
    expect(await session.selfTest()).toBeGreaterThanOrEqual(0);

    expect((await run(hub, { sequence: 3, behaviour: 'notFinite', bytes: 9000 })).probation).toBe(true);
    await session.feed(readings([4, 5, 6, 7]));
    expect(await session.status()).toMatchObject({ active: 0, previous: null, probation: false });

    const slot = await session.update(model({ sequence: 4, behaviour: 'largeError' }));
    await session.activate({ slot, predictions: 2, maxError: 3 });
    await expect(session.update(model({ sequence: 5 }))).rejects.toMatchObject({ details: { status: 'on-probation' } });
    await session.feed(readings([8, 9]));
    expect(await session.status()).toMatchObject({ active: 0, probation: false, floor: 1 });
    await hub.until(() => events(hub).filter((type) => type === 'release.rolled-back').length === 2);
    const told = hub.entries.filter(
      (entry): entry is LinkEvent => entry.kind === 'event' && entry.type.startsWith('release.'),
    );
    expect(told.map(({ type, reason, numbers }) => [type, reason, numbers['sequence']])).toEqual([
      ['release.switched', 'ok', 1],
      ['release.activated', 'ok', 1],
      ['release.refused', 'self-test-failed', 2],
      ['release.switched', 'ok', 3],
      ['release.rolled-back', 'not-finite', 3],
      ['release.switched', 'ok', 4],
      ['release.rolled-back', 'large-error', 4],
    ]);
  },
);

test.runIf(possible).each(['dies', 'hangs'] as const)(
  'a model that %s is given up after three starts',
  async (behaviour) => {
    const { hub, start } = await setUp();
    await start();
    await run(hub, { sequence: 1 });
    await hub.persist((session) => session.feed(readings([1, 2, 3])));
    const slot = await hub.persist((session) => session.update(model({ sequence: 2, behaviour })));
    await (await hub.session()).activate({ slot });
    await hub.until(() => events(hub).includes('release.rolled-back'), 60_000);
    const info = await hub.persist((session) => session.status());
    expect(info).toMatchObject({ active: 0, probation: false, floor: 1 });
    expect(info.boots).toBe(4);
    const told = hub.entries.find(
      (entry): entry is LinkEvent => entry.kind === 'event' && entry.type === 'release.rolled-back',
    );
    expect(told).toMatchObject({ reason: 'died', release: hostRelease(2), numbers: { sequence: 2, boots: 3 } });
  },
);

test.runIf(possible)('wrong images are refused by name, and nothing changes', async () => {
  const { hub, start } = await setUp();
  await start();
  await run(hub, { sequence: 10 });
  const session = await hub.session();
  await session.feed(readings([1, 2, 3]));
  const before = await session.status();
  const good = (slot: SlotInfo): Buffer => Buffer.from(model({ sequence: 11 })(slot));
  const cases: readonly (readonly [string, string, (slot: SlotInfo) => Uint8Array])[] = [
    ['wrong-slot', 'INVALID_MODEL', ({ address }) => hostImage({ slotAddress: address + 32, sequence: 11 })],
    ['wrong-slot', 'INVALID_MODEL', () => hostImage({ slotAddress: before.slots[0].address, sequence: 11 })],
    ['wrong-board', 'INVALID_MODEL', ({ address }) => hostImage({ slotAddress: address, sequence: 11, board: 'm7' })],
    ['wrong-abi', 'UNSUPPORTED', (slot) => ofAbi(good(slot), 2)],
    ['older', 'CONFLICT', model({ sequence: 9 })],
    ['bad-header', 'CORRUPT', (slot) => damaged(good(slot), 30)],
    ['bad-digest', 'CORRUPT', (slot) => damaged(good(slot), 3000)],
    ['malformed', 'INVALID_ARGUMENT', (slot) => Buffer.concat([good(slot), Buffer.alloc(40)])],
    ['wrong-offset', 'CONFLICT', (slot) => good(slot).subarray(0, 2048)],
    [
      'too-large',
      'TOO_LARGE',
      ({ address, capacity }) => hostImage({ slotAddress: address, sequence: 11, bytes: capacity }),
    ],
  ];
  for (const [status, code, image] of cases) {
    const told = await session.update(image, { attempts: 2 }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect([status, told]).toMatchObject([status, { code, details: { status } }]);
    expect((await session.status()).active).toBe(0);
  }
  await expect(session.activate({ slot: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await session.update(model({ sequence: 9 }), { stepBack: true })).toBe(1);
  await expect(session.activate({ slot: 1 })).rejects.toMatchObject({ details: { status: 'older' } });
  await session.activate({ slot: 1, stepBack: true, predictions: 1 });
  await session.feed(readings([1]));
  expect(await session.status()).toMatchObject({ active: 1, floor: 9, probation: false });
  await session.rollback();
  expect(await session.status()).toMatchObject({ active: 0, previous: null, floor: 10 });
  await expect(session.rollback()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

/** An image whose header is sound and names another entry table. */
function ofAbi(image: Buffer, abi: number): Buffer {
  image.writeUInt32LE(abi, 12);
  image.writeUInt32LE(crc32(image.subarray(0, 124)), 124);
  return image;
}

function damaged(image: Buffer, at: number): Buffer {
  image[at]! ^= 1;
  return image;
}

test.runIf(possible)('an update goes on where a disconnect or a power cut left it', async () => {
  const { hub, start } = await setUp();
  const device = await start();
  const image = model({ sequence: 3, bytes: 60_000 });
  const cut = new AbortController();
  const stop = hub.persist((session) =>
    session.update(image, { signal: cut.signal, onProgress: (done) => done > 30_000 && cut.abort() }),
  );
  await expect(stop).rejects.toMatchObject({ code: 'CANCELLED' });
  await device.kill();
  await start();
  const { update } = await hub.persist((session) => session.status());
  expect(update).toMatchObject({ slot: 0, release: hostRelease(3), bytes: 60_128 });
  expect(update!.position).toBeGreaterThan(20_000);
  const seen: number[] = [];
  const slot = await hub.persist((session) => session.update(image, { onProgress: (done) => seen.push(done) }));
  expect(seen[0]).toBeGreaterThan(update!.position);
  await hub.persist((session) => session.activate({ slot }));
  expect(await hub.persist((session) => session.status())).toMatchObject({ active: 0, update: null });
});

test.runIf(possible)('a device enrols once with its token, and again only as itself', async () => {
  const { hub, flash, start } = await setUp();
  const secret = randomBytes(32).toString('hex');
  const id = '01abcdefghijklmnopqrstuvwx';
  hub.tokens.set(id, createHash('sha256').update(secret).digest());
  await provisionFlash(flash, 'host', { token: `sdl_${id}_${secret}_${'a'.repeat(32)}` });
  await start();
  const { device } = await hub.persist((session) => session.hello());
  expect(device).toBe(`dev_${id}`);
  await hub.persist((session) => session.feed(readings([1, 2, 3])));
  await hub.until((entries) => entries.filter(({ kind }) => kind === 'reading').length === 3);
});

test.runIf(possible)('a device with another key, or without one, is no device', async () => {
  const { hub, start } = await setUp();
  hub.keys.set('dev_one', randomBytes(32));
  await start();
  const session = await hub.session();
  await expect(session.hello(AbortSignal.timeout(700))).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(hub.hellos).toBe(0);
});

test.runIf(possible)('entries that the hub could not store come again', async () => {
  const { hub, start } = await setUp();
  await start();
  hub.failStores = 3;
  await hub.persist((session) => session.feed(readings([1, 2, 3, 4, 5])));
  await hub.until((entries) => entries.filter(({ kind }) => kind === 'reading').length === 5);
  expect(hub.failStores).toBe(0);
  expect(hub.problems.map((error) => (error as { code?: string }).code)).toContain('DISK_FULL');
});
