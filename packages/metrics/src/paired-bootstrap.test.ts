import { createRandom, SanderlingError } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { bestBlockLength } from './block-length.ts';
import { isBetterBy, isNotWorse, pairedBootstrap } from './index.ts';

/** Errors whose neighbours resemble each other: x_t = correlation · x_{t−1} + noise. */
function autoregressive(count: number, correlation: number, seed: string): Float64Array {
  const random = createRandom(seed);
  const out = new Float64Array(count);
  let x = random.normal() / Math.sqrt(1 - correlation ** 2);
  for (let i = 0; i < count; i++) {
    x = correlation * x + random.normal();
    out[i] = x;
  }
  return out;
}

function normal(count: number, scale: number, seed: string): Float64Array {
  const random = createRandom(seed);
  return Float64Array.from({ length: count }, () => scale * random.normal());
}

describe('block length from the data', () => {
  // For x_t = ρ·x_{t−1} + noise the best length is (6ρ² / (1 − ρ²)²)^(1/3) · n^(1/3), from the definitions of Politis & White.
  test.each([0.3, 0.6, 0.9])('tends to the closed form for a correlation of %d', (correlation) => {
    const count = 4000;
    const lengths = Array.from({ length: 31 }, (_, s) => bestBlockLength(autoregressive(count, correlation, `${s}`)));
    const median = lengths.toSorted((a, b) => a - b)[15]!;
    const closed = ((6 * correlation ** 2) / (1 - correlation ** 2) ** 2) ** (1 / 3) * Math.cbrt(count);
    expect(Math.abs(median / closed - 1)).toBeLessThan(0.25);
  });

  test('is short for independent rows, one for constant ones, and never more than a third', () => {
    expect(bestBlockLength(normal(2000, 1, 'independent'))).toBeLessThan(10);
    expect(bestBlockLength(new Float64Array(50).fill(3))).toBe(1);
    for (const count of [8, 9, 20, 100]) {
      const trend = Float64Array.from({ length: count }, (_, i) => i);
      expect(bestBlockLength(trend)).toBeLessThanOrEqual(count / 3);
    }
  });
});

