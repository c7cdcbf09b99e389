// Which points of a front to keep so that the rest stays evenly spread: with two goals the most crowded point goes first, again and again (Kukkonen & Deb
// 2006), with more goals the one whose nearest neighbours are nearest (their M-NN rule), because gaps along single axes say little there.
import { checkPoints, crowdingDistance, type Costs } from './pareto.ts';

/**
 * Indices of `count` points of one front that are spread over it, rising. The best of every goal stay while there is room.
 * @throws INVALID_DATA on NaN or unequal lengths
 */
export function spread(points: readonly Costs[], count: number): readonly number[] {
  checkPoints(points);
  if (points.length <= count) return points.map((_, i) => i);
  return (points[0]?.length ?? 0) > 2 ? thinByNeighbours(points, count) : thinByCrowding(points, count);
}

/** How much room each point of a front has: crowding distance for two goals, the product of the nearest distances for more. */
export function roomOf(points: readonly Costs[]): Float64Array {
  if ((points[0]?.length ?? 0) <= 2) return crowdingDistance(points);
  const neighbourhood = new Neighbourhood(points);
  return Float64Array.from(points, (_, i) => neighbourhood.room(i));
}

function thinByCrowding(points: readonly Costs[], count: number): readonly number[] {
  const kept = points.map((_, i) => i);
  while (kept.length > count) {
    const crowding = crowdingDistance(kept.map((i) => points[i]!));
    kept.splice(smallest(crowding), 1);
  }
  return kept;
}

function thinByNeighbours(points: readonly Costs[], count: number): readonly number[] {
  const neighbourhood = new Neighbourhood(points);
  for (let left = points.length; left > count; left--) neighbourhood.removeMostCrowded();
  return neighbourhood.kept();
}

function smallest(values: Float64Array): number {
  let least = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! < values[least]!) least = i;
  return least;
}

/** Points with their distances (goals scaled to the front's ranges) and, for each, as many nearest neighbours as there are goals. */
class Neighbourhood {
  readonly #count: number;
  readonly #goals: number;
  readonly #scaled: Float64Array;
  readonly #alive: Uint8Array;
  readonly #ends: ReadonlySet<number>;
  /** Row i: the squared distances to the nearest of i, rising; and who they are. */
  readonly #near: Float64Array;
  readonly #who: Int32Array;

  constructor(points: readonly Costs[]) {
    this.#count = points.length;
    this.#goals = points[0]!.length;
    this.#scaled = scale(points);
    this.#alive = new Uint8Array(this.#count).fill(1);
    this.#ends = endsOf(points);
    this.#near = new Float64Array(this.#count * this.#goals);
    this.#who = new Int32Array(this.#count * this.#goals);
    for (let i = 0; i < this.#count; i++) this.#findNearest(i);
  }

  /** Product of the distances to the nearest; Infinity for the best of a goal. */
  room(i: number): number {
    if (this.#ends.has(i)) return Infinity;
    let product = 1;
    for (let k = i * this.#goals; k < (i + 1) * this.#goals; k++) product *= this.#near[k]!;
    return Math.sqrt(product);
  }

  removeMostCrowded(): void {
    let crowded = -1;
    let least = Infinity;
    for (let i = 0; i < this.#count; i++) {
      if (this.#alive[i] === 0) continue;
      const room = this.room(i);
      if (crowded >= 0 && room >= least) continue;
      crowded = i;
      least = room;
    }
    this.#alive[crowded] = 0;
    for (let i = 0; i < this.#count; i++) if (this.#alive[i] === 1 && this.#isNear(i, crowded)) this.#findNearest(i);
  }

  kept(): readonly number[] {
    return Array.from({ length: this.#count }, (_, i) => i).filter((i) => this.#alive[i] === 1);
  }

  #isNear(i: number, other: number): boolean {
    for (let k = i * this.#goals; k < (i + 1) * this.#goals; k++) if (this.#who[k] === other) return true;
    return false;
  }

  #findNearest(i: number): void {
    const from = i * this.#goals;
    const last = from + this.#goals - 1;
    this.#near.fill(Infinity, from, last + 1);
    this.#who.fill(-1, from, last + 1);
    for (let j = 0; j < this.#count; j++) {
      if (j === i || this.#alive[j] === 0) continue;
      const distance = this.#distance(i, j);
      if (distance >= this.#near[last]!) continue;
      let at = last;
      for (; at > from && this.#near[at - 1]! > distance; at--) {
        this.#near[at] = this.#near[at - 1]!;
        this.#who[at] = this.#who[at - 1]!;
      }
      this.#near[at] = distance;
      this.#who[at] = j;
    }
  }

  #distance(i: number, j: number): number {
    let sum = 0;
    for (let g = 0; g < this.#goals; g++) {
      const gap = this.#scaled[i * this.#goals + g]! - this.#scaled[j * this.#goals + g]!;
      sum += gap * gap;
    }
    return sum;
  }
}

function scale(points: readonly Costs[]): Float64Array {
  const goals = points[0]!.length;
  const scaled = new Float64Array(points.length * goals);
  for (let g = 0; g < goals; g++) {
    let low = Infinity;
    let high = -Infinity;
    for (const point of points) {
      low = Math.min(low, point[g]!);
      high = Math.max(high, point[g]!);
    }
    const range = high - low || 1;
    for (let i = 0; i < points.length; i++) scaled[i * goals + g] = (points[i]![g]! - low) / range;
  }
  return scaled;
}

/** The first best of every goal. */
function endsOf(points: readonly Costs[]): ReadonlySet<number> {
  const ends = new Set<number>();
  for (let g = 0; g < points[0]!.length; g++) {
    let best = 0;
    for (let i = 1; i < points.length; i++) if (points[i]![g]! < points[best]![g]!) best = i;
    ends.add(best);
  }
  return ends;
}
