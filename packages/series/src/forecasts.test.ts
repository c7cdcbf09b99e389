import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  actualsAt,
  baselineForecasts,
  chooseSeason,
  decodeForecasts,
  evaluateForecasts,
  fitLinear,
  fitPreprocessing,
  ForecastLedger,
  parsePreprocessing,
  suggestTask,
  WindowBuffer,
  windowStarts,
  type ForecastLedgerState,
  type ForecastMatrix,
  type Grid,
} from './index.ts';

const hour = 3_600_000;
const { ridge } = JSON.parse(readFileSync(new URL('fixtures/reference.json', import.meta.url), 'utf8')) as {
  ridge: { walk: number[]; window: number; horizon: number; alpha: number; starts: number[]; forecast: number[] };
};
const hourly = (values: ArrayLike<number>): Grid => ({ start: 0, stepMs: hour, values: Float64Array.from(values) });
const nan = Number.NaN;

describe('baselines', () => {
  const grid = hourly([1, 2, 3, 4, 5, 6, 9, 9]);
  const task = { window: 3, horizon: 2, starts: [1], season: 4 };
  const of = (
    name: 'persistence' | 'seasonal-naive' | 'drift' | 'window-mean',
    on = grid,
    season?: number,
  ): number[] => [...baselineForecasts(name, on, season === undefined ? task : { ...task, season }).values];

  it('forecast what their names say', () => {
    expect(of('persistence')).toEqual([4, 4]);
    expect(of('drift')).toEqual([5, 6]);
    expect(of('window-mean')).toEqual([3, 3]);
    expect(of('seasonal-naive')).toEqual([1, 2]);
  });

  it('step over gaps in the past, and over seasons that the forecast itself spans', () => {
    const holed = hourly([1, 2, 3, 4, nan, 6, 7, 8, 9, 10, 11, 12]);
    const far = { window: 2, horizon: 3, starts: [7], season: 4 };
    expect([...baselineForecasts('seasonal-naive', holed, far).values]).toEqual([6, 7, 8]);
    const gap = { window: 2, horizon: 1, starts: [6], season: 4 };
    expect([...baselineForecasts('seasonal-naive', holed, gap).values]).toEqual([1]);
    const short = { window: 2, horizon: 5, starts: [2], season: 2 };
    expect([...baselineForecasts('seasonal-naive', hourly([1, 2, 3, 4, 5, 6, 7, 8, 9]), short).values]).toEqual([
      3, 4, 3, 4, 3,
    ]);
    expect(of('seasonal-naive', hourly([nan, nan, 3, 4, 5, 6]), 4)).toEqual([4, 4]);
  });

  it('choose the week for a weekly pattern, the day for a daily one, nothing for too little', () => {
    const shape = { window: 6, horizon: 6 };
    const daily = hourly(
      Float64Array.from({ length: 24 * 30 }, (_, i) => Math.sin((2 * Math.PI * i) / 24) + 0.001 * i),
    );
    const weekly = hourly(
      Float64Array.from({ length: 24 * 30 }, (_, i) => (Math.floor(i / 24) % 7 < 5 ? (i % 24) ** 2 : 0)),
    );
    expect(chooseSeason(daily, { from: 0, to: 700 }, shape)).toBe(24);
    expect(chooseSeason(weekly, { from: 0, to: 700 }, shape)).toBe(168);
    expect(chooseSeason(daily, { from: 0, to: 40 }, shape)).toBeUndefined();
    expect(chooseSeason({ ...daily, stepMs: 7 * 60_000 }, { from: 0, to: 700 }, shape)).toBeUndefined();
  });
});

