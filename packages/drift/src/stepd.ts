// STEPD: the newest samples against all older ones by the test of equal proportions. K. Nishida and K. Yamauchi, “Detecting
// concept drift using statistical testing”, Discovery Science 2007.
//
//   T = (|r_o/n_o − r_n/n_n| − ½(1/n_o + 1/n_n)) / √(p(1 − p)(1/n_o + 1/n_n))      p over both; alarm when 2(1 − Φ(T)) < α_d
//
// r counts errors. The paper means a fall of accuracy; `direction` 1 looks for it only, 0 takes any change as other programs do.
import { BinaryDetector, type MemoryReader, type Plain } from './detector.ts';
import { normalQuantile } from './normal.ts';
import { requireThat, resolveOptions, type OptionRules } from './options.ts';

export interface StepdOptions {
  readonly window: number;
  readonly alphaDrift: number;
  readonly alphaWarning: number;
  readonly direction: number;
}

export const stepdRules: OptionRules<StepdOptions> = {
  window: {
    default: 30,
    min: 5,
    max: 10_000,
    whole: true,
    about: 'newest samples',
    search: { low: 15, high: 300, log: true },
  },
  alphaDrift: {
    default: 0.003,
    min: 0,
    max: 1,
    open: true,
    about: 'two-sided chance of a false alarm at one sample',
    search: { low: 1e-8, high: 0.05, log: true },
  },
  alphaWarning: {
    default: 0.05,
    min: 0,
    max: 1,
    open: true,
    about: 'two-sided chance of a false warning at one sample',
  },
  direction: { default: 1, min: -1, max: 1, whole: true, about: '1 alarms on more errors, −1 on fewer, 0 on both' },
};

export class Stepd extends BinaryDetector<StepdOptions> {
  readonly name = 'stepd';
  readonly maxBytes: number;
  readonly #zDrift: number;
  readonly #zWarning: number;
  readonly #recent: Uint8Array;
  #n = 0;
  #recentErrors = 0;
  #olderErrors = 0;

  /** @throws INVALID_CONFIG, also when alphaWarning is below alphaDrift. */
  constructor(options?: Partial<StepdOptions>) {
    super(resolveOptions(stepdRules, options, 'stepd'));
    const { window, alphaDrift, alphaWarning } = this.options;
    requireThat(alphaWarning >= alphaDrift, 'stepd.alphaWarning', 'alphaWarning is below alphaDrift');
    this.#zDrift = -normalQuantile(alphaDrift / 2);
    this.#zWarning = -normalQuantile(alphaWarning / 2);
    this.#recent = new Uint8Array(window);
    // As numbers of a plain state; in memory a sample is one byte.
    this.maxBytes = window * 8 + 5 * 8;
  }

  protected accept(error: number): void {
    const { window } = this.options;
    const at = this.#n % window;
    const leaving = this.#n >= window ? (this.#recent[at] as number) : 0;
    this.#recent[at] = error;
    this.#recentErrors += error - leaving;
    this.#olderErrors += leaving;
    this.#n += 1;
    if (this.#n < 2 * window) return;
    const z = this.#z();
    this.ratio = z / this.#zDrift;
    this.drift = z > this.#zDrift;
    this.warning = !this.drift && z > this.#zWarning;
  }

  /** The statistic T, 0 when the change is not in the wanted direction. */
  #z(): number {
    const { window, direction } = this.options;
    const older = this.#n - window;
    const rise = this.#recentErrors / window - this.#olderErrors / older;
    if (rise * direction < 0) return 0;
    const rate = (this.#recentErrors + this.#olderErrors) / this.#n;
    const scale = 1 / older + 1 / window;
    const spread = Math.sqrt(rate * (1 - rate) * scale);
    return spread > 0 ? Math.max(0, Math.abs(rise) - scale / 2) / spread : 0;
  }

  protected clear(): void {
    this.#n = 0;
    this.#recentErrors = 0;
    this.#olderErrors = 0;
    this.#recent.fill(0);
    this.ratio = 0;
  }

  protected memory(): Record<string, Plain> {
    return { n: this.#n, olderErrors: this.#olderErrors, recent: [...this.#recent] };
  }

  protected recall(memory: MemoryReader): void {
    const recent = memory.list('recent', this.#recent.length);
    const fits = recent.length === this.#recent.length && recent.every((error) => error === 0 || error === 1);
    memory.require(fits, `recent is not a list of ${this.#recent.length} zeros and ones`);
    this.#n = memory.count('n');
    this.#olderErrors = memory.count('olderErrors', this.#n);
    this.#recent.set(recent);
    this.#recentErrors = recent.reduce((sum, error) => sum + error, 0);
  }
}
