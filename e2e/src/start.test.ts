// `npm start -- --once`: the whole loop closes on the simulated room and on real readings.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { dataSet } from './data-sets.ts';

const start = join(import.meta.dirname, '..', '..', 'projects', 'temperature', 'start.js');

interface Summary {
  readonly release: string;
  readonly alarmToActiveMs: number;
  readonly error: { readonly before: number; readonly underDrift: number; readonly after: number };
}

async function runOnce(...args: string[]): Promise<Summary> {
  const folder = join(mkdtempSync(join(tmpdir(), 'sanderling-start-')), 'data');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [start, '--once', '--json', '--port', '0', '--data', folder, ...args],
    { maxBuffer: 1 << 26, env: { ...process.env, SANDERLING_WORKERS_NICENESS: '0' } },
  );
  return JSON.parse(stdout) as Summary;
}

const minutes = 60_000;

test('a simulated room', { timeout: 5 * minutes }, async () => {
  const summary = await runOnce('--speed', '2');
  expect(summary.release).toMatch(/^[0-9a-f]{64}$/);
  expect(summary.alarmToActiveMs).toBeGreaterThan(0);
  expect(summary.error.underDrift).toBeGreaterThan(1.5 * summary.error.before);
  expect(summary.error.after).toBeLessThanOrEqual(0.6 * summary.error.underDrift);
});

const ambient = dataSet(
  'temperature-nab',
  'temperature-nab/data/realKnownCause/ambient_temperature_system_failure.csv',
);
const occupancy = dataSet('temperature-occupancy', 'temperature-occupancy/datatraining.txt');

test.skipIf(ambient === undefined)('ambient temperature: hourly, with gaps', { timeout: 5 * minutes }, async () => {
  const summary = await runOnce('--speed', '2', '--csv', ambient!);
  expect(summary.error.after).toBeLessThanOrEqual(0.6 * summary.error.underDrift);
});

test.skipIf(occupancy === undefined)(
  'occupancy: one reading a minute, a header with a name too few',
  { timeout: 5 * minutes },
  async () => {
    const summary = await runOnce('--speed', '2', '--csv', occupancy!);
    expect(summary.error.after).toBeLessThanOrEqual(0.6 * summary.error.underDrift);
  },
);

test('a file that is not there, an empty folder that is not empty, a wrong option: one sentence each', async () => {
  const outcome = async (...args: string[]) =>
    runOnce(...args).then(
      () => 'ran',
      (error: { code: number; stderr: string }) => `${error.code} ${error.stderr.trim().split('\n')[0]}`,
    );
  expect(await outcome('--csv', '/no/such/file.csv')).toMatch(/^5 .*NOT_FOUND.*there is no file/);
  expect(await outcome('--data', import.meta.dirname)).toMatch(/^6 .*is not empty/);
  expect(await outcome('--sped', '2')).toMatch(/^2 .*Unknown option/);
  expect(existsSync(join(import.meta.dirname, 'start.test.ts'))).toBe(true);
});
