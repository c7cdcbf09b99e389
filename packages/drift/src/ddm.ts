// DDM: alarm when a model's error rate has risen above its best. J. Gama, P. Medas, G. Castillo, P. Rodrigues, “Learning with
// drift detection”, SBIA 2004.
//
//   p = error rate, s = √(p(1 − p)/n); keep (p, s) where p + s is least      alarm when p + s > p_min + 3·s_min, warning at 2
//
// The paper writes ≥; with > a stream without errors (p = s = 0) is no alarm.
import { BinaryDetector, type MemoryReader, type Plain } from './detector.ts';
import { requireThat, resolveOptions, type OptionRules } from './options.ts';

export interface DdmOptions {
  readonly warmUp: number;
  readonly warningLevel: number;
  readonly driftLevel: number;
}

export const ddmRules: OptionRules<DdmOptions> = {
  warmUp: {
    default: 30,
    min: 1,
    max: 1e9,
    whole: true,
    about: 'samples before the first test',
    search: { low: 20, high: 500, log: true },
  },
  warningLevel: { default: 2, min: 0, max: 100, about: 'deviations above the best error rate that warn' },
  driftLevel: {
    default: 3,
    min: 1,
    max: 100,
    open: true,
    about: 'deviations above the best error rate that alarm; more than 1, which is the best itself',
    search: { low: 1.5, high: 8 },
  },
};

/** Bytes: n, errors, and the best p and s. */
const bytes = 4 * 8;

export class Ddm extends BinaryDetector<DdmOptions> {
  readonly name = 'ddm';
  readonly maxBytes = bytes;
  #n = 0;
  #rate = 0;
  #bestRate = 2;
  #bestSpread = 2;

  /** @throws INVALID_CONFIG, also when warningLevel is above driftLevel. */
  constructor(options?: Partial<DdmOptions>) {
    super(resolveOptions(ddmRules, options, 'ddm'));
    const { warningLevel, driftLevel } = this.options;
    requireThat(warningLevel <= driftLevel, 'ddm.warningLevel', 'warningLevel is above driftLevel');
  }

  protected accept(error: number): void {
    this.#n += 1;
    this.#rate += (error - this.#rate) / this.#n;
    if (this.#n <= this.options.warmUp) return;
    const rate = this.#rate;
    const spread = Math.sqrt(Math.max(0, rate * (1 - rate)) / this.#n);
    if (rate + spread <= this.#bestRate + this.#bestSpread) {
      this.#bestRate = rate;
      this.#bestSpread = spread;
    }
    const { warningLevel, driftLevel } = this.options;
    const above = rate + spread - this.#bestRate;
    this.drift = above > driftLevel * this.#bestSpread;
    this.warning = !this.drift && above > warningLevel * this.#bestSpread;
    const rise = above - this.#bestSpread;
    this.ratio = this.#bestSpread > 0 ? rise / ((driftLevel - 1) * this.#bestSpread) : 2 * Math.sign(rise);
  }

  protected clear(): void {
    this.#n = 0;
    this.#rate = 0;
    this.#bestRate = 2;
    this.#bestSpread = 2;
    this.ratio = 0;
  }

  protected memory(): Record<string, Plain> {
    return { n: this.#n, rate: this.#rate, bestRate: this.#bestRate, bestSpread: this.#bestSpread };
  }

  protected recall(memory: MemoryReader): void {
    this.#n = memory.count('n');
    this.#rate = memory.number('rate');
    this.#bestRate = memory.number('bestRate');
    this.#bestSpread = memory.number('bestSpread');
  }
}
