// HDDM-W: as HDDM-A with exponentially weighted means and McDiarmid's bound. I. Frías-Blanco et al., “Online and non-parametric
// drift detection methods based on Hoeffding's bounds”, IEEE TKDE 27 (2015).
//
//   mean ← λx + (1 − λ)mean, weight ← λ² + (1 − λ)²·weight (from 1)
//   cut point = the moment of least mean + √(weight·ln(1/α)/2); from there a second mean starts
//   alarm when second mean − mean at the cut > √((weight_1 + weight_2)·ln(1/α)/2)
import { UnitDetector, type MemoryReader, type Plain } from './detector.ts';
import { requireThat, resolveOptions, type OptionRules } from './options.ts';

export interface HddmWOptions {
  readonly alphaDrift: number;
  readonly alphaWarning: number;
  readonly lambda: number;
  readonly twoSided: number;
}

export const hddmWRules: OptionRules<HddmWOptions> = {
  alphaDrift: {
    default: 0.001,
    min: 0,
    max: 1,
    open: true,
    about: 'chance of a false alarm',
    search: { low: 1e-8, high: 0.1, log: true },
  },
  alphaWarning: { default: 0.005, min: 0, max: 1, open: true, about: 'chance of a false warning' },
  lambda: {
    default: 0.05,
    min: 0,
    max: 1,
    open: true,
    about: 'weight of the newest sample',
    search: { low: 0.005, high: 0.3, log: true },
  },
  twoSided: { default: 0, min: 0, max: 1, whole: true, about: '0 alarms on a rise only, 1 on a fall too' },
};

/** An exponentially weighted mean and the weight in its bound; weight 1 until the first sample. */
interface Weighted {
  mean: number;
  weight: number;
}

/** The moment of the best bound, and what came since. */
interface Cut {
  /** Least mean + bound so far; above 2: none. */
  best: number;
  readonly before: Weighted;
  readonly since: Weighted;
}

const numbersPerCut = 5;

export class HddmW extends UnitDetector<HddmWOptions> {
  readonly name = 'hddm-w';
  readonly maxBytes = (2 + 2 * numbersPerCut) * 8;
  readonly #driftLog: number;
  readonly #warningShare: number;
  readonly #total: Weighted = { mean: 0, weight: 1 };
  /** Cut for a rise; for a fall the samples are mirrored to 1 − x. */
  readonly #rise: Cut = emptyCut();
  readonly #fall: Cut = emptyCut();

  /** @throws INVALID_CONFIG, also when alphaWarning is below alphaDrift or no change could ever alarm. */
  constructor(options?: Partial<HddmWOptions>) {
    super(resolveOptions(hddmWRules, options, 'hddm-w'));
    const { alphaDrift, alphaWarning, lambda } = this.options;
    requireThat(alphaWarning >= alphaDrift, 'hddm-w.alphaWarning', 'alphaWarning is below alphaDrift');
    this.#driftLog = Math.log(1 / alphaDrift) / 2;
    // Both weights end at λ/(2 − λ); means in 0…1 cannot differ by more than 1.
    const least = Math.sqrt(((2 * lambda) / (2 - lambda)) * this.#driftLog);
    requireThat(least < 1, 'hddm-w.lambda', 'with this lambda and alphaDrift no change could ever alarm; lower lambda');
    this.#warningShare = Math.sqrt(Math.log(1 / alphaWarning) / Math.log(1 / alphaDrift));
  }

  protected accept(x: number): void {
    this.#add(this.#total, x);
    const rise = this.#follow(this.#rise, x, this.#total.mean);
    const fall = this.options.twoSided === 1 ? this.#follow(this.#fall, 1 - x, 1 - this.#total.mean) : 0;
    this.ratio = Math.max(rise, fall);
    this.drift = this.ratio > 1;
    this.warning = !this.drift && this.ratio > this.#warningShare;
  }

  #add(sample: Weighted, x: number): void {
    const { lambda } = this.options;
    sample.mean = sample.weight === 1 ? x : lambda * x + (1 - lambda) * sample.mean;
    sample.weight = lambda * lambda + (1 - lambda) ** 2 * sample.weight;
  }

  /** Moves the cut or adds to what came since. @returns difference of means over its bound. */
  #follow(cut: Cut, x: number, mean: number): number {
    const bound = mean + Math.sqrt(this.#total.weight * this.#driftLog);
    if (bound < cut.best) {
      cut.best = bound;
      cut.before.mean = mean;
      cut.before.weight = this.#total.weight;
      cut.since.mean = 0;
      cut.since.weight = 1;
      return 0;
    }
    this.#add(cut.since, x);
    const gap = cut.since.mean - cut.before.mean;
    return gap / Math.sqrt((cut.before.weight + cut.since.weight) * this.#driftLog);
  }

  protected clear(): void {
    Object.assign(this.#total, { mean: 0, weight: 1 });
    for (const cut of [this.#rise, this.#fall]) fillCut(cut, [none, 0, 1, 0, 1]);
  }

  protected memory(): Record<string, Plain> {
    return { total: [this.#total.mean, this.#total.weight], rise: numbersOf(this.#rise), fall: numbersOf(this.#fall) };
  }

  protected recall(memory: MemoryReader): void {
    const total = memory.list('total', 2);
    const rise = memory.list('rise', numbersPerCut);
    const fall = memory.list('fall', numbersPerCut);
    const whole = total.length === 2 && rise.length === numbersPerCut && fall.length === numbersPerCut;
    memory.require(whole, 'a mean or a cut is incomplete');
    Object.assign(this.#total, { mean: total[0], weight: total[1] });
    fillCut(this.#rise, rise);
    fillCut(this.#fall, fall);
  }
}

/** Above every mean + bound: the weight is at most 1, but α may be tiny. */
const none = 1e9;

function emptyCut(): Cut {
  return { best: none, before: { mean: 0, weight: 1 }, since: { mean: 0, weight: 1 } };
}

function numbersOf(cut: Cut): number[] {
  return [cut.best, cut.before.mean, cut.before.weight, cut.since.mean, cut.since.weight];
}

function fillCut(cut: Cut, numbers: readonly number[]): void {
  cut.best = numbers[0] as number;
  cut.before.mean = numbers[1] as number;
  cut.before.weight = numbers[2] as number;
  cut.since.mean = numbers[3] as number;
  cut.since.weight = numbers[4] as number;
}
