// A hub and a device on this machine, for the tests that need both.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { hasCompiler } from '../host.ts';
import { buildDevice, type DeviceProgram } from './build.ts';
import { provisionFlash } from './provision.ts';
import { startDevice, type Device } from './start.ts';
import { TestHub } from './test-hub.ts';

/** Whether there is a C compiler. */
export const possible = await hasCompiler();
if (!possible) console.log('skipped: the device on this machine (no C compiler)');

let program: DeviceProgram;
beforeAll(async () => {
  if (!possible) return;
  program = await buildDevice('host', {
    defines: { LINK_UNIT_MS: '60u', FRAME_SILENCE_MS: '40u', WATCHDOG_MS: '300u' },
  });
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
});

const link = { answerMs: 100, longAnswerMs: 1000, interByteMs: 40, knockMs: 100, helloMs: 60_000 };

/** A hub that knows `dev_one`, and that device's flash; all gone when the test is over. */
export interface Setup {
  readonly hub: TestHub;
  readonly flash: string;
  readonly start: () => Promise<Device>;
}

/** @param wrap What stands between a device's socket and its session. */
export async function setUp(wrap?: (socket: Socket) => Duplex): Promise<Setup> {
  const folder = await mkdtemp(join(tmpdir(), 'device-test-'));
  const hub = await TestHub.listen({ link, ...(wrap ? { wrap } : {}) });
  const [flash, key] = [join(folder, 'flash.bin'), randomBytes(32)];
  hub.keys.set('dev_one', key);
  await provisionFlash(flash, 'host', { device: 'dev_one', key });
  const devices: Device[] = [];
  onTestFinished(async () => {
    for (const device of devices) await device.kill();
    await hub[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const start = async (): Promise<Device> => {
    const device = await startDevice(program, { flash, port: hub.port });
    devices.push(device);
    return device;
  };
  return { hub, flash, start };
}
