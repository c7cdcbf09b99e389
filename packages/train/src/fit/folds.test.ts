import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kFold } from './folds.ts';

describe('kFold', () => {
  test('every sample judges exactly once, learns otherwise, and groups stay together', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }),
        fc.array(fc.nat(9), { minLength: 60, maxLength: 90 }),
        fc.nat(),
        (folds, groups, seed) => {
          fc.pre(new Set(groups).size >= folds);
          const splits = kFold(groups.length, { folds, seed, groups });
          const all = Array.from(groups, (_, i) => i);
          expect(splits.flatMap(({ validation }) => [...validation]).sort((a, b) => a - b)).toEqual(all);
          for (const { train, validation } of splits) {
            expect([...train, ...validation].sort((a, b) => a - b)).toEqual(all);
            const judged = new Set(Array.from(validation, (i) => groups[i]));
            expect(Array.from(train).some((i) => judged.has(groups[i]))).toBe(false);
          }
        },
      ),
    );
  });

  test('folds of single samples differ by one at most, and follow the seed', () => {
    const sizes = kFold(23, { folds: 5, seed: 1 }).map(({ validation }) => validation.length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBe(1);
    expect(kFold(23, { folds: 5, seed: 1 })).toEqual(kFold(23, { folds: 5, seed: 1 }));
    expect(kFold(23, { folds: 5, seed: 1 })).not.toEqual(kFold(23, { folds: 5, seed: 2 }));
  });

  test.each([
    [3, { folds: 1 }, 'INVALID_ARGUMENT'],
    [3, { folds: 4 }, 'TOO_LITTLE_DATA'],
    [3, { folds: 2, groups: ['a', 'a', 'a'] }, 'TOO_LITTLE_DATA'],
  ])('refuses %d %o', (count, options, code) => {
    expect(() => kFold(count, options)).toThrow(expect.objectContaining({ code }));
  });
});
