import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latticeOf, resample, rowTime, type Reading } from './index.ts';
import { choosePhase, chooseStep } from './step.ts';

const reference = JSON.parse(readFileSync(new URL('fixtures/reference.json', import.meta.url), 'utf8')) as {
  resample: {
    stepMs: number;
    readings: [number, number][];
    start: number;
    means: (number | null)[];
    filled: (number | null)[];
  };
};

const minute = 60_000;
const readingsOf = (pairs: readonly (readonly [number, number])[]): Reading[] =>
  pairs.map(([time, value]) => ({ time, value }));
const readings = fc
  .array(
    fc.record({
      time: fc.integer({ min: 0, max: 300 * minute }),
      value: fc.double({ min: -50, max: 50, noNaN: true }),
    }),
    {
      minLength: 1,
      maxLength: 80,
    },
  )
  .map((list) => list as Reading[]);

function expectClose(actual: Float64Array, expected: readonly (number | null)[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    if (value === null) expect(actual[i]).toBeNaN();
    else expect(actual[i]).toBeCloseTo(value, 9);
  }
}

describe('resample', () => {
  it('agrees with pandas on shuffled, irregular readings with holes', () => {
    const { stepMs, readings, start, means, filled } = reference.resample;
    const plain = resample(readingsOf(readings), { stepMs, offsetMs: 0, maxInterpolateSteps: 0 });
    expect(plain.start).toBe(start);
    expectClose(plain.values, means);
    expectClose(resample(readingsOf(readings), { stepMs, offsetMs: 0, maxInterpolateSteps: 2 }).values, filled);
  });

  it('does not depend on the order of arrival when times are distinct', () => {
    fc.assert(
      fc.property(readings, fc.integer({ min: 1, max: 20 }), fc.infiniteStream(fc.nat()), (list, steps, keys) => {
        const distinct = [...new Map(list.map((reading) => [reading.time, reading])).values()];
        const sorted = distinct.toSorted((a, b) => a.time - b.time);
        const shuffled = distinct.map((reading) => ({ reading, key: keys.next().value as number }));
        const options = { stepMs: steps * minute, offsetMs: 0 };
        const arrived = shuffled.sort((a, b) => a.key - b.key).map(({ reading }) => reading);
        expect(resample(arrived, options).values).toEqual(resample(sorted, options).values);
      }),
    );
  });

  it('keeps every cell within the range of its readings, and gaps only where there is none', () => {
    fc.assert(
      fc.property(readings, fc.integer({ min: 1, max: 20 }), fc.nat(3), (list, steps, maxInterpolateSteps) => {
        const stepMs = steps * minute;
        const grid = resample(list, { stepMs, offsetMs: 0, maxInterpolateSteps });
        const newest = new Map(list.map(({ time, value }) => [time, value]));
        for (const [row, value] of grid.values.entries()) {
          const at = rowTime(grid, row);
          const inside = [...newest]
            .filter(([time]) => time >= at - stepMs / 2 && time < at + stepMs / 2)
            .map(([, v]) => v);
          if (inside.length === 0) continue;
          expect(value).toBeGreaterThanOrEqual(Math.min(...inside) - 1e-9);
          expect(value).toBeLessThanOrEqual(Math.max(...inside) + 1e-9);
        }
        const { missingRows, interpolatedRows, duplicates } = grid.counts;
        expect(grid.values.filter(Number.isNaN)).toHaveLength(missingRows);
        expect(duplicates).toBe(list.length - newest.size);
        const filled = new Set([...newest.keys()].map((time) => Math.floor(time / stepMs + 0.5))).size;
        expect(filled + interpolatedRows + missingRows).toBe(grid.values.length);
      }),
    );
  });

  it('lets the last of equal times win and counts what it did', () => {
    const pairs = [
      [0, 1],
      [2, 5],
      [1, 3],
      [1, 4],
      [Number.NaN, 1],
      [3, Number.POSITIVE_INFINITY],
    ] as const;
    const grid = resample(readingsOf(pairs), { stepMs: 1, offsetMs: 0 });
    expect([...grid.values]).toEqual([1, 4, 5]);
    expect(grid.counts).toMatchObject({ readings: 6, duplicates: 1, outOfOrder: 2, nonFinite: 2, missingRows: 0 });
  });

  it('refuses nonsense with a code', () => {
    expect(() => resample([])).toThrow(expect.objectContaining({ code: 'TOO_LITTLE_DATA' }));
    expect(() => resample(readingsOf([[0, 1]]), { stepMs: -1 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    const years = readingsOf([
      [0, 1],
      [1, 1],
      [1.7e12, 2],
    ]);
    expect(() => resample(years, { stepMs: minute })).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
  });
});

describe('the step chosen', () => {
  const regular = (count: number, intervalMs: number, jitterMs = 0): Float64Array =>
    Float64Array.from({ length: count }, (_, i) => 1.6e12 + i * intervalMs + (((i * 7919) % 101) / 50 - 1) * jitterMs);

  it('is the interval of a regular series, jitter or not', () => {
    expect(chooseStep(regular(1000, 10 * minute, 20_000)).stepMs).toBe(10 * minute);
    expect(chooseStep(regular(1000, 3_600_000)).stepMs).toBe(3_600_000);
    expect(chooseStep(regular(1000, 15 * minute, 60_000)).stepMs).toBe(15 * minute);
    expect(chooseStep(regular(50, 100)).stepMs).toBe(100);
  });

  it('thins a series that is read far more often than it can be forecast, leaving enough rows', () => {
    expect(chooseStep(regular(9752, minute)).stepMs).toBe(15 * minute);
    expect(chooseStep(regular(8143, minute)).stepMs).toBe(10 * minute);
    expect(chooseStep(regular(2665, minute)).stepMs).toBe(2 * minute);
    expect(chooseStep(regular(400, minute)).stepMs).toBe(minute);
  });

  it('is coarse enough for an irregular series to fill its cells', () => {
    let time = 1.6e12;
    const times = Float64Array.from({ length: 3000 }, (_, i) => (time += (i % 3 === 0 ? 45 : 4) * minute));
    const { stepMs, fill } = chooseStep(times);
    expect(fill).toBeGreaterThanOrEqual(0.9);
    const grid = resample(
      Array.from(times, (at) => ({ time: at, value: 1 })),
      { stepMs },
    );
    expect(grid.counts.missingRows).toBe(0);
  });

  it('puts rows where the readings are, so that jitter does not throw two into one cell', () => {
    const offset = 297_000;
    const times = regular(500, 10 * minute, 30_000).map((time) => time + offset);
    const grid = resample(Array.from(times, (time, i) => ({ time, value: i })));
    expect(Math.abs(latticeOf(grid).offsetMs - (((1.6e12 % (10 * minute)) + offset) % (10 * minute)))).toBeLessThan(
      2000,
    );
    expect(grid.values).toEqual(Float64Array.from({ length: 500 }, (_, i) => i));
  });

  it('has phase 0 when times do not cluster', () => {
    expect(choosePhase(regular(1000, 7 * minute), 10 * minute)).toBe(0);
  });
});
