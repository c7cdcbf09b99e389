// OCDD: one-class drift detector. Ö. Gözüaçık and F. Can, “Concept learning using one-class classifiers for implicit drift detection
// in evolving data streams”, Artificial Intelligence Review 54 (2021).
//
// A one-class SVM learns the reference; drift when the share of outliers among the newest window is at least ρ. After an alarm the
// newest ⌈ρ·window⌉ vectors are kept, the rest is gathered anew and the SVM refitted: what the paper's text says; the authors'
// and other public code overwrite the newest rows or drop them instead.
// The outlier's offset is set so that a share ν of a held-out third of the reference lies outside: on the vectors that it was fitted
// to an SVM has fewer outliers than on new ones, in many dimensions by far.
import { createRandom } from '@sanderling/kit';
import { requireThat, resolveOptions, type OptionRules } from '../options.ts';
import { fitOneClass, supportAt, type OneClass } from './one-class-svm.ts';
import {
  medianSquaredDistance,
  rowOf,
  standardise,
  standardised,
  standardOf,
  take,
  type Rows,
  type Standard,
} from './rows.ts';
import { vectorRules, WindowDetector, withDefaults, type VectorOptions } from './vector-detector.ts';

export interface OcddOptions extends VectorOptions {
  readonly nu: number;
  readonly rho: number;
}

export const ocddRules: OptionRules<OcddOptions> = {
  ...withDefaults(vectorRules, { every: 1 }),
  nu: {
    default: 0.1,
    min: 0,
    max: 1,
    open: true,
    about: 'share of outliers without drift',
    search: { low: 0.02, high: 0.3 },
  },
  rho: {
    default: 0.3,
    min: 0,
    max: 1,
    open: true,
    about: 'share of outliers that alarms; above nu',
    search: { low: 0.15, high: 0.7 },
  },
};

export class Ocdd extends WindowDetector<OcddOptions> {
  readonly name = 'ocdd';
  #model: OneClass | undefined;
  #standard: Standard | undefined;
  #offset = 0;
  readonly #outside: Uint8Array;
  readonly #scratch: Float64Array;

  /** @throws INVALID_CONFIG, also when rho is not above nu. */
  constructor(dimensions: number, options?: Partial<OcddOptions>) {
    super(dimensions, resolveOptions(ocddRules, options, 'ocdd'));
    requireThat(this.options.rho > this.options.nu, 'ocdd.rho', 'rho is not above nu: it would always alarm');
    requireThat(
      this.options.referenceSize <= 2000,
      'ocdd.referenceSize',
      'referenceSize is above 2000, too many for an SVM',
    );
    this.#outside = new Uint8Array(this.options.windowSize);
    this.#scratch = new Float64Array(dimensions);
  }

  protected fit(reference: Rows): void {
    const { nu, seed } = this.options;
    const random = createRandom(seed, 'ocdd');
    const order = random.shuffle(Array.from({ length: reference.n }, (_, i) => i));
    const held = order.slice(0, Math.floor(reference.n / 3));
    const kept = take(reference, order.slice(held.length));
    const standard = standardOf(kept);
    const rows = standardised(kept, standard);
    this.#standard = standard;
    this.#model = fitOneClass(rows, nu, 1 / medianSquaredDistance(rows, random));
    const support = Float64Array.from(held, (i) => this.#supportOf(rowOf(reference, i))).sort();
    this.#offset = support[Math.floor(nu * support.length)] as number;
  }

  protected place(vector: ArrayLike<number>, slot: number): void {
    this.#outside[slot] = Number(this.#supportOf(vector) < this.#offset);
  }

  #supportOf(vector: ArrayLike<number>): number {
    standardise(vector, this.#standard as Standard, this.#scratch);
    return supportAt(this.#model as OneClass, this.#scratch);
  }

  protected compare(): number {
    const outside = this.#outside.reduce((sum, flag) => sum + flag, 0);
    return outside / this.#outside.length / this.options.rho;
  }

  protected override kept(): number {
    return Math.ceil(this.options.rho * this.options.windowSize);
  }

  protected fittedBytes(): number {
    const { referenceSize, windowSize } = this.options;
    return (referenceSize * (this.dimensions + 1) + 3 * this.dimensions) * 8 + windowSize;
  }
}
