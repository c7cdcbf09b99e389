import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { DeviceInfo, LinkEvent, LinkReading, LinkReport, SlotInfo } from '@sanderling/wire';
import { hasCompiler } from '../host.ts';
import { buildDevice, type DeviceProgram } from './build.ts';
import { hostImage, hostRelease, type HostModel } from './host-image.ts';
import { provisionFlash } from './provision.ts';
import { startDevice, type Device } from './start.ts';
import { TestHub } from './test-hub.ts';

const possible = await hasCompiler();
if (!possible) console.log('skipped: the device on this machine (no C compiler)');

let program: DeviceProgram;
beforeAll(async () => {
  if (possible) program = await buildDevice('host', { defines: { LINK_UNIT_MS: '60u', FRAME_SILENCE_MS: '40u' } });
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
});

const link = { answerMs: 100, longAnswerMs: 1000, interByteMs: 40, knockMs: 100, helloMs: 5000 };

interface Setup {
  readonly hub: TestHub;
  readonly flash: string;
  start(dieAt?: number): Promise<Device>;
}

async function setUp(): Promise<Setup> {
  const folder = await mkdtemp(join(tmpdir(), 'device-test-'));
  const hub = await TestHub.listen({ link });
  const flash = join(folder, 'flash.bin');
  const key = randomBytes(32);
  hub.keys.set('dev_one', key);
  await provisionFlash(flash, 'host', { device: 'dev_one', key });
  const devices: Device[] = [];
  onTestFinished(async () => {
    for (const device of devices) await device.kill();
    await hub[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const start = async (dieAt = 0): Promise<Device> => {
    const device = await startDevice(program, { flash, port: hub.port, dieAt });
    devices.push(device);
    return device;
  };
  return { hub, flash, start };
}

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
