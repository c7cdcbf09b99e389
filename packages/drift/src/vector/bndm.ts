// BNDM: Bayesian nonparametric detection. J. Xuan, J. Lu, G. Zhang, “Bayesian nonparametric unsupervised concept drift detection for
// data stream mining”, ACM TIST 12 (2020); the two-sample Pólya tree test is that of C. Holmes et al., Bayesian Analysis 10 (2015).
//
// Each feature is scaled by the reference's median and quartiles and cut at the quantiles of a normal, `depth` levels deep. For each
// node with left/right counts of reference (a, b) and window (a′, b′) and weight w = c·level²:
//
//   ln BF += ln B(w + a + a′, w + b + b′) + ln B(w, w) − ln B(w + a, w + b) − ln B(w + a′, w + b′)      (one law against two)
//
// Chance of drift = 1 / (1 + d · BF) with prior odds 1 : d for each feature; the largest over the features against `threshold`.
// The scale is that of the reference alone: taking it from both samples together lets the drift move its own yardstick.
import { resolveOptions, type OptionRules } from '../options.ts';
import { columnOf } from './ks-features.ts';
import { normalQuantile } from '../normal.ts';
import type { Rows } from './rows.ts';
import { vectorRules, WindowDetector, type VectorOptions } from './vector-detector.ts';

export interface BndmOptions extends VectorOptions {
  readonly depth: number;
  readonly weight: number;
  readonly threshold: number;
}

export const bndmRules: OptionRules<BndmOptions> = {
  ...vectorRules,
  depth: { default: 3, min: 1, max: 8, whole: true, about: 'levels of the tree', search: { low: 2, high: 5 } },
  weight: { default: 1, min: 0.01, max: 1000, about: 'the prior’s c', search: { low: 0.1, high: 10, log: true } },
  threshold: {
    default: 0.95,
    min: 0,
    max: 1,
    open: true,
    about: 'chance of drift that alarms',
    search: { low: 0.5, high: 0.999 },
  },
};

export class Bndm extends WindowDetector<BndmOptions> {
  readonly name = 'bndm';
  readonly #edges: Float64Array;
  /** Leaf counts of the reference, a feature after the other. */
  readonly #referenceLeaves: Float64Array;
  /** Leaves of the ring's vectors. */
  readonly #leaves: Uint8Array;
  readonly #median: Float64Array;
  readonly #scale: Float64Array;
  /** ln Γ(w + k) for each level, k from 0 to all samples; and ln Γ(2w + k). */
  readonly #single: Float64Array[];
  readonly #double: Float64Array[];

  /** @throws INVALID_CONFIG */
  constructor(dimensions: number, options?: Partial<BndmOptions>) {
    super(dimensions, resolveOptions(bndmRules, options, 'bndm'));
    const { depth, weight, referenceSize, windowSize } = this.options;
    const leaves = 2 ** depth;
    this.#edges = Float64Array.from({ length: leaves - 1 }, (_, i) => normalQuantile((i + 1) / leaves));
    this.#referenceLeaves = new Float64Array(dimensions * leaves);
    this.#leaves = new Uint8Array(windowSize * dimensions);
    this.#median = new Float64Array(dimensions);
    this.#scale = new Float64Array(dimensions);
    const levels = Array.from({ length: depth }, (_, level) => weight * (level + 1) ** 2);
    this.#single = levels.map((w) => logGammas(w, referenceSize + windowSize));
    this.#double = levels.map((w) => logGammas(2 * w, referenceSize + windowSize));
  }

  protected fit(reference: Rows): void {
    this.#referenceLeaves.fill(0);
    for (let j = 0; j < reference.d; j++) {
      const column = columnOf(reference, j).sort();
      const at = (share: number): number =>
        column[Math.min(column.length - 1, Math.floor(share * column.length))] as number;
      this.#median[j] = at(0.5);
      // The quartiles of a normal lie 1.349 deviations apart; a feature that is constant there gets a tiny scale.
      this.#scale[j] = Math.max((at(0.75) - at(0.25)) / 1.349, 1e-9 * Math.max(1, Math.abs(at(0.5))));
      for (const x of column) this.#count(this.#referenceLeaves, j, this.#leafOf(x, j));
    }
  }

  protected place(vector: ArrayLike<number>, slot: number): void {
    for (let j = 0; j < this.dimensions; j++)
      this.#leaves[slot * this.dimensions + j] = this.#leafOf(vector[j] as number, j);
  }

  protected compare(): number {
    const leaves = this.#edges.length + 1;
    const counts = new Float64Array(this.dimensions * leaves);
    for (let i = 0; i < this.#leaves.length; i++) this.#count(counts, i % this.dimensions, this.#leaves[i] as number);
    let least = Infinity;
    for (let j = 0; j < this.dimensions; j++) {
      const from = j * leaves;
      least = Math.min(
        least,
        this.#logFactor(this.#referenceLeaves.slice(from, from + leaves), counts.slice(from, from + leaves)),
      );
    }
    const chance = 1 / (1 + this.dimensions * Math.exp(Math.min(600, least)));
    return chance / this.options.threshold;
  }

  #count(counts: Float64Array, feature: number, leaf: number): void {
    const at = feature * (this.#edges.length + 1) + leaf;
    counts[at] = (counts[at] as number) + 1;
  }

  #leafOf(x: number, feature: number): number {
    const z = (x - (this.#median[feature] as number)) / (this.#scale[feature] as number);
    let leaf = 0;
    while (leaf < this.#edges.length && z >= (this.#edges[leaf] as number)) leaf++;
    return leaf;
  }

  /** ln of the Bayes factor of one law against two; folds the leaves upwards in place. */
  #logFactor(reference: Float64Array, window: Float64Array): number {
    let total = 0;
    let width = reference.length;
    for (let level = this.options.depth - 1; level >= 0; level--) {
      width /= 2;
      for (let node = 0; node < width; node++) {
        const [a, b] = [reference[2 * node] as number, reference[2 * node + 1] as number];
        const [a2, b2] = [window[2 * node] as number, window[2 * node + 1] as number];
        total += this.#logBeta(level, a + a2, b + b2) + this.#logBeta(level, 0, 0);
        total -= this.#logBeta(level, a, b) + this.#logBeta(level, a2, b2);
        reference[node] = a + b;
        window[node] = a2 + b2;
      }
    }
    return total;
  }

  #logBeta(level: number, a: number, b: number): number {
    const single = this.#single[level] as Float64Array;
    return (single[a] as number) + (single[b] as number) - ((this.#double[level] as Float64Array)[a + b] as number);
  }

  protected fittedBytes(): number {
    const { depth, referenceSize, windowSize } = this.options;
    const tables = 2 * depth * (referenceSize + windowSize + 1);
    return (2 * this.dimensions * 2 ** depth + 2 * this.dimensions + tables + 2 ** depth) * 8 + this.#leaves.length;
  }
}

/** ln Γ(w + k) for k = 0…n, up to a constant: differences of Beta functions of one w cancel it, as each takes two and gives one back. */
function logGammas(w: number, n: number): Float64Array {
  const table = new Float64Array(n + 1);
  for (let k = 1; k <= n; k++) table[k] = (table[k - 1] as number) + Math.log(w + k - 1);
  return table;
}
