// D3: discriminative drift detector. Ö. Gözüaçık et al., “Unsupervised concept drift detection with a discriminative classifier”,
// CIKM 2019.
//
// A logistic regression learns to tell the old vectors (referenceSize = w) from the new ones (windowSize = ρw), in two folds; drift
// when the area under the ROC curve of the held-out halves reaches τ: then the old ones go. Else the window slides by the new ones.
// The paper's w = 100, ρ = 0.1 compares 100 with 10 vectors: without drift the area then varies by ±0.1 and τ = 0.7 alarms every
// few dozen comparisons. The defaults here are larger for that reason.
import { resolveOptions, type OptionRules } from '../options.ts';
import { areaUnderRoc, logisticFit, scoreOf } from './classifier.ts';
import { standardised, standardOf, take, type Rows } from './rows.ts';
import { vectorRules, WindowDetector, withDefaults, type VectorOptions } from './vector-detector.ts';

export interface D3Options extends VectorOptions {
  readonly tau: number;
  readonly sliding: number;
}

export const d3Rules: OptionRules<D3Options> = {
  ...withDefaults(vectorRules, { referenceSize: 200, windowSize: 50, every: 50 }),
  tau: {
    default: 0.72,
    min: 0.5,
    max: 1,
    open: true,
    about: 'area under the ROC curve that alarms',
    search: { low: 0.6, high: 0.95 },
  },
  sliding: {
    default: 1,
    min: 0,
    max: 1,
    whole: true,
    about: '1 moves the reference on without drift, as the paper; 0 keeps it',
  },
};

export class D3 extends WindowDetector<D3Options> {
  readonly name = 'd3';
  #old: Rows | undefined;

  /** @throws INVALID_CONFIG */
  constructor(dimensions: number, options?: Partial<D3Options>) {
    super(dimensions, resolveOptions(d3Rules, options, 'd3'));
  }

  protected fit(reference: Rows): void {
    this.#old = reference;
  }

  protected place(): void {
    // The rows themselves are compared.
  }

  protected compare(): number {
    const area = separability(this.#old as Rows, this.windowRows());
    const ratio = (area - 0.5) / (this.options.tau - 0.5);
    const { sliding, windowSize, referenceSize } = this.options;
    if (ratio < 1 && sliding === 1 && windowSize <= referenceSize) this.slide();
    return ratio;
  }

  protected fittedBytes(): number {
    const { windowSize, referenceSize } = this.options;
    return 2 * (windowSize + referenceSize) * this.dimensions * 8;
  }
}

/** Area under the ROC curve of a classifier between two sets, each vector judged by the fold that has not seen it. 0…1. */
export function separability(old: Rows, fresh: Rows): number {
  const both: Rows = { n: old.n + fresh.n, d: old.d, values: new Float64Array((old.n + fresh.n) * old.d) };
  both.values.set(old.values.subarray(0, old.n * old.d));
  both.values.set(fresh.values.subarray(0, fresh.n * old.d), old.n * old.d);
  const rows = standardised(both, standardOf(both));
  const labels = Uint8Array.from({ length: rows.n }, (_, i) => Number(i >= old.n));
  const scores = new Float64Array(rows.n);
  for (const fold of [0, 1]) {
    const train = Array.from(labels, (_, i) => i).filter((i) => i % 2 !== fold);
    const weights = logisticFit(
      take(rows, train),
      Uint8Array.from(train, (i) => labels[i] as number),
    );
    for (let i = fold; i < rows.n; i += 2) scores[i] = scoreOf(weights, rows, i);
  }
  // Scores of the two folds come from two models: each fold has its own area.
  const areas = [0, 1].map((fold) => {
    const held = Array.from(labels, (_, i) => i).filter((i) => i % 2 === fold);
    return areaUnderRoc(
      Float64Array.from(held, (i) => scores[i] as number),
      Uint8Array.from(held, (i) => labels[i] as number),
    );
  });
  return ((areas[0] as number) + (areas[1] as number)) / 2;
}
