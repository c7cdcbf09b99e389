import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { choice, float, int, space, when, type Params } from './index.ts';
import { ParzenEstimator } from './parzen.ts';
import { samplesOf, type AnySpace } from './space.ts';
import { normalMass, sampleTruncated, truncatedNormal, upperTail } from './truncated-normal.ts';
import { drawParams } from './coordinate.ts';

function observations(of: AnySpace, count: number): readonly Params[] {
  const random = createRandom('observations');
  return Array.from({ length: count }, () => drawParams(of, random));
}

describe('normal distribution', () => {
  // Published values: P(Z > z) to 15 digits (Abramowitz & Stegun, table 26.1, and the tail by its definition through erfc).
  test.each([
    [0, 0.5],
    [1, 0.158655253931457],
    [2, 0.0227501319481792],
    [3, 0.00134989803163009],
    [5, 2.86651571879194e-7],
    [10, 7.61985302416053e-24],
  ])('upper tail of %d', (z, expected) => {
    expect(Math.abs(upperTail(z) / expected - 1)).toBeLessThan(1e-13);
  });

  test('masses far out keep their digits', () => {
    expect(normalMass(9, 10) / (upperTail(9) - upperTail(10))).toBeCloseTo(1, 12);
    expect(normalMass(-10, -9)).toBe(normalMass(9, 10));
    expect(normalMass(-1, 2)).toBeCloseTo(1 - upperTail(1) - upperTail(2), 15);
  });

  test('samples of a cut normal stay inside and have its mean', () => {
    const random = createRandom('cut');
    const cut = truncatedNormal(0, 0.5);
    let sum = 0;
    for (let i = 0; i < 20_000; i++) {
      const unit = sampleTruncated(cut, random);
      expect(unit >= 0 && unit <= 1).toBe(true);
      sum += unit;
    }
    // σ(φ(0) − φ(2)) / (Φ(2) − Φ(0))
    expect(sum / 20_000).toBeCloseTo((0.5 * (0.398942280401433 - 0.0539909665131881)) / 0.477249868051821, 1.9);
  });
});

describe('Parzen estimator', () => {
  test('its probabilities sum to one over a finite space with conditions', () => {
    const finite = space({
      cell: choice(['gru', 'lstm', 'dense']),
      units: when('cell', ['gru', 'lstm'], int(4, 32, { step: 4, log: true })),
      depth: int(1, 5),
    });
    for (const count of [0, 1, 2, 7, 40]) {
      const estimator = new ParzenEstimator(finite, observations(finite, count));
      let sum = 0;
      for (const params of samplesOf(finite)) sum += Math.exp(estimator.logDensity(params));
      expect(sum).toBeCloseTo(1, 10);
    }
  });

  test('its density over real numbers integrates to one', () => {
    const square = space({ x: float(-3, 5), y: float(1e-4, 1, { log: true }) });
    const estimator = new ParzenEstimator(square, observations(square, 12));
    const steps = 300;
    let sum = 0;
    for (let i = 0; i < steps; i++) {
      for (let j = 0; j < steps; j++) {
        // Densities are by coordinate, so that the logarithmic one is flat in the exponent.
        const params = { x: -3 + (8 * (i + 0.5)) / steps, y: 10 ** (-4 + (4 * (j + 0.5)) / steps) };
        sum += Math.exp(estimator.logDensity(params)) / steps ** 2;
      }
    }
    expect(sum).toBeCloseTo(1, 4);
  });

  test('samples come as often as their probability says', () => {
    const small = space({ a: choice(['x', 'y', 'z']), n: int(1, 3) });
    const estimator = new ParzenEstimator(small, [
      { a: 'x', n: 1 },
      { a: 'x', n: 2 },
      { a: 'z', n: 3 },
    ]);
    const random = createRandom('samples');
    const counts = new Map<string, number>();
    for (let i = 0; i < 30_000; i++) {
      const key = JSON.stringify(estimator.sample(random));
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const params of samplesOf(small)) {
      const expected = Math.exp(estimator.logDensity(params));
      const deviation = Math.sqrt((expected * (1 - expected)) / 30_000);
      expect(Math.abs((counts.get(JSON.stringify(params)) ?? 0) / 30_000 - expected)).toBeLessThan(5 * deviation);
    }
  });

  test('given weights: observations count by them beside a prior of one, and the whole still sums to one', () => {
    const small = space({ n: int(1, 9) });
    const places = [{ n: 2 }, { n: 8 }];
    const sum = (estimator: ParzenEstimator): number =>
      [...samplesOf(small)].reduce((total, params) => total + Math.exp(estimator.logDensity(params)), 0);
    const mass = (weights: readonly number[], n: number): number => {
      const estimator = new ParzenEstimator(small, places, weights);
      expect(sum(estimator)).toBeCloseTo(1, 10);
      return Math.exp(estimator.logDensity({ n }));
    };
    // A mixture is linear in its weights: (w₁k₁ + w₂k₂ + k₀) / (w₁ + w₂ + 1).
    for (const n of [1, 2, 5, 8]) {
      const prior = mass([0, 0], n);
      const first = 2 * mass([1, 0], n) - prior;
      const second = 2 * mass([0, 1], n) - prior;
      expect(mass([1.7, 0.3], n)).toBeCloseTo((1.7 * first + 0.3 * second + prior) / 3, 12);
    }
    expect(mass([1.7, 0.3], 2)).toBeGreaterThan(mass([0.3, 1.7], 2));
  });

  test('is highest where the observations are', () => {
    const line = space({ x: float(0, 1) });
    const estimator = new ParzenEstimator(line, [{ x: 0.2 }, { x: 0.21 }, { x: 0.19 }, { x: 0.22 }]);
    expect(estimator.logDensity({ x: 0.2 })).toBeGreaterThan(estimator.logDensity({ x: 0.8 }) + 1);
  });
});
