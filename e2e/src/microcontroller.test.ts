// `npm start -- --mcu --once`: the whole loop closes on an emulated microcontroller, and says what is missing where it cannot run.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const start = join(import.meta.dirname, '..', '..', 'projects', 'temperature', 'start.js');
const minutes = 60_000;
const possible = ['qemu-system-arm', 'arm-none-eabi-gcc'].every(
  (program) => spawnSync(program, ['--version']).status === 0,
);
if (!possible) console.log('skipped: the loop on a microcontroller (no qemu-system-arm, gcc-arm-none-eabi)');

interface Summary {
  readonly release: string;
  readonly alarmToActiveMs: number;
  readonly board: { readonly instructions: number; readonly memoryBytes: number; readonly imageBytes: number };
  readonly error: { readonly before: number; readonly underDrift: number; readonly after: number };
}

const newFolder = (): string => join(mkdtempSync(join(tmpdir(), 'sanderling-mcu-')), 'data');

test.runIf(possible)(
  'a simulated room on a board: int8, alarm, retraining, a better image',
  { timeout: 6 * minutes },
  async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [start, '--mcu', '--once', '--json', '--port', '0', '--data', newFolder()],
      { maxBuffer: 1 << 26, env: { ...process.env, SANDERLING_WORKERS_NICENESS: '0' } },
    );
    const summary = JSON.parse(stdout) as Summary;
    expect(summary.release).toMatch(/^[0-9a-f]{64}$/);
    expect(summary.alarmToActiveMs).toBeGreaterThan(0);
    expect(summary.error.underDrift).toBeGreaterThan(1.5 * summary.error.before);
    expect(summary.error.after).toBeLessThanOrEqual(0.6 * summary.error.underDrift);
    const { instructions, memoryBytes, imageBytes } = summary.board;
    expect(instructions).toBeGreaterThan(1000);
    expect(instructions / 480_000).toBeLessThan(2);
    expect(memoryBytes).toBeLessThan(64 * 1024);
    expect(imageBytes).toBeLessThan(128 * 1024);
  },
);

test('without the tools it says at once which packages to install', async () => {
  const outcome = await promisify(execFile)(process.execPath, [start, '--mcu', '--once', '--data', newFolder()], {
    env: { ...process.env, PATH: '/nonexistent' },
  }).catch((error: { code: number; stderr: string }) => error);
  expect(outcome).toMatchObject({
    code: 11,
    stderr: expect.stringMatching(
      /UNAVAILABLE.*\n.*apt-get install qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi/,
    ),
  });
});
