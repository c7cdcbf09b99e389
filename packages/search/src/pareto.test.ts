import { createRandom, SanderlingError } from '@sanderling/kit';
import { array, assert, integer, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crowdingDistance, hypervolume, nonDominatedSort, paretoFront, spread } from './index.ts';
import type { Costs } from './pareto.ts';

/** The definition: peel off what no remaining point dominates. */
function bruteForce(points: readonly Costs[]): number[][] {
  const dominates = (a: Costs, b: Costs) => a.every((v, i) => v <= b[i]!) && a.some((v, i) => v < b[i]!);
  let rest = points.map((_, i) => i);
  const fronts: number[][] = [];
  while (rest.length > 0) {
    const front = rest.filter((i) => !rest.some((j) => dominates(points[j]!, points[i]!)));
    fronts.push(front);
    rest = rest.filter((i) => !front.includes(i));
  }
  return fronts;
}

/** Unit cells of a small grid that some point dominates. */
function countCells(points: readonly Costs[], size: number, goals: number): number {
  let count = 0;
  for (let cell = 0; cell < size ** goals; cell++) {
    const corner = Array.from({ length: goals }, (_, i) => Math.floor(cell / size ** i) % size);
    if (points.some((point) => point.every((v, i) => v <= corner[i]!))) count++;
  }
  return count;
}

const small = integer({ min: 0, max: 6 });

describe('non-dominated sort', () => {
  test('gives the fronts of the definition, duplicates and ties included', () => {
    for (const goals of [1, 2, 3, 4]) {
      const pointOf = array(small, { minLength: goals, maxLength: goals });
      assert(
        property(array(pointOf, { maxLength: 40 }), (points) => {
          expect(nonDominatedSort(points)).toEqual(bruteForce(points));
        }),
      );
    }
  });

  test('also on 500 random points', () => {
    const random = createRandom(1);
    const points = Array.from({ length: 500 }, () => [random.next(), random.next(), random.next()]);
    expect(nonDominatedSort(points)).toEqual(bruteForce(points));
    expect(paretoFront(points)).toEqual(bruteForce(points)[0]);
  });

  test('nothing has no front', () => {
    expect(nonDominatedSort([])).toEqual([]);
    expect(paretoFront([])).toEqual([]);
  });

  test('refuses NaN and ragged points', () => {
    for (const points of [[[1, Number.NaN]], [[1, 2], [1]], [[]]])
      expect(() => paretoFront(points)).toThrow(SanderlingError);
  });
});

describe('crowding distance', () => {
  test('ends are infinite, the rest is the normalised gap of the neighbours', () => {
    const front = [
      [0, 10],
      [1, 6],
      [3, 5],
      [10, 0],
    ];
    expect([...crowdingDistance(front)]).toEqual([Infinity, 0.3 + 0.5, 0.9 + 0.6, Infinity]);
  });

  test('a goal that never varies counts nothing', () => {
    expect(
      [
        ...crowdingDistance([
          [0, 5],
          [1, 5],
          [4, 5],
        ]),
      ].map((d) => (d === Infinity ? 'end' : d)),
    ).toEqual(['end', 1, 'end']);
  });
});

