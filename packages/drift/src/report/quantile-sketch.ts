// A mergeable quantile sketch: KLL. Z. Karnin, K. Lang, E. Liberty, “Optimal quantile approximation in streams”, FOCS 2016.
//
// Level h holds values that each stand for 2^h samples. A full level is sorted and every other value goes up, starting at the first or
// second by a seeded coin. Exact up to k samples. Above, the rank of any value is off by at most `rankError(k)` of n with a
// chance of 99 %; merging keeps that bound. State: about 3k numbers, whatever n.
import { createRandom, Random, SanderlingError } from '@sanderling/kit';

/** A sketch as plain JSON. */
export interface QuantileSketchState {
  readonly k: number;
  readonly n: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly levels: readonly (readonly number[])[];
  readonly random: readonly number[];
}

/** Values in ascending order with the share of all samples at or below each. */
export interface Distribution {
  readonly values: Float64Array;
  /** Ascending, ends with 1. */
  readonly cumulative: Float64Array;
}

/** Default size: exact up to 1,024 samples, rank error 0.5 % above. */
export const defaultSketchSize = 1024;
const leastSize = 8;
/** Level 0 and those above it are never smaller: sorting many values at once is quicker. */
const lowestSize = 256;
const middleSize = 64;
const levelShrink = 2 / 3;
const maxLevels = 60;

/** Bound on the error of a rank, as a share of n, with a chance of 99 % (the fit for KLL that Apache DataSketches publishes). */
export function rankError(k: number): number {
  return 2.446 / k ** 0.9433;
}

export class QuantileSketch {
  readonly k: number;
  /** Level 0, unsorted; its first `#held` places are in use. */
  readonly #lowest: Float64Array;
  #held = 0;
  /** Level 1 and up. */
  #levels: number[][] = [];
  #capacities: number[];
  #n = 0;
  #min = Infinity;
  #max = -Infinity;
  #random: Random;

  /** @param k size, 8…65,536. @throws INVALID_CONFIG */
  constructor(k = defaultSketchSize, seed: number | string = 1) {
    if (!Number.isInteger(k) || k < leastSize || k > 65_536) {
      throw new SanderlingError('INVALID_CONFIG', 'the size of a sketch is a whole number from 8 to 65536', {
        where: 'k',
      });
    }
    this.k = k;
    this.#capacities = capacitiesOf(k, 1);
    this.#lowest = new Float64Array(Math.max(k + 1, lowestSize));
    this.#random = createRandom(seed, 'sketch');
  }

  /** Samples seen. */
  get n(): number {
    return this.#n;
  }

  /** Smallest and largest sample; exact. */
  get min(): number {
    return this.#min;
  }

  get max(): number {
    return this.#max;
  }

  /** Values kept. */
  get kept(): number {
    return this.#levels.reduce((sum, level) => sum + level.length, this.#held);
  }

