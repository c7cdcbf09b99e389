// The residual monitor on a real series: office temperature by the hour with two labelled failures (Numenta Anomaly Benchmark).
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ResidualMonitor } from './residual-monitor.ts';
import { residualReference } from './residual-reference.ts';

const shared = process.env['SANDERLING_SHARED'] ?? resolve(import.meta.dirname, '../../../../shared');
const tool = join(shared, 'tools', 'data');
const present = existsSync(tool);
if (!present) console.log(`skipped: no real data at ${shared}; set SANDERLING_SHARED`);

interface Reading {
  readonly time: string;
  readonly value: number;
}

function readings(): Reading[] {
  const folder = execFileSync(tool, ['temperature-nab'], { encoding: 'utf8' }).trim();
  const found = ['data/realKnownCause', 'temperature-nab/data/realKnownCause']
    .map((path) => join(folder, path, 'ambient_temperature_system_failure.csv'))
    .find((path) => existsSync(path)) as string;
  const lines = readFileSync(found, 'utf8').trim().split('\n').slice(1);
  return lines.map((line) => {
    const [time, value] = line.split(',') as [string, string];
    return { time, value: Number(value) };
  });
}

describe.skipIf(!present)('residuals of ambient temperature', () => {
  const rows = present ? readings() : [];
  // One hour ahead, half yesterday's value and half the newest: about what a small model learns.
  const residuals = rows.map(({ value }, i) =>
    i < 24 ? 0 : value - 0.5 * (rows[i - 24] as Reading).value - 0.5 * (rows[i - 1] as Reading).value,
  );
  const lastHour = rows.map(({ value }, i) => (i < 1 ? 0 : value - (rows[i - 1] as Reading).value));

  it('raises the alarm at the failures and hardly elsewhere', () => {
    const monitor = new ResidualMonitor({ reference: residualReference(residuals.slice(1000, 2000)) });
    const raised = rows.slice(2000).filter((_row, i) => monitor.update(residuals[2000 + i] as number).raised);
    // Labelled: 15–30 December 2013 and 29 March – 20 April 2014; the recording ends at the end of May with the failure of the system.
    expect(
      raised.map(({ time }) => time.slice(0, 7)).filter((month) => !['2013-12', '2014-04', '2014-05'].includes(month)),
    ).toEqual([]);
    expect(raised.some(({ time }) => time >= '2014-03-29' && time <= '2014-04-21')).toBe(true);
  });

  it('stays quiet on the residuals of the last hour’s value until the system fails', () => {
    const monitor = new ResidualMonitor({ reference: residualReference(lastHour.slice(1000, 2000)) });
    const sounding = rows.slice(2000).filter((_row, i) => monitor.update(lastHour[2000 + i] as number).alarm);
    expect(sounding.filter(({ time }) => time < '2014-05-15')).toEqual([]);
  });

  it('finds a doubled error within 100 hours, wherever it begins', () => {
    const reference = residualReference(lastHour.slice(1000, 2000));
    const delays = Array.from({ length: 12 }, (_, k) => {
      const from = 2000 + k * 400;
      const monitor = new ResidualMonitor({ reference });
      for (const residual of lastHour.slice(from - 300, from)) monitor.update(residual);
      return lastHour.slice(from, from + 300).findIndex((residual) => monitor.update(2 * residual).alarm);
    });
    expect(delays.filter((delay) => delay < 0 || delay > 100)).toEqual([]);
  });
});
