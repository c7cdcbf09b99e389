// Page–Hinkley test: a change of the mean of a stream. E. S. Page, “Continuous inspection schemes”, Biometrika 41 (1954); the
// form with a running mean and a fading sum is that of Gama et al., “On evaluating stream learning algorithms”, Mach. Learn. 90 (2013).
//
//   mean_t = mean of x_1…x_t      up_t = max(0, α·up_{t−1} + x_t − mean_t − δ)      alarm when up_t ≥ λ   (down_t mirrors it)
//
// λ and δ are in the unit of x: scale x by a reference deviation, or choose λ for errors in 0…1.
import { ScalarDetector, type MemoryReader, type Plain } from './detector.ts';
import { resolveOptions, type OptionRules } from './options.ts';

export interface PageHinkleyOptions {
  readonly delta: number;
  readonly lambda: number;
  readonly alpha: number;
  readonly minSamples: number;
  readonly direction: number;
}

export const pageHinkleyRules: OptionRules<PageHinkleyOptions> = {
  delta: {
    default: 0.005,
    min: 0,
    max: 1e6,
    about: 'change of the mean that is tolerated, unit of x',
    search: { low: 1e-4, high: 1, log: true },
  },
  lambda: {
    default: 50,
    min: 0,
    max: 1e9,
    open: true,
    about: 'alarm threshold of the summed excess, unit of x',
    search: { low: 1, high: 200, log: true },
  },
  alpha: {
    default: 0.9999,
    min: 0.5,
    max: 1,
    about: 'share of the sum that is kept from sample to sample; 1 is Page’s test',
    search: { low: 0.99, high: 1 },
  },
  minSamples: { default: 30, min: 1, max: 1e9, whole: true, about: 'samples before the first alarm' },
  direction: { default: 1, min: -1, max: 1, whole: true, about: '1 alarms on a rise, −1 on a fall, 0 on both' },
};

/** Bytes: count, mean and two sums. */
const bytes = 4 * 8;

export class PageHinkley extends ScalarDetector<PageHinkleyOptions> {
  readonly name = 'page-hinkley';
  readonly maxBytes = bytes;
  #n = 0;
  #mean = 0;
  #up = 0;
  #down = 0;

  /** @throws INVALID_CONFIG */
  constructor(options?: Partial<PageHinkleyOptions>) {
    super(resolveOptions(pageHinkleyRules, options, 'page-hinkley'));
  }

  /** Mean of the samples since the last alarm. */
  get mean(): number {
    return this.#mean;
  }

  /** Starts from a known mean as if it had been seen in `n` samples, instead of from nothing. */
  prime(mean: number, n: number): void {
    this.reset();
    this.#mean = mean;
    this.#n = n;
  }

  protected accept(x: number): void {
    const { delta, lambda, alpha, minSamples, direction } = this.options;
    this.#n += 1;
    this.#mean += (x - this.#mean) / this.#n;
    const excess = x - this.#mean;
    this.#up = Math.max(0, alpha * this.#up + excess - delta);
    this.#down = Math.max(0, alpha * this.#down - excess - delta);
    const sum = direction === 0 ? Math.max(this.#up, this.#down) : direction > 0 ? this.#up : this.#down;
    this.judge(sum / lambda, this.#n >= minSamples);
  }

  protected clear(): void {
    this.#n = 0;
    this.#mean = 0;
    this.#up = 0;
    this.#down = 0;
  }

  protected memory(): Record<string, Plain> {
    return { n: this.#n, mean: this.#mean, up: this.#up, down: this.#down };
  }

  protected recall(memory: MemoryReader): void {
    this.#n = memory.count('n');
    this.#mean = memory.number('mean');
    this.#up = memory.number('up');
    this.#down = memory.number('down');
  }
}
