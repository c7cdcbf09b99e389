// EDDM: alarm when errors come closer together than at best. M. Baena-García et al., “Early drift detection method”, IWKDDS 2006.
//
//   d = samples from one error to the next, p′ its mean, s′ its deviation (n − 1)      level = (p′ + 2s′) / largest (p′ + 2s′) so far
//   alarm when level < β, warning when level < α, from `minErrors` errors on
//
// Very sensitive: on a steady stream the defaults alarm about every 50 errors. Lower β where that is too often.
import { BinaryDetector, type MemoryReader, type Plain } from './detector.ts';
import { requireThat, resolveOptions, type OptionRules } from './options.ts';

export interface EddmOptions {
  readonly minErrors: number;
  readonly alpha: number;
  readonly beta: number;
}

export const eddmRules: OptionRules<EddmOptions> = {
  minErrors: {
    default: 30,
    min: 2,
    max: 1e9,
    whole: true,
    about: 'errors before the first test',
    search: { low: 20, high: 500, log: true },
  },
  alpha: { default: 0.95, min: 0, max: 1, open: true, about: 'level below which to warn' },
  beta: {
    default: 0.9,
    min: 0,
    max: 1,
    open: true,
    about: 'level below which to alarm',
    search: { low: 0.4, high: 0.95 },
  },
};

/** Bytes: n, time of the newest error, errors, mean and squares of the gaps, best level, warning. */
const bytes = 7 * 8;

export class Eddm extends BinaryDetector<EddmOptions> {
  readonly name = 'eddm';
  readonly maxBytes = bytes;
  #n = 0;
  #lastError = 0;
  #errors = 0;
  #mean = 0;
  #squares = 0;
  #best = 0;
  #warned = false;

  /** @throws INVALID_CONFIG, also when alpha is below beta. */
  constructor(options?: Partial<EddmOptions>) {
    super(resolveOptions(eddmRules, options, 'eddm'));
    requireThat(this.options.alpha >= this.options.beta, 'eddm.alpha', 'alpha is below beta');
  }

  protected accept(error: number): void {
    this.#n += 1;
    if (error === 1) this.#gap();
    this.warning = this.#warned && !this.drift;
  }

  #gap(): void {
    const gap = this.#n - this.#lastError;
    this.#lastError = this.#n;
    this.#errors += 1;
    const before = gap - this.#mean;
    this.#mean += before / this.#errors;
    this.#squares += before * (gap - this.#mean);
    if (this.#n > this.options.minErrors) this.#test();
  }

  #test(): void {
    const spread = this.#errors > 1 ? Math.sqrt(this.#squares / (this.#errors - 1)) : 0;
    const reach = this.#mean + 2 * spread;
    if (reach > this.#best) {
      this.#best = reach;
      this.ratio = 0;
      return;
    }
    if (this.#errors <= this.options.minErrors) return;
    const level = reach / this.#best;
    const { alpha, beta } = this.options;
    this.drift = level < beta;
    this.#warned = level < alpha;
    this.ratio = (1 - level) / (1 - beta);
  }

  protected clear(): void {
    this.#n = 0;
    this.#lastError = 0;
    this.#errors = 0;
    this.#mean = 0;
    this.#squares = 0;
    this.#best = 0;
    this.#warned = false;
    this.ratio = 0;
  }

  protected memory(): Record<string, Plain> {
    return {
      n: this.#n,
      lastError: this.#lastError,
      errors: this.#errors,
      mean: this.#mean,
      squares: this.#squares,
      best: this.#best,
      warned: Number(this.#warned),
    };
  }

  protected recall(memory: MemoryReader): void {
    this.#n = memory.count('n');
    this.#lastError = memory.count('lastError', this.#n);
    this.#errors = memory.count('errors', this.#n);
    this.#mean = memory.number('mean');
    this.#squares = memory.number('squares');
    this.#best = memory.number('best');
    this.#warned = memory.flag('warned');
  }
}
