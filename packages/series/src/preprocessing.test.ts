import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '@sanderling/kit';
import {
  decodeForecast,
  encodeSeries,
  expandFeatures,
  fitPreprocessing,
  parsePreprocessing,
  type Grid,
} from './index.ts';

const day = 86_400_000;
const grid = (values: readonly number[], start = 0, stepMs = 3_600_000): Grid => ({
  start,
  stepMs,
  values: Float64Array.from(values),
});
const shape = { window: 2, horizon: 3 };

describe('fitPreprocessing', () => {
  it('learns from the training part alone', () => {
    const part = fc.array(fc.double({ min: -40, max: 40, noNaN: true }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(part, part, part, (train, later, other) => {
        const range = { from: 0, to: train.length };
        expect(fitPreprocessing(grid([...train, ...later]), range, shape)).toEqual(
          fitPreprocessing(grid([...train, ...other]), range, shape),
        );
      }),
    );
  });

  it('takes mean and population deviation over what is known', () => {
    const fitted = fitPreprocessing(grid([1, 3, Number.NaN, 5, 7, 1000]), { from: 0, to: 5 }, { ...shape, unit: '°C' });
    expect(fitted).toMatchObject({ mean: 4, std: Math.sqrt(5), differenceStd: 2, unit: '°C', window: 2, horizon: 3 });
    expect(fitPreprocessing(grid([7, 7, 7]), { from: 0, to: 3 }, shape).std).toBe(1);
    expect(() => fitPreprocessing(grid([1, Number.NaN]), { from: 0, to: 2 }, shape)).toThrow(
      expect.objectContaining({ code: 'TOO_LITTLE_DATA' }),
    );
  });

  it('is plain JSON that reads back as it was', () => {
    const fitted = fitPreprocessing(grid([1, 2, 4]), { from: 0, to: 3 }, shape);
    expect(parsePreprocessing(JSON.parse(canonicalJson(fitted)))).toEqual(fitted);
  });

  it('names the field that is wrong', () => {
    const good = fitPreprocessing(grid([1, 2, 4]), { from: 0, to: 3 }, shape);
    const wrong = {
      std: 0,
      mean: null,
      window: 1.5,
      horizon: 0,
      features: ['hour-sin'],
      stepMs: -1,
      offsetMs: Number.NaN,
      version: 2,
      unit: 3,
      clampSigma: 'x',
    };
    for (const [field, value] of Object.entries(wrong)) {
      const where = expect.objectContaining({ code: 'INVALID_ARGUMENT', where: `preprocessing.${field}` });
      expect(() => parsePreprocessing({ ...good, [field]: value })).toThrow(where);
    }
    fc.assert(
      fc.property(fc.anything(), (json) => {
        expect(() => parsePreprocessing(json)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      }),
    );
  });
});

describe('encodeSeries', () => {
  it('writes each feature as its definition says', () => {
    // Monday 2026-01-05, six in the morning UTC: a quarter of the day and of the week's first day.
    const start = Date.UTC(2026, 0, 5, 6);
    const features = expandFeatures(['difference', 'hour-of-day', 'day-of-week']);
    const p = fitPreprocessing(grid([10, 14], start), { from: 0, to: 2 }, { ...shape, features });
    const { series, rowTimes } = encodeSeries(grid([10, 14], start), p);
    const week = (2 * Math.PI) / 28;
    const expected = [-1, 0, 1, 0, Math.sin(week), Math.cos(week)];
    for (const [i, value] of expected.entries()) expect(series[i]).toBeCloseTo(value, 6);
    expect(series[6]).toBeCloseTo(1, 6);
    expect(series[7]).toBeCloseTo(1, 6);
    expect([...rowTimes]).toEqual([start, start + day / 24]);
  });

  it('holds outliers within the clamp and is finite across gaps', () => {
    const p = fitPreprocessing(
      grid([0, 1, 0, 1]),
      { from: 0, to: 4 },
      { ...shape, clampSigma: 3, features: ['value', 'difference'] },
    );
    const { series } = encodeSeries(grid([0, 1e9, Number.NaN, -1e9]), p);
    expect([...series].every((x) => Number.isFinite(x) && Math.abs(x) <= 3)).toBe(true);
    expect(series[2]).toBe(3);
    expect(series[6]).toBe(-3);
  });

  it('refuses a grid on another lattice', () => {
    const p = fitPreprocessing(grid([0, 1, 0, 1]), { from: 0, to: 4 }, shape);
    expect(() => encodeSeries(grid([0, 1], 1), p)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('decodeForecast', () => {
  it('undoes the normalisation and puts times after the last row', () => {
    const p = fitPreprocessing(grid([10, 14]), { from: 0, to: 2 }, shape);
    expect(decodeForecast([-1, 0, 1], p, 1000)).toEqual([
      { time: 1000 + p.stepMs, value: 10 },
      { time: 1000 + 2 * p.stepMs, value: 12 },
      { time: 1000 + 3 * p.stepMs, value: 14 },
    ]);
    expect(() => decodeForecast([1], p, 0)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('expandFeatures', () => {
  it('puts value first, opens pairs, drops repeats and refuses strangers', () => {
    expect(expandFeatures(['hour-of-day', 'value', 'hour-sin'])).toEqual(['value', 'hour-sin', 'hour-cos']);
    expect(() => expandFeatures(['humidity'])).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', where: 'features' }),
    );
    expect(() => expandFeatures(['constructor'])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
