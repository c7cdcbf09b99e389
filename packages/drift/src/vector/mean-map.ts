// Detectors whose statistic is a quadratic form of the difference of two mean maps: vᵀQv, v = mean φ(window) − mean φ(reference).
// The maps of the window's vectors are kept, so that a comparison costs windowSize × features + features².
import { createRandom } from '@sanderling/kit';
import { upperQuantile } from './calibration.ts';
import { quadraticForm } from './linear-algebra.ts';
import { rowOf, type Rows } from './rows.ts';
import { WindowDetector, type VectorOptions } from './vector-detector.ts';

/** A map of a vector to `size` numbers. */
export interface FeatureMap {
  readonly size: number;
  /** Writes the map of a vector to `out`. */
  readonly apply: (vector: ArrayLike<number>, out: Float64Array) => void;
}

/** Options that these detectors add. */
export interface MeanMapOptions extends VectorOptions {
  readonly alpha: number;
}

/** Splits of the reference from which the threshold is estimated. */
const trials = 400;

/** A reference as learnt. */
interface FittedMap<Map> {
  readonly map: Map;
  readonly form: Float64Array | undefined;
  /** Of the reference's maps. */
  readonly mean: Float64Array;
  readonly threshold: number;
}

/** The part that MMD and LSDD share. */
export abstract class MeanMapDetector<
  Options extends MeanMapOptions,
  Map extends FeatureMap,
> extends WindowDetector<Options> {
  #map: Map | undefined;
  #form: Float64Array | undefined;
  #mean: Float64Array = new Float64Array();
  /** Maps of the ring's vectors. */
  #mapped = new Float64Array();
  #threshold = Infinity;
  #statistic = 0;

  /** The statistic at the newest comparison; 0 before the first. */
  get statistic(): number {
    return this.#statistic;
  }

  protected fit(reference: Rows): void {
    const map = this.makeMap(reference);
    const { size } = map;
    this.#map = map;
    const maps = new Float64Array(reference.n * size);
    for (let i = 0; i < reference.n; i++) map.apply(rowOf(reference, i), maps.subarray(i * size, (i + 1) * size));
    const rows: Rows = { n: reference.n, d: size, values: maps };
    this.#mean = meanOf(rows);
    this.#mapped = new Float64Array(this.options.windowSize * size);
    this.#form = this.makeForm(map, () => drawnDifferences(rows, this.options.windowSize, this.options.seed));
    const scale = 1 + this.options.windowSize / reference.n;
    const null_ = drawnDifferences(rows, this.options.windowSize, this.options.seed + 1).map(
      (v) => scale * this.#value(v),
    );
    this.#threshold = upperQuantile(null_, this.options.alpha);
  }

  protected place(vector: ArrayLike<number>, slot: number): void {
    const { size, apply } = this.#map as Map;
    apply(vector, this.#mapped.subarray(slot * size, (slot + 1) * size));
  }

  protected compare(): number {
    const difference = meanOf({ n: this.options.windowSize, d: this.#mean.length, values: this.#mapped });
    for (let k = 0; k < difference.length; k++) difference[k] = (difference[k] as number) - (this.#mean[k] as number);
    this.#statistic = this.#value(difference);
    return this.#statistic / this.#threshold;
  }

  /** @throws TOO_LITTLE_DATA while the reference is not complete */
  protected fittedMap(): FittedMap<Map> {
    this.requireReference();
    return { map: this.#map as Map, form: this.#form, mean: this.#mean, threshold: this.#threshold };
  }

  #value(difference: Float64Array): number {
    if (this.#form !== undefined) return quadraticForm(this.#form, difference);
    let sum = 0;
    for (const x of difference) sum += x * x;
    return sum;
  }

  protected fittedBytes(): number {
    const size = this.mapSize();
    return ((this.options.windowSize + 1 + size + this.dimensions) * size + 2) * 8;
  }

  protected abstract mapSize(): number;
  protected abstract makeMap(reference: Rows): Map;
  /** The matrix Q, from differences of means as they are without drift; undefined: the identity. */
  protected abstract makeForm(map: Map, differences: () => readonly Float64Array[]): Float64Array | undefined;
}

function meanOf(rows: Rows): Float64Array {
  const mean = new Float64Array(rows.d);
  for (let i = 0; i < rows.n; i++) {
    for (let k = 0; k < rows.d; k++) mean[k] = (mean[k] as number) + (rows.values[i * rows.d + k] as number);
  }
  return mean.map((sum) => sum / rows.n);
}

/** Mean of a random window of the reference less the reference's mean, many times. */
function drawnDifferences(maps: Rows, windowSize: number, seed: number): Float64Array[] {
  const random = createRandom(seed, 'mean-map');
  const mean = meanOf(maps);
  return Array.from({ length: trials }, () => {
    const difference = new Float64Array(maps.d);
    for (let i = 0; i < windowSize; i++) {
      const at = (random.uint32() % maps.n) * maps.d;
      for (let k = 0; k < maps.d; k++) difference[k] = (difference[k] as number) + (maps.values[at + k] as number);
    }
    return difference.map((sum, k) => sum / windowSize - (mean[k] as number));
  });
}
