import { createRandom, SanderlingError } from '@sanderling/kit';
import { describe, expect, it } from 'vitest';
import { driftEffect } from './effect.ts';

/** Normal vectors of 6 features, feature 2 moved by `shift` deviations. */
function vectors(seed: number, n: number, shift = 0): number[][] {
  const random = createRandom(seed, 'effect');
  return Array.from({ length: n }, () => Array.from({ length: 6 }, (_, j) => random.normal() + (j === 2 ? shift : 0)));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

function score(shift: number, n: number): number {
  return median(
    Array.from({ length: 9 }, (_, seed) => driftEffect(vectors(seed, n), vectors(seed + 100, n, shift)).score),
  );
}

describe('drift as an effect size', () => {
  it('is 0.7 for half a deviation, less for less and more for more', () => {
    const scores = [0, 0.25, 0.5, 1, 2].map((shift) => score(shift, 800));
    expect(scores.toSorted((a, b) => a - b)).toEqual(scores);
    expect(scores[0]).toBeLessThan(0.3);
    expect(Math.abs((scores[2] as number) - 0.7)).toBeLessThan(0.06);
    expect(scores[4]).toBeGreaterThan(0.95);
  });

  it.each([0, 0.5, 1])('does not depend on the number of vectors: shift %d', (shift) => {
    const scores = [150, 600, 2400].map((n) => score(shift, n));
    expect(Math.max(...scores) - Math.min(...scores)).toBeLessThan(shift === 0 ? 0.3 : 0.12);
  });

  it('names the feature that moved most', () => {
    expect(driftEffect(vectors(1, 300), vectors(2, 300, 1)).feature).toBe(2);
  });

  it('refuses too few vectors and unlike ones', () => {
    const code = (act: () => unknown): unknown => {
      try {
        return act();
      } catch (error) {
        return error instanceof SanderlingError ? error.code : error;
      }
    };
    expect(code(() => driftEffect([[1]], vectors(1, 30)))).toBe('TOO_LITTLE_DATA');
    expect(
      code(() =>
        driftEffect(
          vectors(1, 30),
          Array.from({ length: 30 }, () => [1, 2]),
        ),
      ),
    ).toBe('INVALID_DATA');
    expect(
      code(() =>
        driftEffect(
          vectors(1, 30),
          Array.from({ length: 30 }, () => [1, 2, 3, 4, 5, Number.NaN]),
        ),
      ),
    ).toBe('INVALID_DATA');
  });
});
