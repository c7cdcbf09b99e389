import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { qualityReport, readReadings, type Finding, type QualityOptions, type Reading } from './index.ts';
import { hampelDeviations, quantile, robustScale } from './robust.ts';

const { robust } = JSON.parse(readFileSync(new URL('fixtures/reference.json', import.meta.url), 'utf8')) as {
  robust: { sample: number[]; quantiles: Record<string, number>; scale: number; series: number[]; hampel: number[] };
};
const minute = 60_000;
const start = Date.UTC(2026, 0, 5);

/** Ten days of a calm room, read every ten minutes in steps of 1/16 °C. */
function room(count = 1440, seed = 1): Reading[] {
  const random = createRandom(seed);
  let slow = 0;
  return Array.from({ length: count }, (_, i) => {
    slow = 0.98 * slow + 0.1 * random.normal();
    const value = 21 + 1.5 * Math.sin((2 * Math.PI * i) / 144) + slow + 0.03 * random.normal();
    return { time: start + i * 10 * minute, value: Math.round(value * 16) / 16 };
  });
}

const check = (readings: readonly Reading[], options: QualityOptions = {}) =>
  qualityReport(readings, { quantity: 'temperature', unit: '°C', ...options });
const find = (readings: readonly Reading[], code: Finding['code'], options?: QualityOptions): Finding | undefined =>
  check(readings, options).findings.find((finding) => finding.code === code);
const changed = (readings: readonly Reading[], at: number, values: (i: number) => number, count = 1): Reading[] =>
  readings.map((reading, i) => (i >= at && i < at + count ? { ...reading, value: values(i) } : reading));

describe('qualityReport', () => {
  it('finds nothing wrong with a calm room, whatever the seed', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const report = check(room(1440, seed));
      expect(report.findings).toEqual([]);
      expect(report).toMatchObject({
        usable: true,
        readings: 1440,
        medianIntervalMs: 10 * minute,
        jitter: 0,
        resolution: 0.0625,
      });
      expect(report.reason).toBe('1440 readings over 10.0 days, nothing to worry about');
    }
  });

  const cases: Record<
    string,
    [readings: Reading[], expected: Partial<Finding> & Pick<Finding, 'code'>, options?: QualityOptions]
  > = {
    'too little': [room(50), { code: 'too-little-data', severity: 'error', count: 50 }],
    'a short span': [room(250), { code: 'short-span', severity: 'warning' }],
    'NaN and infinities': [
      changed(room(), 100, () => Number.NaN, 20),
      {
        code: 'not-finite',
        severity: 'warning',
        count: 20,
        firstTime: start + 1000 * minute,
        lastTime: start + 1190 * minute,
      },
    ],
    'mostly NaN': [changed(room(), 0, () => Number.NaN, 900), { code: 'not-finite', severity: 'error', count: 900 }],
    'the future': [room(), { code: 'future-dated', severity: 'warning', count: 133 }, { now: start + 13_000 * minute }],
    'late readings': [
      [...room().slice(0, 9), room()[10]!, room()[9]!, ...room().slice(11)],
      { code: 'out-of-order', severity: 'info', count: 1 },
    ],
    'a shuffled file': [createRandom(1).shuffle(room()), { code: 'out-of-order', severity: 'warning' }],
    repeats: [[...room(), ...room().slice(-5)], { code: 'duplicate-time', severity: 'info', count: 5 }],
    contradictions: [
      [...room(), { ...room()[1439]!, value: 3 }],
      { code: 'duplicate-time', severity: 'warning', count: 1 },
    ],
    'a clock set back': [
      room().map((reading, i) => ({ ...reading, time: reading.time - (i >= 700 ? 55 * minute : 0) })),
      { code: 'clock-step', severity: 'warning', count: 1, firstTime: start + 6945 * minute },
    ],
    gaps: [
      room().filter((_, i) => i < 300 || i >= 500),
      { code: 'gap', severity: 'warning', count: 1, firstTime: start + 2990 * minute, lastTime: start + 5000 * minute },
    ],
    'irregular times': [
      room().map((reading, i) => ({ ...reading, time: reading.time + [0, 4, 9, 2, 7][i % 5]! * minute })),
      { code: 'irregular-sampling', severity: 'info' },
    ],
    'a spike': [
      changed(room(), 500, () => 40),
      { code: 'outlier', severity: 'info', count: 1, firstTime: start + 5000 * minute },
    ],
    'a dip of three readings': [changed(room(), 500, () => 5, 3), { code: 'outlier', count: 3 }],
    "a DS18B20's power-on value": [
      changed(room(), 500, () => 85),
      { code: 'implausible', severity: 'warning', count: 1 },
    ],
    'a sensor that is not there': [
      changed(room(), 500, () => -127, 100),
      { code: 'implausible', severity: 'error', count: 100 },
    ],
    'a stuck sensor': [
      changed(room(), 900, () => 21.5, 200),
      {
        code: 'stuck',
        severity: 'warning',
        count: 1,
        firstTime: start + 9000 * minute,
        lastTime: start + 10_990 * minute,
      },
    ],
    'a dead sensor': [
      room().map((reading) => ({ ...reading, value: 21 })),
      { code: 'constant', severity: 'error', count: 1440 },
    ],
    '°F said to be °C': [
      room().map(({ time, value }) => ({ time, value: 1.8 * value + 32 })),
      { code: 'unit-suspicion', severity: 'warning' },
    ],
    'K said to be °C': [
      room().map(({ time, value }) => ({ time, value: value + 273.15 })),
      { code: 'unit-suspicion', severity: 'warning' },
    ],
    '°C said to be °F': [room(), { code: 'unit-suspicion', severity: 'warning' }, { unit: '°F' }],
    'no unit': [room(), { code: 'unit-suspicion', severity: 'info' }, { unit: '' }],
    'a unit that changes': [
      changed(room(), 700, (i) => 1.8 * room()[i]!.value + 32, 2000),
      { code: 'unit-change', severity: 'warning', count: 1 },
    ],
  };
  for (const [what, [readings, expected, options]] of Object.entries(cases)) {
    it(`finds ${what}`, () => {
      const report = check(readings, options);
      const finding = report.findings.find(({ code }) => code === expected.code);
      expect(finding).toMatchObject(expected);
      expect(report.usable).toBe(finding?.severity !== 'error');
      if (!report.usable) expect(report.reason).toBe(report.findings[0]!.message);
      expect(finding?.message).toMatch(/^[^\n]{20,200}[^.\n]$/);
    });
  }

  it('does not take a change of regime, a heater that switches, or an open window for a broken sensor', () => {
    const shifted = changed(room(), 700, (i) => room()[i]!.value + 4, 2000);
    const switching = room().map((reading, i) => ({ ...reading, value: 20 + (Math.floor(i / 6) % 2) }));
    const window = changed(room(), 700, (i) => 21 - 6 * Math.exp(-(i - 700) / 3), 12);
    for (const readings of [shifted, switching, window]) expect(find(readings, 'outlier')).toBeUndefined();
    expect(find(switching, 'stuck')).toBeUndefined();
  });

  it('does not ask for the unit of what is no temperature', () => {
    const codes = qualityReport(room().map(({ time, value }) => ({ time, value: value * 100 }))).findings;
    expect(codes).toEqual([]);
  });

  it('answers any readings without throwing, errors first, and counts within bounds', () => {
    const any = fc.record({
      time: fc.oneof(fc.integer({ min: 0, max: 1e6 }), fc.double(), fc.constant(5)),
      value: fc.oneof(fc.double(), fc.integer({ min: -3, max: 3 })),
    });
    fc.assert(
      fc.property(
        fc.array(any, { maxLength: 120 }),
        fc.constantFrom('temperature', ''),
        fc.constantFrom('', '°C', 'bar'),
        (list, quantity, unit) => {
          const report = qualityReport(list as Reading[], { quantity, unit, now: 1e5, minimum: 40 });
          const ranks = report.findings.map(({ severity }) => ['error', 'warning', 'info'].indexOf(severity));
          expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
          for (const { count } of report.findings) expect(count).toBeLessThanOrEqual(list.length);
          expect(report.readings).toBe(list.length);
        },
      ),
      { numRuns: 500 },
    );
  });
});

