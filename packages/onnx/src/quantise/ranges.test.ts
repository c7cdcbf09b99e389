// Ranges against those that NumPy, SciPy and ONNX Runtime's calibrators choose: fixtures/make-ranges.py.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Histogram, chosenRange } from './histogram.ts';

type Pair = [low: number, high: number];
type Row = Record<'minmax' | 'percentile' | 'mse' | 'entropy' | 'runtime_percentile' | 'runtime_entropy', Pair> & {
  mse_cost: number;
};
const { count, tail, distributions } = JSON.parse(
  readFileSync(new URL('fixtures/ranges.json', import.meta.url), 'utf8'),
) as { count: number; tail: number; distributions: Record<string, Row> };

function uniforms(seed: number, length: number): number[] {
  let state = seed;
  return Array.from({ length }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  });
}

function normals(seed: number): number[] {
  const u = uniforms(seed, 2 * count);
  return Array.from(
    { length: count },
    (_, i) => Math.sqrt(-2 * Math.log(u[2 * i]!)) * Math.cos(2 * Math.PI * u[2 * i + 1]!),
  );
}

/** The values that the script makes, by the same formulas. */
const made: Readonly<Record<string, () => number[]>> = {
  normal: () => normals(1),
  outliers: () => normals(2).map((x, i) => (i % 5000 === 0 ? 25 * x : x)),
  rectified: () => normals(3).map((x) => Math.max(x, 0)),
  skewed: () => normals(4).map((x) => Math.exp(x) - 1),
  even: () => uniforms(5, count).map((x) => 2 * x - 1),
  positive: () => normals(6).map((x) => 3 + 0.5 * x),
};

/** Mean squared error of the values themselves when they are rounded to 8 bits over a range. */
function costOf(values: Float32Array, [min, max]: Pair): number {
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  const scale = (high - low) / 255;
  const error = (x: number): number => x - (Math.min(255, Math.max(0, Math.round((x - low) / scale))) * scale + low);
  return values.reduce((sum, x) => sum + error(x) ** 2, 0) / values.length;
}

describe.each(Object.entries(distributions))('%s', (name, reference) => {
  const values = Float32Array.from(made[name]!());
  const range = { min: values.reduce((a, b) => Math.min(a, b)), max: values.reduce((a, b) => Math.max(a, b)) };
  const histogram = new Histogram(range);
  histogram.add(values);
  const width = range.max - range.min;
  const pick = (method: 'percentile' | 'mse' | 'entropy', cut?: number): Pair => {
    const { min, max } = chosenRange(histogram, method, cut);
    return [min, max];
  };
  const distance = (got: Pair, wanted: Pair): number =>
    Math.max(Math.abs(got[0] - wanted[0]), Math.abs(got[1] - wanted[1]));

  test('extremes are those of the same values in NumPy', () => {
    expect(distance([range.min, range.max], reference.minmax)).toBeLessThan(1e-5 * width);
  });
  test('percentile: the quantiles of the values within a bin, or the gap between two values', () => {
    const sorted = values.toSorted();
    const gap = (at: number): number => sorted[at + 1]! - sorted[at]!;
    const rank = Math.floor(tail * (count - 1));
    const within = width / 2048 + Math.max(gap(rank), gap(count - 2 - rank));
    expect(distance(pick('percentile', tail), reference.percentile)).toBeLessThan(within);
  });
  test("percentile: the runtime's own, which halves the tail", () => {
    expect(distance(pick('percentile', tail / 2), reference.runtime_percentile)).toBeLessThan(0.05 * width);
  });
  test('mse: as good as the best of all 4,096 ranges', () => {
    expect(costOf(values, reference.mse)).toBeCloseTo(reference.mse_cost, 6);
    expect(costOf(values, pick('mse'))).toBeLessThanOrEqual(1.02 * reference.mse_cost);
  });
  test('entropy: the range of least divergence by SciPy', () => {
    expect(distance(pick('entropy'), reference.entropy)).toBeLessThan(1e-5 * width);
  });
  // With long tails the runtime, which searches symmetric ranges in steps of a bin, cuts deeper: both are minima of the same measure over other candidates.
  test.skipIf(['outliers', 'skewed'].includes(name))("entropy: near the runtime's own", () => {
    expect(distance(pick('entropy'), reference.runtime_entropy)).toBeLessThan(0.05 * width);
  });
});
