import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createRandom } from '@sanderling/kit';
import { LinkSession, type LinkEvent, type LinkReading, type LinkReport, type SlotInfo } from '@sanderling/wire';
import { firmwareObjects, scriptFlags } from '../boards/build.ts';
import { readElf } from '../boards/elf.ts';
import { boardNames, boards, firmwareFolder, flashLayout, hasBoardTools, type BoardName } from '../boards/index.ts';
import { compile } from '../boards/objects.ts';
import { boardImage, type BoardModel } from './board-image.ts';
import { buildDevice, type DeviceProgram } from './build.ts';
import { hostRelease } from './host-image.ts';
import { provisionFlash } from './provision.ts';
import { startDevice, type Device } from './start.ts';
import { TestHub } from './test-hub.ts';

// Compilers, emulators and processes: on a busy machine they take long, and that is no failure.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const possible = await hasBoardTools();
if (!possible)
  console.log('skipped: devices on emulated boards (no qemu-system-arm, gcc-arm-none-eabi, libnewlib-arm-none-eabi)');

const link = { answerMs: 1000, interByteMs: 500, knockMs: 200, helloMs: 60_000 };

interface Bench {
  readonly hub: TestHub;
  readonly start: () => Promise<Device>;
  readonly lines: string[];
  readonly flash: string;
  readonly program: DeviceProgram;
  readonly model: (fields: Omit<BoardModel, 'board' | 'slotAddress'>) => (slot: SlotInfo) => Promise<Uint8Array>;
}

