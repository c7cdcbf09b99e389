// Exact hypervolume: the measure of all that a set of points dominates, up to a reference point (Zitzler & Thiele 1999). Two goals by one sweep, three by
// a sweep over a staircase (Beume et al. 2009), more by slices (While et al. 2006).
import { SanderlingError } from '@sanderling/kit';
import { checkPoints, type Costs } from './pareto.ts';

/**
 * Exact hypervolume of points (all costs to minimise); what lies beyond the reference counts nothing.
 * Time for n points: O(n log n) for two goals, about the same for three, O(n^(goals − 2) · log n) beyond.
 * @throws INVALID_DATA on NaN or unequal lengths, INVALID_ARGUMENT when the reference does not fit
 */
export function hypervolume(points: readonly Costs[], reference: Costs): number {
  checkPoints(points);
  if (
    reference.length === 0 ||
    !reference.every(Number.isFinite) ||
    points.some(({ length }) => length !== reference.length)
  ) {
    throw new SanderlingError('INVALID_ARGUMENT', 'the reference point needs one finite number for each goal', {
      where: 'reference',
    });
  }
  if (points.some((point) => point.includes(-Infinity)))
    throw new SanderlingError('INVALID_DATA', 'a point dominates without end', { where: 'points' });
  return volume(
    points.filter((point) => point.every((cost, i) => cost < reference[i]!)),
    reference,
  );
}

function volume(points: readonly Costs[], reference: Costs): number {
  const goals = reference.length;
  if (points.length === 0) return 0;
  if (goals === 1) return reference[0]! - Math.min(...points.map(([cost]) => cost!));
  const last = goals - 1;
  const sorted = points.toSorted((a, b) => a[last]! - b[last]!);
  if (goals === 2) return sweep(sorted, reference);
  return goals === 3 ? staircase(sorted, reference) : slices(sorted, reference);
}

/** Points by the second cost: each adds the strip left of the best first cost so far. */
function sweep(sorted: readonly Costs[], [limit, top]: Costs): number {
  let area = 0;
  let edge = limit!;
  for (const point of sorted) {
    if (point[0]! >= edge) continue;
    area += (edge - point[0]!) * (top! - point[1]!);
    edge = point[0]!;
  }
  return area;
}

/** Points by the third cost: the area under those so far, times the way to the next. */
function staircase(sorted: readonly Costs[], reference: Costs): number {
  const steps = new Staircase(reference[0]!, reference[1]!);
  let total = 0;
  for (const [i, point] of sorted.entries()) {
    steps.add(point[0]!, point[1]!);
    total += steps.area * ((sorted[i + 1]?.[2] ?? reference[2]!) - point[2]!);
  }
  return total;
}

/** Two-dimensional points of which none dominates another, x rising and y falling, and the area that they dominate. */
class Staircase {
  readonly #x: number[] = [];
  readonly #y: number[] = [];
  readonly #right: number;
  readonly #top: number;
  area = 0;

  constructor(right: number, top: number) {
    this.#right = right;
    this.#top = top;
  }

  add(x: number, y: number): void {
    const xs = this.#x;
    const ys = this.#y;
    const at = firstAtLeast(xs, x);
    if ((at > 0 && ys[at - 1]! <= y) || (xs[at] === x && ys[at]! <= y)) return;
    // What is new lies between y and the old staircase, from x to the first step that is lower.
    let end = at;
    let ceiling = at > 0 ? ys[at - 1]! : this.#top;
    let from = x;
    while (end < xs.length && ys[end]! >= y) {
      this.area += (xs[end]! - from) * (ceiling - y);
      from = xs[end]!;
      ceiling = ys[end]!;
      end++;
    }
    this.area += ((xs[end] ?? this.#right) - from) * (ceiling - y);
    xs.splice(at, end - at, x);
    ys.splice(at, end - at, y);
  }
}

function firstAtLeast(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Points by the last cost: the volume of those so far without it, times the way to the next. */
function slices(sorted: readonly Costs[], reference: Costs): number {
  const last = reference.length - 1;
  const flat = reference.slice(0, last);
  let total = 0;
  for (const [i, point] of sorted.entries()) {
    const height = (sorted[i + 1]?.[last] ?? reference[last]!) - point[last]!;
    if (height === 0) continue;
    const below = sorted.slice(0, i + 1).map((other) => other.slice(0, last));
    total += height * volume(below, flat);
  }
  return total;
}