describe('paired bootstrap', () => {
  test('agrees with the normal interval on independent differences', () => {
    const differences = normal(4000, 2, 'independent');
    const result = pairedBootstrap(differences, new Float64Array(4000), {
      statistic: 'mean-difference',
      blockLength: 1,
      resamples: 8000,
    });
    const mean = differences.reduce((sum, d) => sum + d, 0) / 4000;
    const deviation = Math.sqrt(differences.reduce((sum, d) => sum + (d - mean) ** 2, 0) / 3999 / 4000);
    expect(result.difference).toBeCloseTo(mean, 12);
    expect(Math.abs(result.low - (mean - 1.96 * deviation))).toBeLessThan(0.1 * deviation);
    expect(Math.abs(result.high - (mean + 1.96 * deviation))).toBeLessThan(0.1 * deviation);
  });

  test('blocks keep the interval honest on autocorrelated errors where single rows are much too sure', () => {
    const covered = (blockLength: number | 'auto' | undefined): number => {
      let hits = 0;
      for (let s = 0; s < 200; s++) {
        const { low, high } = pairedBootstrap(autoregressive(1000, 0.6, `ar-${s}`), new Float64Array(1000), {
          statistic: 'mean-difference',
          resamples: 200,
          seed: s,
          ...(blockLength === undefined ? {} : { blockLength }),
        });
        if (low <= 0 && high >= 0) hits++;
      }
      return hits / 200;
    };
    expect(covered(1)).toBeLessThan(0.75);
    expect(covered(undefined)).toBeGreaterThan(0.84);
    expect(covered('auto')).toBeGreaterThan(0.87);
    expect(covered(30)).toBeGreaterThan(0.89);
  });

  test('sees a model that is a fifth better, in either direction', () => {
    const champion = normal(2000, 1, 'champion');
    const better = champion.map((error) => error * 0.8);
    const result = pairedBootstrap(better, champion);
    expect(result.relativeDifference).toBeCloseTo(-0.2, 10);
    expect(result.probabilityBetter).toBe(1);
    expect(isBetterBy(result, 0.1)).toBe(true);
    expect(isBetterBy(result, 0.25)).toBe(false);
    const reverse = pairedBootstrap(champion, better);
    expect(reverse.probabilityBetter).toBe(0);
    expect(isNotWorse(reverse, 0.1)).toBe(false);
    expect(isNotWorse(reverse, 0.3)).toBe(true);
  });

  test('equally good models are not worse by a margin, but neither is better', () => {
    const result = pairedBootstrap(normal(3000, 1, 'left'), normal(3000, 1, 'right'));
    expect(isNotWorse(result, 0.1)).toBe(true);
    expect(isNotWorse(result, 0)).toBe(false);
    expect(isBetterBy(result, 0.05)).toBe(false);
  });

  test('the same model is no worse than itself', () => {
    const errors = normal(100, 1, 'same');
    const result = pairedBootstrap(errors, errors, { statistic: 'rms-difference' });
    expect(result).toMatchObject({ difference: 0, low: 0, high: 0, relativeDifference: 0, probabilityBetter: 0.5 });
    expect(isNotWorse(result)).toBe(true);
  });

  test('a perfect reference has no relative difference, and the margin then stands for nothing', () => {
    const result = pairedBootstrap(normal(50, 1, 'x'), new Float64Array(50));
    expect(result.relativeDifference).toBeNull();
    expect(isNotWorse(result, 0.5)).toBe(false);
  });

  test('one seed gives one result; the default block is the cube root', () => {
    const a = normal(1000, 1, 'a');
    const b = normal(1000, 1, 'b');
    expect(pairedBootstrap(a, b, { seed: 7 })).toEqual(pairedBootstrap(a, b, { seed: 7 }));
    expect(pairedBootstrap(a, b, { seed: 7 }).low).not.toBe(pairedBootstrap(a, b, { seed: 8 }).low);
    expect(pairedBootstrap(a, b).blockLength).toBe(10);
  });

  test.each([
    ['too few rows', [1, 2, 3], [1, 2, 3], {}, 'TOO_LITTLE_DATA'],
    ['unequal lengths', [1, 2], [1], {}, 'INVALID_DATA'],
    ['NaN', Array(9).fill(Number.NaN), Array(9).fill(1), {}, 'INVALID_DATA'],
    ['blocks longer than half', Array(9).fill(1), Array(9).fill(1), { blockLength: 5 }, 'TOO_LITTLE_DATA'],
    ['block zero', Array(9).fill(1), Array(9).fill(1), { blockLength: 0 }, 'INVALID_ARGUMENT'],
    ['few resamples', Array(9).fill(1), Array(9).fill(1), { resamples: 1 }, 'INVALID_ARGUMENT'],
    ['endless resamples', Array(9).fill(1), Array(9).fill(1), { resamples: 1e12 }, 'INVALID_ARGUMENT'],
    ['sure of everything', Array(9).fill(1), Array(9).fill(1), { confidence: 1 }, 'INVALID_ARGUMENT'],
    [
      'an unknown statistic',
      Array(9).fill(1),
      Array(9).fill(1),
      { statistic: 'toString' as never },
      'INVALID_ARGUMENT',
    ],
    ['squares that overflow', Array(9).fill(1e200), Array(9).fill(1), { statistic: 'rms-difference' }, 'INVALID_DATA'],
  ] as const)('bad input: %s', (...[, a, b, options, code]) => {
    expect(() => pairedBootstrap(a, b, options)).toThrow(SanderlingError);
    expect(() => pairedBootstrap(a, b, options)).toThrow(expect.objectContaining({ code }));
  });
});
