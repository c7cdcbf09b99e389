// CUSUM: the tabular cumulative sum against a fixed reference. E. S. Page, “Continuous inspection schemes”, Biometrika 41 (1954);
// D. M. Hawkins and D. H. Olwell, “Cumulative Sum Charts and Charting for Quality Improvement” (1998).
//
//   z = (x − mean)/deviation      up ← max(0, up + z − k)      down ← max(0, down − z − k)      alarm when one is above h
//
// The reference is given (`deviation` > 0) or estimated once from the first `warmUp` samples; it never follows the stream.
// With k = 0.5 and h = 5 a steady normal stream alarms about every 465 samples (two-sided), a shift of one deviation after 10.
import { ScalarDetector, type MemoryReader, type Plain } from './detector.ts';
import { resolveOptions, type OptionRules } from './options.ts';

export interface CusumOptions {
  readonly k: number;
  readonly h: number;
  readonly warmUp: number;
  readonly mean: number;
  readonly deviation: number;
  readonly direction: number;
}

export const cusumRules: OptionRules<CusumOptions> = {
  k: {
    default: 0.5,
    min: 0,
    max: 100,
    about: 'slack, deviations: half the shift to be found',
    search: { low: 0.05, high: 2 },
  },
  h: {
    default: 5,
    min: 0,
    max: 1e6,
    open: true,
    about: 'decision interval, deviations',
    search: { low: 2, high: 50, log: true },
  },
  warmUp: { default: 30, min: 2, max: 1e9, whole: true, about: 'samples from which the reference is estimated' },
  mean: { default: 0, min: -1e100, max: 1e100, about: 'mean of the reference; used when deviation is above 0' },
  deviation: { default: 0, min: 0, max: 1e100, about: 'deviation of the reference; 0: estimate both' },
  direction: { default: 0, min: -1, max: 1, whole: true, about: '1 alarms on a rise, −1 on a fall, 0 on both' },
};

/** Bytes: count, mean, squares, two sums. */
const bytes = 5 * 8;
/** Deviations at most that one sample counts: a constant reference makes every change infinite. */
const most = 1e6;

export class Cusum extends ScalarDetector<CusumOptions> {
  readonly name = 'cusum';
  readonly maxBytes = bytes;
  #n = 0;
  #mean = 0;
  #squares = 0;
  #up = 0;
  #down = 0;

  /** @throws INVALID_CONFIG */
  constructor(options?: Partial<CusumOptions>) {
    super(resolveOptions(cusumRules, options, 'cusum'));
  }

  protected accept(x: number): void {
    const { deviation, warmUp, mean } = this.options;
    if (deviation > 0) {
      this.#add((x - mean) / deviation);
    } else if (this.#n < warmUp) {
      this.#n += 1;
      const before = x - this.#mean;
      this.#mean += before / this.#n;
      this.#squares += before * (x - this.#mean);
    } else {
      this.#add(this.#deviations(x));
    }
  }

  #deviations(x: number): number {
    const gap = x - this.#mean;
    const deviation = Math.sqrt(this.#squares / (this.#n - 1));
    return deviation > 0 ? gap / deviation : gap === 0 ? 0 : most * Math.sign(gap);
  }

  #add(deviations: number): void {
    const { k, h, direction } = this.options;
    const z = Math.max(-most, Math.min(most, deviations));
    this.#up = Math.max(0, this.#up + z - k);
    this.#down = Math.max(0, this.#down - z - k);
    const sum = direction === 0 ? Math.max(this.#up, this.#down) : direction > 0 ? this.#up : this.#down;
    this.judge(sum / h);
  }

  protected clear(): void {
    this.#n = 0;
    this.#mean = 0;
    this.#squares = 0;
    this.#up = 0;
    this.#down = 0;
    this.ratio = 0;
  }

  protected memory(): Record<string, Plain> {
    return { n: this.#n, mean: this.#mean, squares: this.#squares, up: this.#up, down: this.#down };
  }

  protected recall(memory: MemoryReader): void {
    this.#n = memory.count('n', this.options.warmUp);
    this.#mean = memory.number('mean');
    this.#squares = memory.number('squares');
    this.#up = memory.number('up');
    this.#down = memory.number('down');
  }
}
