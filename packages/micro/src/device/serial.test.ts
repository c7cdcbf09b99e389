// The link over a serial line: the board's UART is a terminal, opened as a file like that of a board on a desk.
import { randomBytes } from 'node:crypto';
import { constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { ReadStream, WriteStream } from 'node:tty';
import { LinkSession } from '@sanderling/wire';
import { expect, test, vi } from 'vitest';
import { hasBoardTools, runFirmware } from '../boards/index.ts';
import { boardImage } from './board-image.ts';
import { buildDevice } from './build.ts';
import { hostRelease } from './host-image.ts';
import { provisionFlash } from './provision.ts';
import { TestHub } from './test-hub.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const possible = await hasBoardTools();
if (!possible) console.log('skipped: the link over a serial line (no qemu-system-arm, gcc-arm-none-eabi)');

/** Both directions of a terminal that is raw. Not to become this process's controlling one. */
function openLine(path: string): Duplex {
  const flags = constants.O_RDWR | constants.O_NOCTTY;
  const [readable, writable] = [new ReadStream(openSync(path, flags)), new WriteStream(openSync(path, flags))];
  return Duplex.from({ readable, writable });
}

test.runIf(possible)('over a serial line a device says hello, takes a model and sends what it measured', async () => {
  await using program = await buildDevice('m7', { defines: { DEVICE_REPORT_MS: '0u' } });
  await using hub = await TestHub.listen();
  const folder = await mkdtemp(join(tmpdir(), 'serial-'));
  try {
    const [flash, key] = [join(folder, 'flash.bin'), randomBytes(32)];
    hub.keys.set('dev_serial', key);
    await provisionFlash(flash, 'm7', { device: 'dev_serial', key });
    await using emulator = await runFirmware({ board: 'm7', path: program.path }, { flash, link: { terminal: true } });
    const told = await emulator.line(/redirected to \S+ \(label link\)/, 60_000);
    const line = openLine(/redirected to (\S+)/.exec(told)![1]!);
    await using session = new LinkSession(line, hub.desk(), { knockMs: 200, helloMs: 60_000 }).start();
    expect(await session.hello()).toMatchObject({ device: 'dev_serial', info: { board: 'm7', active: null } });
    const slot = await session.update(({ address }) =>
      boardImage({ board: 'm7', slotAddress: address, sequence: 3, ballast: 9000 }),
    );
    expect(await session.selfTest(slot)).toBeGreaterThanOrEqual(0);
    await session.activate({ slot });
    const readings = Array.from({ length: 40 }, (_, i) => ({ time: Date.UTC(2026, 0, 1) + 1000 * i, value: i / 4 }));
    expect(await session.feed(readings)).toBe(40);
    const count = (kind: string): number => hub.entries.filter((entry) => entry.kind === kind).length;
    await hub.until(() => count('reading') === 40 && count('report') === 40, 60_000);
    expect(hub.entries.find((entry) => entry.kind === 'report')).toMatchObject({
      release: hostRelease(3),
      forecast: [3, 4],
    });
    expect(hub.problems).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