describe('hypervolume', () => {
  test('counts the dominated cells of a grid, for 1 to 4 goals', () => {
    for (const goals of [1, 2, 3, 4]) {
      assert(
        property(array(array(small, { minLength: goals, maxLength: goals }), { maxLength: 12 }), (points) => {
          expect(hypervolume(points, Array(goals).fill(5))).toBe(countCells(points, 5, goals));
        }),
        { numRuns: 60 },
      );
    }
  });

  // The true fronts, reference 1.1 each: ZDT1 f2 = 1 − √f1, ZDT2 f2 = 1 − f1², the sphere octant of DTLZ2. Integrals in closed form.
  test('of known fronts tends to the integral under them', () => {
    const grid = Array.from({ length: 20_001 }, (_, i) => i / 20_000);
    const square = 0.1 * 1.1 + 0.1; // right of f1 = 1 above f2 = 0, and the strip above f2 = 1
    expect(
      hypervolume(
        grid.map((x) => [x, 1 - Math.sqrt(x)]),
        [1.1, 1.1],
      ),
    ).toBeCloseTo(2 / 3 + square, 4);
    expect(
      hypervolume(
        grid.map((x) => [x, 1 - x * x]),
        [1.1, 1.1],
      ),
    ).toBeCloseTo(1 / 3 + square, 4);
    const sphere: number[][] = [];
    const steps = 150;
    for (let i = 0; i <= steps; i++) {
      for (let j = 0; j <= steps; j++) {
        const [a, b] = [(i / steps) * (Math.PI / 2), (j / steps) * (Math.PI / 2)];
        sphere.push([Math.cos(a) * Math.cos(b), Math.cos(a) * Math.sin(b), Math.sin(a)]);
      }
    }
    expect(hypervolume(sphere, [1.1, 1.1, 1.1])).toBeCloseTo(1.1 ** 3 - Math.PI / 6, 1.5);
  });

  test('of three goals agrees with slicing into areas', () => {
    const random = createRandom(2);
    const points = Array.from({ length: 200 }, () => [random.next(), random.next(), random.next()]);
    const sorted = points.toSorted((a, b) => a[2]! - b[2]!);
    let total = 0;
    for (const [i, point] of sorted.entries()) {
      const flat = sorted.slice(0, i + 1).map(([x, y]) => [x!, y!]);
      total += hypervolume(flat, [1, 1]) * ((sorted[i + 1]?.[2] ?? 1) - point[2]!);
    }
    expect(hypervolume(points, [1, 1, 1])).toBeCloseTo(total, 12);
  });

  test('what lies beyond the reference counts nothing, also infinitely far', () => {
    expect(
      hypervolume(
        [
          [2, 0],
          [0, Infinity],
          [0.5, 0.5],
        ],
        [1, 1],
      ),
    ).toBe(0.25);
    expect(hypervolume([], [1, 1])).toBe(0);
  });

  test('refuses a reference that does not fit, and NaN', () => {
    expect(() => hypervolume([[1, 2]], [3])).toThrow(SanderlingError);
    expect(() => hypervolume([[1, 2]], [3, Number.NaN])).toThrow(SanderlingError);
    expect(() => hypervolume([[1, Number.NaN]], [3, 3])).toThrow(SanderlingError);
    expect(() => hypervolume([[-Infinity, 1]], [3, 3])).toThrow(SanderlingError);
  });
});

describe('spread', () => {
  test('of two goals, crowded points go and the ends stay', () => {
    const front = [0, 1, 1.1, 1.2, 5, 10].map((x) => [x, 10 - x]);
    expect(spread(front, 4)).toEqual([0, 3, 4, 5]);
    expect(spread(front, 9)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('of three goals, what is left is further apart than a random choice, and the best of each goal stay', () => {
    const random = createRandom(3);
    const front = Array.from({ length: 300 }, () => {
      const point = [random.next() + 0.01, random.next() ** 3 + 0.01, random.next() + 0.01];
      const norm = Math.hypot(...point);
      return point.map((v) => v / norm);
    });
    const nearest = (kept: readonly Costs[]) =>
      Math.min(...kept.flatMap((a, i) => kept.slice(i + 1).map((b) => Math.hypot(...a.map((v, g) => v - b[g]!)))));
    const kept = spread(front, 40);
    expect(kept).toHaveLength(40);
    expect(nearest(kept.map((i) => front[i]!))).toBeGreaterThan(2 * nearest(front.slice(0, 40)));
    for (const goal of [0, 1, 2]) {
      const best = front.reduce((top, point, i) => (point[goal]! < front[top]![goal]! ? i : top), 0);
      expect(kept).toContain(best);
    }
  });

  test('survives equal points', () => {
    expect(
      spread(
        Array.from({ length: 9 }, () => [1, 1, 1]),
        4,
      ),
    ).toHaveLength(4);
    expect(
      spread(
        Array.from({ length: 9 }, () => [1, 1]),
        4,
      ),
    ).toHaveLength(4);
  });
});
