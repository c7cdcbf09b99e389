// Dominance among cost vectors (all to minimise): non-dominated sorting (the fronts of Deb et al. 2002, found by the efficient ordering of Zhang et
// al. 2015) and crowding distance.
import { SanderlingError } from '@sanderling/kit';

/** Costs of one candidate, all to minimise. */
export type Costs = readonly number[];

/** Whether a is no worse than b in every cost and better in one. */
export function dominatesCosts(a: Costs, b: Costs): boolean {
  let better = false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]! > b[i]!) return false;
    if (a[i]! < b[i]!) better = true;
  }
  return better;
}

/**
 * Indices of the points by front: front 0 is dominated by none, front 1 only by front 0, and so on; inside a front by index.
 * @throws INVALID_DATA on NaN or unequal lengths
 */
export function nonDominatedSort(points: readonly Costs[]): readonly (readonly number[])[] {
  checkPoints(points);
  const fronts: number[][] = [];
  for (const index of lexicographic(points)) {
    const point = points[index]!;
    // A point is dominated only by points that come before it in this order, and front k is dominated by a member of front k − 1.
    let low = 0;
    let high = fronts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holdsDominator(fronts[middle]!, points, point)) low = middle + 1;
      else high = middle;
    }
    if (low === fronts.length) fronts.push([index]);
    else fronts[low]!.push(index);
  }
  return fronts.map((front) => front.sort((a, b) => a - b));
}

/** Indices of the points that no other dominates; of equal points all. @throws INVALID_DATA on NaN or unequal lengths */
export function paretoFront(points: readonly Costs[]): readonly number[] {
  checkPoints(points);
  const front: number[] = [];
  for (const index of lexicographic(points)) if (!holdsDominator(front, points, points[index]!)) front.push(index);
  return front.sort((a, b) => a - b);
}

/** Crowding distance of every point of one front: the sum over the costs of the gap between its neighbours, as a share of the range; ends are Infinity. */
export function crowdingDistance(points: readonly Costs[]): Float64Array {
  const distance = new Float64Array(points.length);
  const goals = points[0]?.length ?? 0;
  for (let goal = 0; goal < goals; goal++) addGaps(points, goal, distance);
  return distance;
}

function addGaps(points: readonly Costs[], goal: number, distance: Float64Array): void {
  const order = points.map((_, i) => i).sort((a, b) => points[a]![goal]! - points[b]![goal]! || a - b);
  const least = points[order[0]!]![goal]!;
  const range = points[order.at(-1)!]![goal]! - least;
  distance[order[0]!] = Infinity;
  distance[order.at(-1)!] = Infinity;
  if (range === 0) return;
  for (let i = 1; i < order.length - 1; i++) {
    distance[order[i]!]! += (points[order[i + 1]!]![goal]! - points[order[i - 1]!]![goal]!) / range;
  }
}

function lexicographic(points: readonly Costs[]): number[] {
  return points
    .map((_, i) => i)
    .sort((a, b) => {
      const p = points[a]!;
      const q = points[b]!;
      for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) return p[i]! - q[i]!;
      return a - b;
    });
}

/** Looks from the back, where the nearest in the order are. */
function holdsDominator(front: readonly number[], points: readonly Costs[], point: Costs): boolean {
  for (let i = front.length - 1; i >= 0; i--) if (dominatesCosts(points[front[i]!]!, point)) return true;
  return false;
}

/** @throws INVALID_DATA on NaN or unequal lengths */
export function checkPoints(points: readonly Costs[]): void {
  const goals = points[0]?.length ?? 0;
  for (const [i, point] of points.entries()) {
    if (point.length === goals && goals > 0 && !point.some((cost) => Number.isNaN(cost))) continue;
    throw new SanderlingError('INVALID_DATA', `points[${i}] is not ${goals || 'some'} numbers`, {
      where: `points[${i}]`,
    });
  }
}
