// HDDM-A: alarm when the mean has risen above its lowest by Hoeffding's bound. I. Frías-Blanco et al., “Online and non-parametric
// drift detection methods based on Hoeffding's bounds”, IEEE TKDE 27 (2015).
//
//   cut point = the prefix x with least mean_x + √(ln(1/α)/2n_x)
//   alarm when mean_z − mean_x ≥ √(m/2 · ln(2/α)), m = 1/n_x − 1/n_z, z = all samples
//
// Two-sided, the mirrored cut point (largest mean − bound) is tested too. A cut point that is all of z (m = 0) proves nothing:
// programs that compare 0 ≥ 0 there alarm on every steady stream (see hddm.test.ts).
import { UnitDetector, type MemoryReader, type Plain } from './detector.ts';
import { requireThat, resolveOptions, type OptionRules } from './options.ts';

export interface HddmAOptions {
  readonly alphaDrift: number;
  readonly alphaWarning: number;
  readonly twoSided: number;
}

export const hddmARules: OptionRules<HddmAOptions> = {
  alphaDrift: {
    default: 0.001,
    min: 0,
    max: 1,
    open: true,
    about: 'chance of a false alarm',
    search: { low: 1e-8, high: 0.1, log: true },
  },
  alphaWarning: { default: 0.005, min: 0, max: 1, open: true, about: 'chance of a false warning' },
  twoSided: { default: 0, min: 0, max: 1, whole: true, about: '0 alarms on a rise only, 1 on a fall too' },
};

/** Bytes: count and mean of all samples and of the two cut points. */
const bytes = 6 * 8;

export class HddmA extends UnitDetector<HddmAOptions> {
  readonly name = 'hddm-a';
  readonly maxBytes = bytes;
  readonly #halfLog: number;
  readonly #driftLog: number;
  readonly #warningShare: number;
  #n = 0;
  #mean = 0;
  #lowN = 0;
  #lowMean = 0;
  #highN = 0;
  #highMean = 0;

  /** @throws INVALID_CONFIG, also when alphaWarning is below alphaDrift. */
  constructor(options?: Partial<HddmAOptions>) {
    super(resolveOptions(hddmARules, options, 'hddm-a'));
    const { alphaDrift, alphaWarning } = this.options;
    requireThat(alphaWarning >= alphaDrift, 'hddm-a.alphaWarning', 'alphaWarning is below alphaDrift');
    this.#halfLog = Math.log(1 / alphaDrift) / 2;
    this.#driftLog = Math.log(2 / alphaDrift) / 2;
    this.#warningShare = Math.sqrt(Math.log(2 / alphaWarning) / Math.log(2 / alphaDrift));
  }

  protected accept(x: number): void {
    this.#n += 1;
    this.#mean += (x - this.#mean) / this.#n;
    const bound = Math.sqrt(this.#halfLog / this.#n);
    if (this.#lowN === 0 || this.#lowMean + Math.sqrt(this.#halfLog / this.#lowN) >= this.#mean + bound) {
      this.#lowN = this.#n;
      this.#lowMean = this.#mean;
    }
    if (this.#highN === 0 || this.#highMean - Math.sqrt(this.#halfLog / this.#highN) <= this.#mean - bound) {
      this.#highN = this.#n;
      this.#highMean = this.#mean;
    }
    const rise = this.#share(this.#mean - this.#lowMean, this.#lowN);
    const fall = this.options.twoSided === 1 ? this.#share(this.#highMean - this.#mean, this.#highN) : 0;
    this.ratio = Math.max(rise, fall);
    this.drift = this.ratio >= 1;
    this.warning = !this.drift && this.ratio >= this.#warningShare;
  }

  /** Difference of means over its bound. */
  #share(gap: number, cut: number): number {
    return cut === this.#n ? 0 : gap / Math.sqrt((1 / cut - 1 / this.#n) * this.#driftLog);
  }

  protected clear(): void {
    this.#n = 0;
    this.#mean = 0;
    this.#lowN = 0;
    this.#lowMean = 0;
    this.#highN = 0;
    this.#highMean = 0;
  }

  protected memory(): Record<string, Plain> {
    const low = { lowN: this.#lowN, lowMean: this.#lowMean };
    return { n: this.#n, mean: this.#mean, ...low, highN: this.#highN, highMean: this.#highMean };
  }

  protected recall(memory: MemoryReader): void {
    this.#n = memory.count('n');
    this.#mean = memory.number('mean');
    this.#lowN = memory.count('lowN', this.#n);
    this.#lowMean = memory.number('lowMean');
    this.#highN = memory.count('highN', this.#n);
    this.#highMean = memory.number('highMean');
  }
}