describe('evaluateForecasts', () => {
  const matrix = (values: readonly number[], horizon: number): ForecastMatrix => ({
    windows: values.length / horizon,
    horizon,
    values: Float64Array.from(values),
  });

  it('gives errors per window and per step in the original unit', () => {
    const errors = evaluateForecasts(matrix([1, 2, 3, 4], 2), matrix([1, 4, 0, 0], 2));
    expect(errors).toMatchObject({ mae: 9 / 4, rmse: Math.sqrt(29 / 4), bias: 5 / 4, worst: 4 });
    expect([...errors.perWindow]).toEqual([1, 3.5]);
    expect([...errors.perStep]).toEqual([1.5, 3]);
  });

  it('has the mean of both views equal to the error', () => {
    const values = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(values, values, (a, b) => {
        const { mae, perWindow, perStep } = evaluateForecasts(matrix(a, 3), matrix(b, 3));
        expect(perWindow.reduce((sum, x) => sum + x / 4, 0)).toBeCloseTo(mae, 9);
        expect(perStep.reduce((sum, x) => sum + x / 3, 0)).toBeCloseTo(mae, 9);
      }),
    );
  });

  it('refuses shapes that differ, numbers that are none, and nothing', () => {
    expect(() => evaluateForecasts(matrix([1, 2], 1), matrix([1, 2], 2))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    expect(() => evaluateForecasts(matrix([nan], 1), matrix([1], 1))).toThrow(
      expect.objectContaining({ code: 'INVALID_DATA' }),
    );
    expect(() => evaluateForecasts(matrix([], 1), matrix([], 1))).toThrow(
      expect.objectContaining({ code: 'TOO_LITTLE_DATA' }),
    );
  });

  it('reads the targets of each window from the grid', () => {
    expect([...actualsAt(hourly([0, 1, 2, 3, 4, 5]), [0, 2], { window: 2, horizon: 2 }).values]).toEqual([2, 3, 4, 5]);
    const p = fitPreprocessing(hourly([10, 14]), { from: 0, to: 2 }, { window: 1, horizon: 2 });
    expect([...decodeForecasts([0, 1, -1, 0], p).values]).toEqual([12, 14, 10, 12]);
    expect(() => decodeForecasts([1, 2, 3], p)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('fitLinear', () => {
  it("gives scikit-learn's ridge forecasts", () => {
    const encoded = {
      series: Float32Array.from(ridge.walk),
      rowTimes: new Float64Array(ridge.walk.length),
      rows: ridge.walk.length,
      features: 1,
    };
    const { window, horizon, alpha, starts, forecast } = ridge;
    const out = fitLinear(encoded, { window, horizon, starts, ridge: alpha }).forecast(encoded, starts);
    for (const [i, expected] of forecast.entries()) expect(out[i]).toBeCloseTo(expected, 6);
  });
});

describe('ForecastLedger', () => {
  const shape = { stepMs: 100, offsetMs: 0, horizon: 3 };
  const forecast = (last: number, values: readonly number[]) =>
    values.map((value, i) => ({ time: last + (i + 1) * 100, value }));

  it('meets each reading with every earlier forecast for it, by steps ahead', () => {
    const ledger = new ForecastLedger(shape);
    ledger.add(forecast(0, [1, 2, 3]));
    expect(ledger.observe({ time: 100, value: 5 })).toEqual([
      { step: 1, time: 100, forecast: 1, actual: 5, residual: 4 },
    ]);
    ledger.add(forecast(100, [10, 20, 30]));
    const residuals = ledger.observe({ time: 203, value: 6 });
    expect(residuals.map(({ step, residual }) => [step, residual])).toEqual([
      [1, -4],
      [2, 4],
    ]);
    expect(ledger.observe({ time: 204, value: 6 })).toEqual([]);
    expect(ledger.waiting).toBe(2);
  });

  it('waits for a cell to fill when readings are dense, and judges by their mean', () => {
    const ledger = new ForecastLedger(shape);
    ledger.add(forecast(0, [1, 2, 3]));
    expect(ledger.observe({ time: 60, value: 10 })).toEqual([]);
    expect(ledger.observe({ time: 90, value: 20 })).toMatchObject([{ step: 1, actual: 15 }]);
    ledger.observe({ time: 155, value: 4 });
    expect(ledger.observe({ time: 260, value: 9 })).toMatchObject([{ step: 2, actual: 4 }]);
  });

  it('drops what never gets a reading, takes no late or odd ones, and stays bounded', () => {
    const ledger = new ForecastLedger(shape);
    ledger.add(forecast(0, [1, 2, 3]));
    expect(ledger.observe({ time: 1000, value: 1 })).toEqual([]);
    expect(ledger.waiting).toBe(0);
    expect(ledger.observe({ time: 100, value: 1 })).toEqual([]);
    expect(ledger.observe({ time: nan, value: 1 })).toEqual([]);
    for (let i = 0; i < 1000; i++) ledger.add(forecast(2000 + i * 1e6, [1, 2, 3]));
    expect(ledger.waiting).toBeLessThanOrEqual(6);
  });

  it('settles the same from its state, wherever it is stored, also within a cell', () => {
    const moves = fc.array(fc.tuple(fc.integer({ min: -60, max: 150 }), fc.boolean(), fc.boolean()), { minLength: 20 });
    fc.assert(
      fc.property(moves, (list) => {
        const ledger = new ForecastLedger(shape);
        let stored = new ForecastLedger(shape);
        let time = 1000;
        for (const [i, [move, forecasts, stops]] of list.entries()) {
          time += move;
          expect(stored.observe({ time, value: i })).toEqual(ledger.observe({ time, value: i }));
          const points = forecast(100 * Math.floor(time / 100 + 0.5), [i, 2 * i, 3 * i]);
          if (forecasts) for (const each of [ledger, stored]) each.add(points);
          if (!stops) continue;
          const state = JSON.parse(JSON.stringify(stored.state())) as ForecastLedgerState;
          stored = new ForecastLedger(shape);
          stored.restore(state);
        }
        expect(stored.state()).toEqual(ledger.state());
      }),
    );
  });

  it('judges again as soon as the window does, after the clock jumped ahead and came back', () => {
    const p = clockPreprocessing;
    for (const [ahead, step] of [
      [40 * 24 * hour, 100],
      [2000, 100],
      [1e6, 30],
    ] as const) {
      const buffer = new WindowBuffer(p);
      let ledger = new ForecastLedger(p);
      const times = [
        ...Array.from({ length: 40 }, (_, i) => 5000 + i * step),
        ...Array.from({ length: 15 }, (_, i) => 5000 + 40 * step + ahead + i * step),
        ...Array.from({ length: 60 }, (_, i) => 5000 + 55 * step + i * step),
      ];
      let restartedAt = Infinity;
      let forecastAt = Infinity;
      const judged: number[] = [];
      for (const [i, time] of times.entries()) {
        const status = buffer.push({ time, value: i });
        if (status === 'restarted') restartedAt = i;
        for (const residual of ledger.observe({ time, value: i })) {
          if (i < restartedAt) continue;
          judged.push(i);
          // Every forecast is the number of the row that it was made at: none of the other clock's is settled.
          expect(residual.forecast).toBe(residual.time / 100 - residual.step);
        }
        if (!buffer.ready || ['late', 'stale'].includes(status)) continue;
        if (i > restartedAt) forecastAt = Math.min(forecastAt, i);
        ledger.add(forecast(buffer.lastTime, Array(3).fill(buffer.lastTime / 100)));
        if (i % 3 > 0) continue;
        const stored = ledger;
        ledger = new ForecastLedger(p);
        ledger.restore(JSON.parse(JSON.stringify(stored.state())) as ForecastLedgerState);
      }
      expect([restartedAt, forecastAt].every(Number.isFinite), `${ahead} ms ahead`).toBe(true);
      const readingsPerStep = Math.ceil(100 / step);
      expect(judged[0]! - forecastAt, `${ahead} ms ahead`).toBeLessThanOrEqual(2 * readingsPerStep);
      expect(judged.length).toBeGreaterThan(40 / readingsPerStep);
    }
  });

  it('goes on after a restart, and refuses a damaged state', () => {
    const ledger = new ForecastLedger(shape);
    ledger.add(forecast(0, [1, 2, 3]));
    const restarted = new ForecastLedger(shape);
    restarted.restore(JSON.parse(JSON.stringify(ledger.state())) as ReturnType<ForecastLedger['state']>);
    expect(restarted.observe({ time: 200, value: 7 })).toMatchObject([{ step: 2, forecast: 2, residual: 5 }]);
    const spoilt = [[0.5, 1, 1], [1, null, 1], [1, 1, -1], [1, 1], 'x', null].map((observed) => ({
      version: 1,
      observed,
      waiting: [],
    }));
    const damaged = [undefined, {}, { version: 1, waiting: [[0.5, []]] }, { version: 1, waiting: [[1, ['x']]] }];
    for (const bad of [...damaged, ...spoilt]) {
      expect(() => restarted.restore(bad as never)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
    }
  });
});

/** Steps of 100 ms: the buffer keeps 4 windows and a row. */
const clockPreprocessing = parsePreprocessing({
  version: 1,
  stepMs: 100,
  offsetMs: 0,
  window: 4,
  horizon: 3,
  features: ['value'],
  mean: 0,
  std: 1,
  differenceStd: 1,
  clampSigma: 8,
  maxInterpolateSteps: 1,
  unit: '°C',
});

describe('suggestTask', () => {
  it('asks for the time of day and the weekday only when the series shows them often enough', () => {
    const of = (days: number): readonly string[] => suggestTask(hourly(new Float64Array(24 * days))).features;
    expect(of(4)).toEqual(['value', 'difference']);
    expect(of(8)).toEqual(['value', 'difference', 'hour-sin', 'hour-cos']);
    expect(of(60)).toContain('weekday-sin');
  });

  it('proposes shapes that leave windows in every part, however gappy', () => {
    const gaps = fc.array(fc.tuple(fc.nat(2999), fc.integer({ min: 1, max: 60 })), { maxLength: 20 });
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 3000 }), gaps, (rows, holes) => {
        const values = new Float64Array(rows).fill(20);
        for (const [at, length] of holes) values.fill(nan, at, at + length);
        const grid = { start: 0, stepMs: 600_000, values };
        const task = suggestTask(grid);
        const { train, test } = windowStarts(grid, task);
        const known = values.filter((value) => !Number.isNaN(value)).length;
        if (holes.length === 0) expect(test.length).toBeGreaterThan(0);
        if (known > 0.9 * rows) expect(train.length).toBeGreaterThan(0);
        expect(task.space.window).toMatchObject({ high: task.window });
      }),
      { numRuns: 50 },
    );
  });
});
