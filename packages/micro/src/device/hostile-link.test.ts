import { createHash, randomBytes } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { encodeFrame, FrameReader, frameTypes, type Frame, type LinkReading } from '@sanderling/wire';
import { possible, setUp } from './host-device.suite.ts';
import { hostImage, hostRelease } from './host-image.ts';
import { provisionFlash } from './provision.ts';
import type { TestHub } from './test-hub.ts';

let clock = Date.UTC(2026, 0, 1);
const readings = (count: number): { readonly time: number; readonly value: number }[] =>
  Array.from({ length: count }, (_, i) => ({ time: (clock += 1000), value: i }));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const got = (hub: TestHub): number[] =>
  hub.entries.filter((entry): entry is LinkReading => entry.kind === 'reading').map(({ time }) => time);

async function run(hub: TestHub, sequence: number): Promise<void> {
  const slot = await hub.persist((session) =>
    session.update(({ address }) => hostImage({ slotAddress: address, sequence })),
  );
  await hub.persist((session) => session.activate({ slot, predictions: 1 }));
  await hub.persist((session) => session.feed(readings(1)));
}

test.runIf(possible)('frames recorded from the hub and sent again, now or in a later session, do nothing', async () => {
  const recorded: Frame[] = [];
  let wire: Socket | undefined;
  const { hub, start } = await setUp((socket) => {
    wire = socket;
    const write: (bytes: Buffer) => boolean = socket.write.bind(socket);
    const reader = new FrameReader(1e9);
    socket.write = (bytes: Buffer) => {
      recorded.push(...reader.push(bytes, 0));
      return write(bytes);
    };
    return socket;
  });
  let device = await start();
  await run(hub, 1);
  await run(hub, 2);
  await hub.persist((session) => session.rollback());
  const before = await hub.persist((session) => session.status());
  expect(before).toMatchObject({ active: 0, previous: null });
  const evil = [...recorded];
  for (const type of [
    frameTypes.activate,
    frameTypes.updateBegin,
    frameTypes.rollback,
    frameTypes.feed,
    frameTypes.resume,
  ])
    expect(evil.some((frame) => frame.type === type)).toBe(true);
  const replay = async (): Promise<void> => {
    for (const frame of evil) wire!.write(encodeFrame(frame));
    // Altered ones, too: another number, another type, the seal of another frame.
    for (const frame of evil) wire!.write(encodeFrame({ ...frame, seq: frame.seq + 1000 }));
    for (const frame of evil) wire!.write(encodeFrame({ ...frame, type: frameTypes.activate }));
    await pause(300);
  };
  await replay();
  const after = await hub.persist((session) => session.status());
  expect([after.active, after.nextEntry, after.slots, after.floor]).toEqual([
    before.active,
    before.nextEntry,
    before.slots,
    before.floor,
  ]);
  await device.kill();
  device = await start();
  const { info } = await hub.persist((session) => session.hello());
  await replay();
  const later = await hub.persist((session) => session.status());
  expect([later.active, later.slots, later.floor]).toEqual([before.active, before.slots, before.floor]);
  // The event of this start is the only thing that is new.
  expect(later.nextEntry).toBe(info.nextEntry + 1);
});

test.runIf(possible)('an old copy of the flash takes a new outbox, and what it measures arrives', async () => {
  const { hub, flash, start } = await setUp();
  let device = await start();
  await hub.persist((session) => session.feed(readings(10)));
  await hub.until(() => got(hub).length === 10);
  await device.kill();
  await copyFile(flash, `${flash}.old`);
  device = await start();
  await hub.persist((session) => session.feed(readings(10)));
  await hub.until(() => got(hub).length === 20);
  await device.kill();
  await copyFile(`${flash}.old`, flash);
  await start();
  const { info } = await hub.persist((session) => session.hello());
  expect(hub.stored.has(info.outbox)).toBe(false);
  const fresh = readings(5);
  await hub.persist((session) => session.feed(fresh));
  await hub.until(() => got(hub).filter((time) => time >= fresh[0]!.time).length === 5);
});

test.runIf(possible)(
  'a token enrols one device, whose lost answer does no harm; another one with the same token is refused',
  async () => {
    const { hub, flash, start } = await setUp();
    const [secret, id] = [randomBytes(32).toString('hex'), '01abcdefghijklmnopqrstuvwx'];
    const token = `sdl_${id}_${secret}_${'a'.repeat(32)}`;
    hub.tokens.set(id, createHash('sha256').update(secret).digest());
    await provisionFlash(flash, 'host', { token });
    const device = await start();
    expect((await hub.persist((session) => session.hello())).device).toBe(`dev_${id}`);
    await device.kill();
    // Neither the secret nor the key has ever to be on the wire, but the key must have got into the flash, and the token be gone.
    const bytes = await readFile(flash);
    expect(bytes.includes(Buffer.from(hub.keys.get(`dev_${id}`)!))).toBe(true);

    // The flash as it was when the hub's answer was lost: the device asks again under the same name and gets the same identity.
    const installation = [...hub.installations.values()][0]!;
    await provisionFlash(flash, 'host', { token });
    const again = await start();
    await pause(400);
    expect(hub.problems.map((error) => (error as { code?: string }).code)).toContain('TOKEN_USED');
    await again.kill();
    hub.installations.set(id, (await installationIn(flash)) ?? installation);
    await start();
    expect((await hub.persist((session) => session.hello())).device).toBe(`dev_${id}`);
  },
);

/** The installation in the newest settings record (firmware/device/state.h). */
async function installationIn(flash: string): Promise<string | undefined> {
  const settings = (await readFile(flash)).subarray(2 * 131_072, 3 * 131_072);
  let found: string | undefined;
  for (let at = 0; settings.toString('latin1', at, at + 4) === 'SNST'; at += 512)
    found = settings.toString('hex', at + 232, at + 248);
  return found;
}

test.runIf(possible)('an image altered in flash is never run: the device returns to the one before', async () => {
  const { hub, flash, start } = await setUp();
  const device = await start();
  await run(hub, 1);
  await run(hub, 2);
  expect(await hub.persist((session) => session.status())).toMatchObject({ active: 1, previous: 0 });
  await device.kill();
  const bytes = await readFile(flash);
  bytes[0x100000 + 700]! ^= 0x10;
  await writeFile(flash, bytes);
  await start();
  const info = await hub.persist((session) => session.status());
  expect(info).toMatchObject({ active: 0, previous: null });
  expect(info.slots[0].release).toBe(hostRelease(1));
  await hub.until((entries) => entries.some((entry) => entry.kind === 'event' && entry.type === 'release.damaged'));
});