async function setUp(board: BoardName, sensorMs = 0): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'board-device-'));
  const program = await buildDevice(board, { sensorMs, defines: { WATCHDOG_MS: '1000u' } });
  const hub = await TestHub.listen({ link });
  const [flash, key] = [join(folder, 'flash.bin'), randomBytes(32)];
  hub.keys.set('dev_board', key);
  await provisionFlash(flash, board, { device: 'dev_board', key });
  const devices: Device[] = [];
  const lines: string[] = [];
  onTestFinished(async () => {
    for (const device of devices) await device.kill();
    await hub[Symbol.asyncDispose]();
    await program[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const start = async (): Promise<Device> => {
    const device = await startDevice(program, { flash, port: hub.port, onLine: (line) => lines.push(line) });
    devices.push(device);
    return device;
  };
  const built = new Map<string, Promise<Uint8Array>>();
  const model: Bench['model'] = (fields) => (slot) => {
    const name = JSON.stringify([fields, slot.address]);
    const image = built.get(name) ?? boardImage({ board, slotAddress: slot.address, ...fields });
    built.set(name, image);
    return image;
  };
  return { hub, start, lines, model, flash, program };
}

const readings = (hub: TestHub): LinkReading[] =>
  hub.entries.filter((entry): entry is LinkReading => entry.kind === 'reading');
const releases = (hub: TestHub): readonly unknown[] =>
  hub.entries
    .filter((entry): entry is LinkEvent => entry.kind === 'event' && entry.type.startsWith('release.'))
    .map(({ type, reason, numbers }) => [type, reason, numbers['sequence']]);

let clock = Date.UTC(2026, 0, 1);
const some = (count: number): { readonly time: number; readonly value: number }[] =>
  Array.from({ length: count }, (_, i) => ({ time: (clock += 1000), value: i }));

test.runIf(possible).each(boardNames)(
  'on the %s: measures, is updated, forecasts, gives up a model that faults or hangs',
  async (board) => {
    const ends = board === 'm7' ? 'faults' : 'hangs';
    const { hub, start, lines, model } = await setUp(board, 200);
    await start();
    const { info } = await hub.persist((session) => session.hello());
    expect(info).toMatchObject({ board, firmware: '1.0.0', active: null });
    expect(info.slots.map(({ address }) => address)).toEqual(Object.values(boards[board].slots));
    const slot = await hub.persist((session) => session.update(model({ sequence: 5, ballast: 5000 })));
    await hub.persist((session) => session.activate({ slot, predictions: 2 }));
    await hub.until(
      (entries) => entries.some((entry) => entry.kind === 'event' && entry.type === 'release.activated'),
      60_000,
    );
    const report = hub.entries.find((entry): entry is LinkReport => entry.kind === 'report')!;
    const reading = readings(hub).find(({ time }) => time === report.time)!;
    expect(report).toMatchObject({ release: hostRelease(5), predictions: 1, residual: 5 });
    expect(report.forecast.map((value) => value - reading.value)).toEqual([expect.closeTo(5, 4), expect.closeTo(6, 4)]);
    expect(readings(hub).every(({ value }) => value > 18 && value < 24)).toBe(true);

    const other = await hub.persist((session) => session.update(model({ sequence: 6, ends })));
    expect(other).toBe(1);
    await (await hub.session()).activate({ slot: other });
    await hub.until(() => releases(hub).length === 4, 60_000);
    expect(releases(hub)).toEqual([
      ['release.switched', 'ok', 5],
      ['release.activated', 'ok', 5],
      ['release.switched', 'ok', 6],
      ['release.rolled-back', 'died', 6],
    ]);
    expect(lines.filter((line) => /fault/i.test(line)).length >= 3).toBe(ends === 'faults');
    const after = await hub.persist((session) => session.status());
    expect(after).toMatchObject({ active: 0, probation: false, boots: 4, floor: 5 });
  },
);

test.runIf(possible)(
  'the emulated board is killed again and again in the middle of an update, and always comes back',
  async () => {
    const { hub, start, model } = await setUp('m7');
    const random = createRandom(11);
    let device = await start();
    const first = await hub.persist((session) => session.update(model({ sequence: 1 })));
    await hub.persist((session) => session.activate({ slot: first, predictions: 1 }));
    const fed = some(3);
    await hub.persist((session) => session.feed(fed));
    for (let cut = 0; cut < 4; cut++) {
      const stop = new AbortController();
      const kill = random.int(3_000, 28_000);
      const more = some(2);
      fed.push(...more);
      await hub.persist((session) => session.feed(more));
      await hub
        .persist((session) =>
          session.update(model({ sequence: 2, ballast: 30_000 }), {
            signal: stop.signal,
            onProgress: (done) => done > kill && (void device.kill(), stop.abort()),
          }),
        )
        .catch(() => undefined);
      await device.kill();
      device = await start();
      const info = await hub.persist((session) => session.status());
      expect(info).toMatchObject({ active: 0, boots: cut + 2, update: { slot: 1, bytes: expect.closeTo(30_500, -3) } });
      expect(info.slots[0]).toMatchObject({ state: 'ready', release: hostRelease(1) });
    }
    const slot = await hub.persist((session) => session.update(model({ sequence: 2, ballast: 30_000 })));
    await hub.persist((session) => session.activate({ slot, predictions: 1 }));
    await device.kill();
    await start();
    const last = some(2);
    await hub.persist((session) => session.feed(last));
    expect(await hub.persist((session) => session.status())).toMatchObject({ active: 1, probation: false, floor: 2 });
    fed.push(...last);
    await hub.until(() => readings(hub).length >= fed.length);
    expect(readings(hub).map(({ time, value }) => ({ time, value }))).toEqual(fed);
  },
);

test.runIf(possible)('a device that listens is connected to, and again after the hub has gone', async () => {
  const { hub, flash, program } = await setUp('m7');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await using _device = await startDevice(program, { flash, port, listens: true });
  for (const delivered of [3, 6]) {
    const socket = await connected(port);
    await using session = new LinkSession(socket, hub.desk(), link).start();
    expect((await session.hello()).info).toMatchObject({ board: 'm7', boots: 1 });
    await session.feed(some(3));
    // With the session the line goes: all must have come before.
    await hub.until(() => readings(hub).length === delivered);
  }
});

/** QEMU takes a moment to listen. */
async function connected(port: number): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    const socket = connect({ port, host: '127.0.0.1' });
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

test.runIf(possible)('the device with its memory for models fits the STM32H745, bank by bank', async () => {
  const folder = join(firmwareFolder, 'device');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.c')).map((name) => join(folder, name));
  await using objects = await compile('m7', { files, include: [folder] }, {});
  const path = await objects.link({ own: firmwareObjects, flags: scriptFlags('stm32h745.ld', {}), name: 'budget' });
  const { sections } = readElf(await readFile(path));
  const inBank = (from: number, bytes: number): number =>
    sections
      .filter(({ allocated, address }) => allocated && address >= from && address < from + bytes)
      .reduce((sum, { size }) => sum + size, 0);
  // The two slots, settings and outbox are in the flash, too: sectors 0 and 1 are the program's.
  expect(inBank(0x08000000, 2 ** 21)).toBeLessThan(2 * flashLayout.sectorBytes);
  expect(inBank(0x24000000, 512 * 1024)).toBe(256 * 1024);
});
