import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alertScore, driftRatio, driftScore } from './score.ts';

describe('drift score', () => {
  it('is 0 without drift, 0.7 at the alerting amount, 0.91 at twice that', () => {
    expect(driftScore(0)).toBe(0);
    expect(driftScore(1)).toBe(alertScore);
    expect(driftScore(2)).toBeCloseTo(0.91, 12);
    expect(driftScore(Infinity)).toBe(1);
    expect(driftScore(Number.NaN)).toBe(0);
  });

  it('grows with the amount of drift and can be turned back', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 20, noNaN: true }),
        fc.double({ min: 1e-6, max: 5, noNaN: true }),
        (ratio, more) => {
          expect(driftScore(ratio + more)).toBeGreaterThan(driftScore(ratio));
          expect(driftRatio(driftScore(ratio))).toBeCloseTo(ratio, 4);
        },
      ),
    );
  });
});
