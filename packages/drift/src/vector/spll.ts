// SPLL: semi-parametric log-likelihood. L. Kuncheva, “Change detection in streaming multivariate data using likelihood detectors”,
// IEEE TKDE 25 (2013).
//
//   K clusters of the reference with one pooled covariance Σ      u(x) = min over clusters of (x − μ)ᵀΣ⁻¹(x − μ)
//   statistic = |mean u(window) − mean u(held-out reference)| / (deviation of u · √(1/window + 1/held-out))
//
// The paper compares the mean of u with χ²_d, which is the law of ONE u and needs Gaussian clusters; a mean over a window hardly
// ever reaches its tail. Here the null law is that of u on a held-out third of the reference (by the central limit theorem),
// two-sided as in the paper. Σ is shrunk towards its diagonal, so that it can be inverted with few vectors.
import { createRandom, type Random } from '@sanderling/kit';
import { normalQuantile } from '../normal.ts';
import { resolveOptions, type OptionRules } from '../options.ts';
import { cholesky, solveLower } from './linear-algebra.ts';
import {
  rowOf,
  squaredDistance,
  standardise,
  standardised,
  standardOf,
  take,
  type Rows,
  type Standard,
} from './rows.ts';
import { vectorRules, WindowDetector, type VectorOptions } from './vector-detector.ts';

export interface SpllOptions extends VectorOptions {
  readonly clusters: number;
  readonly alpha: number;
}

export const spllRules: OptionRules<SpllOptions> = {
  ...vectorRules,
  clusters: { default: 3, min: 1, max: 50, whole: true, about: 'clusters K', search: { low: 1, high: 8 } },
  alpha: {
    default: 0.0005,
    min: 0,
    max: 1,
    open: true,
    about: 'chance of a false alarm at one comparison',
    search: { low: 1e-10, high: 0.05, log: true },
  },
};

/** Clusters in whitened space: Mahalanobis distance there is Euclidean. */
interface Mixture {
  readonly standard: Standard;
  readonly factor: Float64Array;
  readonly centres: Rows;
}

export class Spll extends WindowDetector<SpllOptions> {
  readonly name = 'spll';
  #mixture: Mixture | undefined;
  #mean = 0;
  #bound = Infinity;
  /** u of the ring's vectors. */
  readonly #distances: Float64Array;
  readonly #scratch: Float64Array;

  /** @throws INVALID_CONFIG */
  constructor(dimensions: number, options?: Partial<SpllOptions>) {
    super(dimensions, resolveOptions(spllRules, options, 'spll'));
    this.#distances = new Float64Array(this.options.windowSize);
    this.#scratch = new Float64Array(dimensions);
  }

  protected fit(reference: Rows): void {
    const { clusters, windowSize, alpha, seed } = this.options;
    const random = createRandom(seed, 'spll');
    const order = random.shuffle(Array.from({ length: reference.n }, (_, i) => i));
    const held = order.slice(0, Math.floor(reference.n / 3));
    this.#mixture = fitMixture(take(reference, order.slice(held.length)), clusters, random);
    const u = held.map((i) => this.#distance(rowOf(reference, i)));
    this.#mean = u.reduce((sum, x) => sum + x, 0) / u.length;
    const deviation = Math.sqrt(u.reduce((sum, x) => sum + (x - this.#mean) ** 2, 0) / (u.length - 1));
    const error = Math.max(deviation, 1e-9) * Math.sqrt(1 / windowSize + 1 / u.length);
    this.#bound = -normalQuantile(alpha / 2) * error;
  }

  protected place(vector: ArrayLike<number>, slot: number): void {
    this.#distances[slot] = this.#distance(vector);
  }

  protected compare(): number {
    let sum = 0;
    for (const u of this.#distances) sum += u;
    return Math.abs(sum / this.#distances.length - this.#mean) / this.#bound;
  }

  #distance(vector: ArrayLike<number>): number {
    if (this.#mixture === undefined) return 0;
    const { standard, factor, centres } = this.#mixture;
    standardise(vector, standard, this.#scratch);
    solveLower(factor, this.#scratch);
    let least = Infinity;
    for (let k = 0; k < centres.n; k++) least = Math.min(least, squaredDistance(this.#scratch, rowOf(centres, k)));
    return least;
  }

  protected fittedBytes(): number {
    const { clusters, windowSize } = this.options;
    return (this.dimensions * (this.dimensions + 3 + clusters) + windowSize + 3) * 8;
  }
}

function fitMixture(reference: Rows, clusters: number, random: Random): Mixture {
  const standard = standardOf(reference);
  const scaled = standardised(reference, standard);
  const { centres, labels } = kMeans(scaled, Math.min(clusters, reference.n), random);
  const factor = cholesky(pooledCovariance(scaled, centres, labels), reference.d);
  for (let k = 0; k < centres.n; k++) solveLower(factor, rowOf(centres, k));
  return { standard, factor, centres };
}

/** Lloyd's k-means from random rows, 20 rounds. */
export function kMeans(rows: Rows, k: number, random: Random): { readonly centres: Rows; readonly labels: Int32Array } {
  const order = random.shuffle(Array.from({ length: rows.n }, (_, i) => i));
  const centres = take(rows, order.slice(0, k));
  const labels = new Int32Array(rows.n);
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < rows.n; i++) labels[i] = nearest(rowOf(rows, i), centres);
    const sums = new Float64Array(k * rows.d);
    const counts = new Int32Array(k);
    labels.forEach((label, i) => {
      counts[label] = (counts[label] as number) + 1;
      for (let j = 0; j < rows.d; j++) {
        sums[label * rows.d + j] = (sums[label * rows.d + j] as number) + (rows.values[i * rows.d + j] as number);
      }
    });
    counts.forEach((count, c) => {
      if (count === 0) return;
      for (let j = 0; j < rows.d; j++) centres.values[c * rows.d + j] = (sums[c * rows.d + j] as number) / count;
    });
  }
  return { centres, labels };
}

function nearest(row: Float64Array, centres: Rows): number {
  let best = 0;
  let least = Infinity;
  for (let k = 0; k < centres.n; k++) {
    const distance = squaredDistance(row, rowOf(centres, k));
    if (distance < least) {
      least = distance;
      best = k;
    }
  }
  return best;
}

/** Covariance around each row's own centre, shrunk to its diagonal by d/(d + n). */
function pooledCovariance(rows: Rows, centres: Rows, labels: Int32Array): Float64Array {
  const { n, d } = rows;
  const covariance = new Float64Array(d * d);
  const gap = new Float64Array(d);
  for (let i = 0; i < n; i++) {
    const centre = rowOf(centres, labels[i] as number);
    for (let j = 0; j < d; j++) gap[j] = (rows.values[i * d + j] as number) - (centre[j] as number);
    for (let a = 0; a < d; a++) {
      for (let b = 0; b < d; b++)
        covariance[a * d + b] = (covariance[a * d + b] as number) + ((gap[a] as number) * (gap[b] as number)) / n;
    }
  }
  const shrink = d / (d + n);
  return covariance.map((x, i) => (i % (d + 1) === 0 ? x + 1e-6 : x * (1 - shrink)));
}
