// Kolmogorov–Smirnov per feature with Bonferroni's correction: drift when any feature's distance is above its critical value at α/d.
// S. Rabanser, S. Günnemann, Z. Lipton, “Failing loudly: an empirical study of methods for detecting dataset shift”, NeurIPS 2019.
import { ksDistance, ksPValue } from '../kolmogorov.ts';
import { requireThat, resolveOptions, type OptionRules } from '../options.ts';
import type { Rows } from './rows.ts';
import { vectorRules, WindowDetector, type VectorOptions } from './vector-detector.ts';

export interface KsFeaturesOptions extends VectorOptions {
  readonly alpha: number;
}

export const ksFeaturesRules: OptionRules<KsFeaturesOptions> = {
  ...vectorRules,
  alpha: {
    default: 0.001,
    min: 0,
    max: 1,
    open: true,
    about: 'chance of a false alarm at one comparison, all features together',
    search: { low: 1e-8, high: 0.05, log: true },
  },
};

export class KsFeatures extends WindowDetector<KsFeaturesOptions> {
  readonly name = 'ks';
  /** The reference, feature by feature, ascending. */
  readonly #sorted: Float64Array[] = [];
  readonly #column: Float64Array;
  readonly #critical: number;

  /** @throws INVALID_CONFIG */
  constructor(dimensions: number, options?: Partial<KsFeaturesOptions>) {
    super(dimensions, resolveOptions(ksFeaturesRules, options, 'ks'));
    const { referenceSize, windowSize, alpha } = this.options;
    this.#column = new Float64Array(windowSize);
    this.#critical = criticalDistance(referenceSize, windowSize, alpha / dimensions);
    requireThat(
      this.#critical <= 1,
      'ks.alpha',
      'no window of this size can reach alpha for so many features; enlarge it',
    );
  }

  protected fit(reference: Rows): void {
    this.#sorted.length = 0;
    for (let j = 0; j < reference.d; j++) this.#sorted.push(columnOf(reference, j).sort());
  }

  protected place(): void {
    // The rows themselves are compared.
  }

  protected compare(): number {
    const window = this.windowRows();
    let worst = 0;
    for (let j = 0; j < window.d; j++) {
      for (let i = 0; i < window.n; i++) this.#column[i] = window.values[i * window.d + j] as number;
      worst = Math.max(worst, ksDistance(this.#sorted[j] as Float64Array, this.#column.sort()));
    }
    return (worst + 1e-12) / this.#critical;
  }

  protected fittedBytes(): number {
    return (this.options.referenceSize * this.dimensions + this.options.windowSize) * 8;
  }
}

/** One feature of all rows. */
export function columnOf(rows: Rows, j: number): Float64Array {
  return Float64Array.from({ length: rows.n }, (_, i) => rows.values[i * rows.d + j] as number);
}

/** Least distance whose p-value is at most alpha; just above 1 when no distance is. */
export function criticalDistance(n: number, m: number, alpha: number): number {
  const steps = n * m;
  let low = 0;
  let high = steps + 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (ksPValue(middle / steps, n, m) <= alpha) high = middle;
    else low = middle;
  }
  return high / steps;
}
