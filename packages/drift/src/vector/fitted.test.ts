// The handed-out numbers suffice: what is computed from them alone, by the formulas beside them, is what the detectors say.
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import type { FittedLsdd, FittedMmd, FittedSpll, FittedStandard } from './fitted.ts';
import { Lsdd } from './lsdd.ts';
import { Mmd } from './mmd.ts';
import { rowsFrom } from './rows.ts';
import { Spll } from './spll.ts';

const d = 3;
const options = { referenceSize: 90, windowSize: 30, every: 1, refit: 0, seed: 4, alpha: 0.02 };

/** Correlated vectors, feature 1 the same in all of them. */
function vectors(seed: number, n: number, shift = 0): number[][] {
  const random = createRandom(seed, 'fitted');
  return Array.from({ length: n }, () => {
    const common = random.normal();
    return Array.from({ length: d }, (_, j) => (j === 1 ? 7 : 5 * j + common + random.normal() + shift));
  });
}

function standardised(x: readonly number[], { mean, deviation, mostDeviations: most }: FittedStandard): number[] {
  return x.map((value, j) => Math.max(-most, Math.min(most, (value - mean[j]!) / deviation[j]!)));
}

const row = (values: readonly number[], i: number, width = d): readonly number[] =>
  values.slice(i * width, (i + 1) * width);
const squared = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, j) => sum + (x - b[j]!) ** 2, 0);
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, j) => sum + x * b[j]!, 0);

/** Mean of the maps of a window less the reference's. */
function gap(
  window: number[][],
  fitted: FittedLsdd | FittedMmd,
  map: (z: readonly number[], k: number) => number,
): number[] {
  const scaled = window.map((x) => standardised(x, fitted.standard));
  return fitted.mean.map((mean, k) => scaled.reduce((sum, z) => sum + map(z, k), 0) / window.length - mean);
}

function lsddRatio(window: number[][], fitted: FittedLsdd): number {
  const v = gap(window, fitted, (z, l) => Math.exp(-squared(z, row(fitted.centres, l)) / fitted.spread));
  const total = v.reduce((sum, x, l) => sum + x * dot(row(fitted.form, l, v.length), v), 0);
  return total / fitted.threshold;
}

function mmdRatio(window: number[][], fitted: FittedMmd): number {
  const size = fitted.phases.length;
  const v = gap(
    window,
    fitted,
    (z, k) => (Math.SQRT2 * Math.cos(fitted.phases[k]! + dot(z, row(fitted.directions, k)))) / Math.sqrt(size),
  );
  return dot(v, v) / fitted.threshold;
}

function spllRatio(window: number[][], { standard, factor, centres, heldMean, reach }: FittedSpll): number {
  const roots = window.map((x) => {
    const z = standardised(x, standard);
    const y: number[] = [];
    for (let i = 0; i < d; i++) y.push((z[i]! - dot(y, row(factor, i))) / factor[i * d + i]!);
    const clusters = Array.from({ length: centres.length / d }, (_, k) => squared(y, row(centres, k)));
    return Math.cbrt(Math.min(...clusters));
  });
  return Math.abs(roots.reduce((sum, root) => sum + root, 0) / roots.length - heldMean) / reach;
}

const cases = {
  lsdd: () => {
    const detector = new Lsdd(d, { ...options, centres: 12 });
    return { detector, ratio: (window: number[][]) => lsddRatio(window, detector.fitted()) };
  },
  mmd: () => {
    const detector = new Mmd(d, { ...options, features: 20 });
    return { detector, ratio: (window: number[][]) => mmdRatio(window, detector.fitted()) };
  },
  spll: () => {
    const detector = new Spll(d, { ...options, clusters: 2 });
    return { detector, ratio: (window: number[][]) => spllRatio(window, detector.fitted()) };
  },
} as const;

describe.each(['lsdd', 'mmd', 'spll'] as const)('what %s has learnt', (name) => {
  test('is all that its decisions need', () => {
    const { detector, ratio } = cases[name]();
    detector.setReference(rowsFrom(vectors(1, 90)));
    const stream = [...vectors(2, 60), ...vectors(3, 60, 2)];
    let alarms = 0;
    for (const [i, vector] of stream.entries()) {
      detector.update(vector);
      if (i + 1 < options.windowSize) continue;
      const own = ratio(stream.slice(i + 1 - options.windowSize, i + 1));
      expect(own >= 1).toBe(detector.driftDetected);
      expect(Math.abs(own - detector.evidence)).toBeLessThan(1e-9 * Math.max(1, own));
      alarms += Number(own >= 1);
    }
    expect(alarms).toBeGreaterThan(5);
    expect(alarms).toBeLessThan(70);
  });

  test('is plain, frozen, and not there before the reference is', () => {
    const { detector } = cases[name]();
    for (const vector of vectors(1, 89)) detector.update(vector);
    expect(() => detector.fitted()).toThrow(expect.objectContaining({ code: 'TOO_LITTLE_DATA' }));
    detector.update(vectors(5, 1)[0]!);
    const fitted = detector.fitted();
    expect(JSON.parse(JSON.stringify(fitted))).toEqual(fitted);
    expect([fitted, fitted.standard, ...Object.values(fitted)].every(Object.isFrozen)).toBe(true);
    detector.reset();
    expect(() => detector.fitted()).toThrow(expect.objectContaining({ code: 'TOO_LITTLE_DATA' }));
  });
});

test('spll with symmetric needs the reference itself', () => {
  const detector = new Spll(d, { ...options, symmetric: 1 });
  detector.setReference(rowsFrom(vectors(1, 90)));
  expect(() => detector.fitted()).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
});
