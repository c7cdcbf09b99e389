// SPLL: semi-parametric log-likelihood. L. Kuncheva, “Change detection in streaming multivariate data using likelihood detectors”,
// IEEE TKDE 25 (2013).
//
//   K clusters of the reference with one pooled covariance Σ      u(x) = min over clusters of (x − μ)ᵀΣ⁻¹(x − μ)
//   statistic = |mean ∛u(window) − mean ∛u(held-out reference)| / (deviation of ∛u · √(1/window + 1/held-out))
//
// The paper compares the mean of u with χ²_d, which is the law of ONE u and needs Gaussian clusters; a mean over a window hardly
// ever reaches its tail. Here the window is compared with a held-out third of the reference by Student's t, two-sided as in the paper, on
// cube roots: those of χ² are close to normal (Wilson & Hilferty 1931), while the deviation of few u is too small whenever their mean is,
// which gave four times as many false alarms as alpha allows. Σ is shrunk towards its diagonal, to be inverted with few vectors.
//
// With `symmetric` the roles are also exchanged, and the larger of the two counts, as the paper's SPLL = max(SPLL(W₁, W₂), SPLL(W₂, W₁)):
// clusters of the window, the reference under them. Their null law comes from parts of the reference as large as the window; alpha is halved.
import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import { normalQuantile } from '../normal.ts';
import { resolveOptions, type OptionRules } from '../options.ts';
import { fittedStandard, numbersOf, type FittedSpll } from './fitted.ts';
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
  readonly symmetric: number;
}

/** Parts of the reference that are taken for a window, to learn how the exchanged statistic is spread without drift. */
const exchanges = 40;

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
  symmetric: {
    default: 0,
    min: 0,
    max: 1,
    whole: true,
    about:
      '1 also fits the window and looks at the reference, and takes the larger statistic; costs a fit each comparison',
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
  /** Mean ∛u of the held-out part of the reference, and how far from it a window's mean alarms. */
  #held = { mean: 0, reach: Infinity };
  /** ∛u of the ring's vectors. */
  readonly #distances: Float64Array;
  readonly #scratch: Float64Array;
  /** The exchanged statistic without drift: its mean, and how far from it the threshold lies. */
  #exchanged = { mean: 0, bound: Infinity };

  /** @throws INVALID_CONFIG */
  constructor(dimensions: number, options?: Partial<SpllOptions>) {
    super(dimensions, resolveOptions(spllRules, options, 'spll'));
    this.#distances = new Float64Array(this.options.windowSize);
    this.#scratch = new Float64Array(dimensions);
  }

  protected fit(reference: Rows): void {
    const { clusters, symmetric, seed } = this.options;
    const alpha = this.options.alpha / (1 + symmetric);
    const random = createRandom(seed, 'spll');
    const order = random.shuffle(Array.from({ length: reference.n }, (_, i) => i));
    const held = order.slice(0, Math.floor(reference.n / 3));
    this.#mixture = fitMixture(take(reference, order.slice(held.length)), clusters, random);
    const u = held.map((i) => this.#distance(rowOf(reference, i)));
    const { n, mean, squares } = momentsOf(u);
    const error = Math.max(Math.sqrt(squares / (n - 1)), 1e-9) * Math.sqrt(1 / n + 1 / this.options.windowSize);
    this.#held = { mean, reach: studentQuantile(alpha / 2, n - 1) * error };
    if (symmetric === 1) this.#fitExchanged(reference, alpha, random);
  }

  #fitExchanged(reference: Rows, alpha: number, random: Random): void {
    const size = Math.min(this.options.windowSize, Math.floor(reference.n / 2));
    const means = Array.from({ length: exchanges }, () => {
      const order = random.shuffle(Array.from({ length: reference.n }, (_, i) => i));
      return this.#meanUnder(take(reference, order.slice(0, size)), take(reference, order.slice(size)));
    });
    const { mean, squares } = momentsOf(means);
    const deviation = Math.sqrt(squares / (exchanges - 1) + squares / (exchanges - 1) / exchanges);
    this.#exchanged = { mean, bound: studentQuantile(alpha / 2, exchanges - 1) * Math.max(deviation, 1e-9) };
  }

  /** Mean ∛u of rows under the clusters of others. */
  #meanUnder(fitted: Rows, rows: Rows): number {
    const mixture = fitMixture(fitted, this.options.clusters, createRandom(this.options.seed, 'spll-exchanged'));
    let sum = 0;
    for (let i = 0; i < rows.n; i++) sum += this.#distance(rowOf(rows, i), mixture);
    return sum / rows.n;
  }

  protected place(vector: ArrayLike<number>, slot: number): void {
    this.#distances[slot] = this.#distance(vector);
  }

  protected compare(): number {
    const forward = Math.abs(momentsOf(this.#distances).mean - this.#held.mean) / this.#held.reach;
    if (this.options.symmetric === 0) return forward;
    const { mean, bound } = this.#exchanged;
    return Math.max(forward, Math.abs(this.#meanUnder(this.windowRows(), this.reference()) - mean) / bound);
  }

  /**
   * What comparing windows needs, frozen.
   * @throws TOO_LITTLE_DATA while the reference is not complete; UNSUPPORTED with `symmetric`, which needs the reference itself.
   */
  fitted(): FittedSpll {
    this.requireReference();
    if (this.options.symmetric === 1)
      throw new SanderlingError(
        'UNSUPPORTED',
        'spll with symmetric fits every window and compares the whole reference',
        {
          where: 'options.symmetric',
          fix: 'set symmetric to 0',
        },
      );
    const { standard, factor, centres } = this.#mixture as Mixture;
    return Object.freeze({
      detector: 'spll',
      standard: fittedStandard(standard),
      factor: numbersOf(factor),
      centres: numbersOf(centres.values),
      heldMean: this.#held.mean,
      reach: this.#held.reach,
    });
  }

  /** Cube root of u. */
  #distance(vector: ArrayLike<number>, mixture = this.#mixture): number {
    if (mixture === undefined) return 0;
    const { standard, factor, centres } = mixture;
    standardise(vector, standard, this.#scratch);
    solveLower(factor, this.#scratch);
    let least = Infinity;
    for (let k = 0; k < centres.n; k++) least = Math.min(least, squaredDistance(this.#scratch, rowOf(centres, k)));
    return Math.cbrt(least);
  }

  protected fittedBytes(): number {
    const { clusters, windowSize } = this.options;
    return (this.dimensions * (this.dimensions + 3 + clusters) + windowSize + 3) * 8;
  }
}

/** Count, mean, and sum of squared distances from it. */
interface Moments {
  readonly n: number;
  readonly mean: number;
  readonly squares: number;
}

function momentsOf(values: ArrayLike<number>): Moments {
  const n = values.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += (values[i] as number) / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += ((values[i] as number) - mean) ** 2;
  return { n, mean, squares };
}

/** What Student's t exceeds with chance alpha: expansion around the normal, Abramowitz & Stegun 26.7.5. */
function studentQuantile(alpha: number, freedom: number): number {
  const z = -normalQuantile(alpha);
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  return z + first / freedom + second / freedom ** 2;
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