  /** Adds one finite number. */
  add(x: number): void {
    this.#n += 1;
    if (x < this.#min) this.#min = x;
    if (x > this.#max) this.#max = x;
    this.#put(x);
  }

  /** Adds all that another sketch has seen; sketches of unlike size take the smaller one's error. */
  merge(other: QuantileSketch): void {
    const [values, levels] = [other.#lowest.slice(0, other.#held), other.#levels.map((level) => [...level])];
    this.#n += other.#n;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    while (this.#levels.length < levels.length) this.#grow();
    levels.forEach((level, h) => {
      (this.#levels[h] as number[]).push(...level);
      this.#settle(h);
    });
    for (const x of values) this.#put(x);
  }

  #put(x: number): void {
    this.#lowest[this.#held++] = x;
    if (this.#held >= (this.#capacities[0] as number)) this.#compactLowest();
  }

  /** Halves level 0 into the next; an odd value out stays. */
  #compactLowest(): void {
    if (this.#levels.length === 0) this.#grow();
    const sorted = this.#lowest.subarray(0, this.#held).sort();
    this.#held %= 2;
    this.#lift(sorted, 0);
  }

  /** Halves a level above 0 when it is full. */
  #settle(h: number): void {
    const level = this.#levels[h] as number[];
    if (level.length < (this.#capacities[h + 1] as number)) return;
    if (h + 1 === this.#levels.length) this.#grow();
    const sorted = Float64Array.from(level).sort();
    level.length = 0;
    if (sorted.length % 2 === 1) level.push(sorted[0] as number);
    this.#lift(sorted, h + 1);
  }

  /** Every other value goes up one level; of an odd number the first stays. */
  #lift(sorted: Float64Array, h: number): void {
    const next = this.#levels[h] as number[];
    for (let i = (sorted.length % 2) + (this.#random.uint32() & 1); i < sorted.length; i += 2)
      next.push(sorted[i] as number);
    this.#settle(h);
  }

  #grow(): void {
    this.#levels.push([]);
    this.#capacities = capacitiesOf(this.k, this.#levels.length + 1);
  }

  /** The distribution as the sketch knows it. @throws TOO_LITTLE_DATA when nothing was added. */
  distribution(): Distribution {
    if (this.#n === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'the sketch is empty', { where: 'sketch' });
    const kept = this.kept;
    const pairs = this.#all().flatMap((level, h) => level.map((value) => [value, 2 ** h] as const));
    pairs.sort((a, b) => a[0] - b[0]);
    const values = new Float64Array(kept);
    const cumulative = new Float64Array(kept);
    let below = 0;
    pairs.forEach(([value, weight], i) => {
      below += weight;
      values[i] = value;
      cumulative[i] = below;
    });
    return { values, cumulative: cumulative.map((rank) => rank / below) };
  }

  /** Copies of all levels from 0. */
  #all(): number[][] {
    return [[...this.#lowest.subarray(0, this.#held)], ...this.#levels.map((level) => [...level])];
  }

  /** A copy as plain JSON. */
  state(): QuantileSketchState {
    const edges = this.#n === 0 ? { min: null, max: null } : { min: this.#min, max: this.#max };
    return {
      k: this.k,
      n: this.#n,
      ...edges,
      levels: this.#all(),
      random: this.#random.state(),
    };
  }

  /** The sketch that a state came from. @throws CORRUPT */
  static fromState(state: QuantileSketchState): QuantileSketch {
    checkState(state);
    const sketch = new QuantileSketch(state.k);
    sketch.#n = state.n;
    sketch.#min = state.min ?? Infinity;
    sketch.#max = state.max ?? -Infinity;
    const [lowest, ...levels] = state.levels as [readonly number[], ...(readonly number[])[]];
    sketch.#levels = levels.map((level) => [...level]);
    sketch.#capacities = capacitiesOf(state.k, state.levels.length);
    for (const x of lowest) sketch.#put(x);
    sketch.#random = new Random(state.random as unknown as [number, number, number, number]);
    return sketch;
  }
}

/** The value below which a share of the samples lies. @param share 0…1 */
export function quantile({ values, cumulative }: Distribution, share: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cumulative[middle] as number) >= share - 1e-12) high = middle;
    else low = middle + 1;
  }
  return values[low] as number;
}

/** Share of the samples at or below a value. */
export function shareBelow({ values, cumulative }: Distribution, x: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) <= x) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : (cumulative[low - 1] as number);
}

/** The top level holds k, each one below two thirds of the one above it, but not less than stated above. */
function capacitiesOf(k: number, levels: number): number[] {
  return Array.from({ length: levels }, (_, h) => {
    const least = Math.min(k, h === 0 ? lowestSize : middleSize);
    return Math.max(least, Math.ceil(k * levelShrink ** (levels - 1 - h)));
  });
}

function checkState(state: QuantileSketchState): void {
  const { k, n, min, max, levels, random } = (state ?? {}) as Partial<QuantileSketchState>;
  const wholeLevels =
    Array.isArray(levels) &&
    levels.length >= 1 &&
    levels.length <= maxLevels &&
    levels.every(
      (level: unknown) => Array.isArray(level) && level.every(Number.isFinite) && level.length <= 4 * 65_536,
    );
  const held = wholeLevels ? (levels as number[][]).reduce((sum, level, h) => sum + level.length * 2 ** h, 0) : -1;
  const words = Array.isArray(random) && random.length === 4 && random.every((word: unknown) => Number.isInteger(word));
  const size = Number.isInteger(k) && (k as number) >= leastSize && (k as number) <= 65_536;
  const edges = n === 0 || (Number.isFinite(min) && Number.isFinite(max));
  if (size && wholeLevels && words && edges && held === n) return;
  throw new SanderlingError('CORRUPT', 'not the state of a quantile sketch', {
    where: 'sketch',
    fix: 'make the profile again',
  });
}
