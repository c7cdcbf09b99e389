import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitRanges, windowStarts, type Grid } from './index.ts';

const grids = fc
  .array(fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(Number.NaN) }), {
    minLength: 3,
    maxLength: 300,
  })
  .map((values): Grid => ({ start: 0, stepMs: 60_000, values: Float64Array.from(values) }));
const shapes = fc.record({ window: fc.integer({ min: 1, max: 12 }), horizon: fc.integer({ min: 1, max: 6 }) });
const shares = fc.record({
  train: fc.double({ min: 0.1, max: 0.6, noNaN: true }),
  validation: fc.double({ min: 0.1, max: 0.3, noNaN: true }),
});

describe('windowStarts', () => {
  it('finds exactly the windows that a brute search finds: all rows known, all inside the part', () => {
    fc.assert(
      fc.property(grids, shapes, fc.nat(5), (grid, shape, purge) => {
        const ranges = splitRanges(grid, { purge });
        const found = windowStarts(grid, { ...shape, ranges });
        const length = shape.window + shape.horizon;
        for (const part of ['train', 'validation', 'test'] as const) {
          const expected: number[] = [];
          for (let start = ranges[part].from; start + length <= ranges[part].to; start++) {
            if (!grid.values.subarray(start, start + length).some(Number.isNaN)) expected.push(start);
          }
          expect([...found[part]]).toEqual(expected);
        }
      }),
    );
  });

  it('never lets two parts share a row, and keeps the purge between them', () => {
    fc.assert(
      fc.property(grids, shares, fc.nat(20), shapes, (grid, share, purge, shape) => {
        const ranges = splitRanges(grid, { ...share, purge });
        const starts = windowStarts(grid, { ...shape, ranges });
        const lastOf = (list: Int32Array): number =>
          list.length === 0 ? -Infinity : list[list.length - 1]! + shape.window + shape.horizon - 1;
        const [train, validation] = [lastOf(starts.train), lastOf(starts.validation)];
        expect((starts.validation[0] ?? Infinity) - train).toBeGreaterThan(purge);
        expect((starts.test[0] ?? Infinity) - Math.max(train, validation)).toBeGreaterThan(purge);
      }),
    );
  });

  it('asks windows of different length for the same rows when they share a lookback', () => {
    fc.assert(
      fc.property(grids, fc.integer({ min: 1, max: 6 }), (grid, horizon) => {
        const targets = [2, 5, 9].map((window) =>
          windowStarts(grid, { window, horizon, lookback: 9 }).train.map((start) => start + window),
        );
        expect(targets[0]).toEqual(targets[2]);
        expect(targets[1]).toEqual(targets[2]);
      }),
    );
  });

  it('refuses impossible shapes and parts', () => {
    const grid = { start: 0, stepMs: 1, values: new Float64Array(10) };
    const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => windowStarts(grid, { window: 0, horizon: 1 })).toThrow(invalid);
    expect(() => windowStarts(grid, { window: 2.5, horizon: 1 })).toThrow(invalid);
    expect(() => windowStarts(grid, { window: 3, horizon: 1, lookback: 2 })).toThrow(invalid);
    const overlapping = { train: { from: 0, to: 6 }, validation: { from: 5, to: 8 }, test: { from: 8, to: 10 } };
    expect(() => windowStarts(grid, { window: 1, horizon: 1, ranges: overlapping })).toThrow(invalid);
    expect(() => splitRanges(100, { train: 0.9, validation: 0.2 })).toThrow(invalid);
  });
});

describe('splitRanges', () => {
  it('splits 70/15/15 by rows', () => {
    expect(splitRanges(1000)).toEqual({
      train: { from: 0, to: 700 },
      validation: { from: 700, to: 850 },
      test: { from: 850, to: 1000 },
    });
  });

  it('counts what is known, so that a long gap leaves no part empty', () => {
    const values = new Float64Array(1000).fill(1).fill(Number.NaN, 300, 900);
    const { train, validation, test } = splitRanges({ start: 0, stepMs: 1, values });
    const known = ({ from, to }: { from: number; to: number }): number =>
      values.subarray(from, to).filter((v) => !Number.isNaN(v)).length;
    expect([known(train), known(validation), known(test)]).toEqual([280, 60, 60]);
  });
});
