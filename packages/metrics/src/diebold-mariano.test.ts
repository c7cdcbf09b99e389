// Against numpy and scipy (fixtures/make-fixtures.py).
import { readFileSync } from 'node:fs';
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { dieboldMariano, mae, mape, r2, rmse } from './index.ts';
import { studentCdf } from './student.ts';

interface Case {
  readonly horizon: number;
  readonly loss: 'absolute' | 'squared';
  readonly a: number[];
  readonly b: number[];
  readonly statistic: number;
  readonly twoSided: number;
  readonly aBetter: number;
}

interface Regression {
  readonly actual: number[];
  readonly predicted: number[];
  readonly mae: number;
  readonly rmse: number;
  readonly mape: number;
  readonly r2: number;
}

function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8'));
}

function normal(count: number, scale: number, seed: string): number[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => scale * random.normal());
}

describe('Diebold–Mariano', () => {
  test.each(load('diebold-mariano') as Case[])(
    'horizon $horizon, $loss loss',
    ({ a, b, horizon, loss, ...expected }) => {
      const result = dieboldMariano(a, b, { horizon, loss });
      expect(result.statistic / expected.statistic).toBeCloseTo(1, 9);
      expect(result.pValue / expected.twoSided).toBeCloseTo(1, 8);
      expect(dieboldMariano(a, b, { horizon, loss, alternative: 'a-better' }).pValue).toBeCloseTo(expected.aBetter, 10);
      expect(dieboldMariano(b, a, { horizon, loss, alternative: 'a-worse' }).pValue).toBeCloseTo(expected.aBetter, 10);
      expect(result.window).toBe('rectangular');
    },
  );

  test('equal models: rejected about as often as the level says', () => {
    let rejected = 0;
    for (let s = 0; s < 1000; s++) {
      if (dieboldMariano(normal(50, 1, `l${s}`), normal(50, 1, `r${s}`)).pValue < 0.05) rejected++;
    }
    expect(rejected).toBeGreaterThan(25);
    expect(rejected).toBeLessThan(80);
  });

  test('a worse model is found out, and the same model never', () => {
    const a = normal(300, 1, 'a');
    const b = normal(300, 1.5, 'b');
    expect(dieboldMariano(a, b).pValue).toBeLessThan(0.001);
    expect(dieboldMariano(a, b).statistic).toBeLessThan(0);
    expect(dieboldMariano(a, a, { horizon: 5 })).toMatchObject({ statistic: 0, pValue: 1, meanDifference: 0 });
  });

  test("where the paper's window gives no positive variance another one is used, and named", () => {
    // The loss difference alternates: its neighbours are as far apart as can be.
    const a = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 2 : 1.001));
    const result = dieboldMariano(a, Array(40).fill(1.5), { horizon: 2 });
    expect(result.window).toBe('bartlett');
    expect(result.pValue >= 0 && result.pValue <= 1).toBe(true);
  });

  test.each<[string, () => unknown, string]>([
    ['few rows', () => dieboldMariano([1, 2], [1, 2]), 'TOO_LITTLE_DATA'],
    [
      'a horizon beyond half of the rows',
      () => dieboldMariano(normal(20, 1, 'x'), normal(20, 1, 'y'), { horizon: 11 }),
      'TOO_LITTLE_DATA',
    ],
    ['unequal lengths', () => dieboldMariano([1, 2], [1]), 'INVALID_DATA'],
    ['a difference that never varies', () => dieboldMariano(Array(20).fill(2), Array(20).fill(1)), 'INVALID_DATA'],
    ['losses that overflow', () => dieboldMariano(normal(20, 1e200, 'x'), normal(20, 1, 'y')), 'INVALID_DATA'],
    ['horizon zero', () => dieboldMariano(normal(20, 1, 'x'), normal(20, 1, 'y'), { horizon: 0 }), 'INVALID_ARGUMENT'],
    ['an unknown loss', () => dieboldMariano([1], [1], { loss: 'valueOf' as never }), 'INVALID_ARGUMENT'],
  ])('refuses %s', (_, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }));
  });
});

test("Student's t agrees with scipy, far into the tail", () => {
  for (const [t, freedom, expected] of load('student') as [number, number, number][]) {
    if (expected === 0) expect(studentCdf(t, freedom)).toBeLessThan(1e-300);
    else expect(studentCdf(t, freedom) / expected).toBeCloseTo(1, 9);
  }
});

test('regression metrics agree with scikit-learn', () => {
  const fixture = load('regression') as Regression;
  const { actual, predicted } = fixture;
  expect(mae(actual, predicted)).toBeCloseTo(fixture.mae, 12);
  expect(rmse(actual, predicted)).toBeCloseTo(fixture.rmse, 12);
  expect(mape(actual, predicted)).toBeCloseTo(fixture.mape, 12);
  expect(r2(actual, predicted)).toBeCloseTo(fixture.r2, 12);
});
