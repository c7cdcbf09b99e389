import { SanderlingError } from '@sanderling/kit';
import { array, assert, integer, property, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bias, mae, mape, mase, perHorizon, r2, regressionMetrics, rmse, smape } from './index.ts';

const actual = [3, -0.5, 2, 7];
const predicted = [2.5, 0, 2, 8];

/** The code of the error that `act` throws. */
function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `uncoded: ${String(error)}`;
  }
  return 'no error';
}

describe('regression metrics', () => {
  // The worked examples of scikit-learn's documentation for the same data.
  test('agree with the worked example', () => {
    expect(mae(actual, predicted)).toBe(0.5);
    expect(rmse(actual, predicted)).toBeCloseTo(0.6123724356957945, 15);
    expect(r2(actual, predicted)).toBeCloseTo(0.9486081370449679, 15);
    expect(mape(actual, predicted)).toBeCloseTo(0.3273809523809524, 15);
    expect(bias(actual, predicted)).toBe(0.25);
  });

  test('smape stays in 0…2 and counts two zeros as no error', () => {
    expect(smape([0, 1], [0, 3])).toBe(0.5);
    expect(smape([0, -1], [5, 1])).toBe(2);
  });

  test('mase is 1 for the seasonal naive forecast itself', () => {
    const training = [1, 5, 2, 7, 1, 6, 4, 8];
    const naive = training.slice(0, -2);
    expect(mase(training.slice(2), naive, { training, season: 2 })).toBe(1);
    expect(mase([10, 12], [11, 11], { training: [1, 3, 5, 7] })).toBe(0.5);
  });

  test('the report has null where the data leave a metric undefined', () => {
    const report = regressionMetrics([0, 0, 0], [1, 1, 1], { training: [4, 4, 4] });
    expect(report).toMatchObject({ count: 3, mae: 1, rmse: 1, bias: 1, smape: 2, mape: null, r2: null, mase: null });
  });

  test('per horizon counts each step apart', () => {
    const rows = perHorizon([Float64Array.of(1, -3), Float64Array.of(-1, -4)]);
    expect(rows).toEqual([
      { step: 1, count: 2, mae: 1, rmse: 1, bias: 0 },
      { step: 2, count: 2, mae: 3.5, rmse: Math.sqrt(12.5), bias: -3.5 },
    ]);
  });

  test.each([
    ['empty', () => mae([], []), 'TOO_LITTLE_DATA'],
    ['unequal lengths', () => rmse([1, 2], [1]), 'INVALID_DATA'],
    ['NaN', () => mae([1, Number.NaN], [1, 2]), 'INVALID_DATA'],
    ['infinity', () => bias([1, 2], [1, -Infinity]), 'INVALID_DATA'],
    ['a hole', () => mae([1, undefined as unknown as number], [1, 2]), 'INVALID_DATA'],
    ['text', () => mae('12' as unknown as number[], [1, 2]), 'INVALID_ARGUMENT'],
    ['overflow', () => rmse([-1e200], [1e200]), 'INVALID_DATA'],
    ['mape of a zero', () => mape([0], [1]), 'INVALID_DATA'],
    ['r2 of a constant', () => r2([1, 1], [1, 2]), 'INVALID_DATA'],
    ['mase of a short training series', () => mase([1], [1], { training: [1, 2], season: 2 }), 'TOO_LITTLE_DATA'],
    ['mase of a constant training series', () => mase([1], [1], { training: [2, 2] }), 'INVALID_DATA'],
    ['season zero', () => mase([1], [1], { training: [1, 2], season: 0 }), 'INVALID_ARGUMENT'],
    ['no forecasts', () => perHorizon([]), 'TOO_LITTLE_DATA'],
    ['ragged forecasts', () => perHorizon([[1, 2], [1]]), 'INVALID_DATA'],
  ])('bad input: %s', (_, act, code) => {
    expect(codeOf(act)).toBe(code);
  });

  test('mae ≤ rmse and |bias| ≤ mae, for any data', () => {
    const value = integer({ min: -1e9, max: 1e9 }).map((thousandths) => thousandths / 1000);
    assert(
      property(array(tuple(value, value), { minLength: 1, maxLength: 50 }), (pairs) => {
        const y = pairs.map(([v]) => v);
        const p = pairs.map(([, v]) => v);
        expect(mae(y, p)).toBeLessThanOrEqual(rmse(y, p) * (1 + 1e-12));
        expect(Math.abs(bias(y, p))).toBeLessThanOrEqual(mae(y, p) * (1 + 1e-12));
      }),
    );
  });
});