const shared = process.env['SANDERLING_SHARED'] ?? join(import.meta.dirname, '../../../../shared');
const tool = join(shared, 'tools/data');

describe.skipIf(!existsSync(tool))('real files (skipped without the shared data)', () => {
  const unpack = (name: string): string => join(execFileSync(tool, [name], { encoding: 'utf8' }).trim(), name);

  it('an office over eleven months: usable, with its gaps', async () => {
    const path = join(unpack('temperature-nab'), 'data/realKnownCause/ambient_temperature_system_failure.csv');
    const { readings, report } = await readReadings(path);
    expect(report).toMatchObject({ readings: 7267, valueColumn: 'value', skipped: [] });
    const quality = qualityReport(readings, { quantity: 'temperature' });
    expect(quality).toMatchObject({ usable: true, medianIntervalMs: 3_600_000 });
    expect(quality.findings.map(({ code }) => code)).toEqual(['gap', 'unit-suspicion']);
  });

  it('the occupancy files: eight fields under seven names', async () => {
    const folder = unpack('temperature-occupancy');
    for (const [file, rows] of [
      ['datatest.txt', 2665],
      ['datatraining.txt', 8143],
      ['datatest2.txt', 9752],
    ] as const) {
      const { readings, report } = await readReadings(join(folder, file));
      expect(report).toMatchObject({ readings: rows, timeColumn: 'date', valueColumn: 'Temperature', skipped: [] });
      const quality = qualityReport(readings, { quantity: 'temperature', unit: '°C' });
      expect(quality.usable).toBe(true);
      expect(quality.findings.filter(({ code }) => code !== 'short-span')).toEqual([]);
    }
  });
});

describe('robust statistics', () => {
  it('agree with NumPy, SciPy and pandas', () => {
    const sorted = Float64Array.from(robust.sample).sort();
    for (const [q, value] of Object.entries(robust.quantiles))
      expect(quantile(sorted, Number(q))).toBeCloseTo(value, 12);
    expect(robustScale(Float64Array.from(robust.sample))).toBeCloseTo(robust.scale, 9);
    const deviations = hampelDeviations(Float64Array.from(robust.series), 5);
    for (const [i, value] of robust.hampel.entries()) expect(deviations[i]).toBeCloseTo(value, 9);
  });
});
