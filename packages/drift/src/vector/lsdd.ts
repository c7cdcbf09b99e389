// LSDD: least-squares density difference. M. Sugiyama et al., Neural Computation 25 (2013); the ring of kernel values is the online
// form of L. Bu, C. Alippi, D. Zhao, “A pdf-free change detection test based on density difference estimation”, TNNLS 29 (2018).
//
//   k(x)_l = exp(−|x − c_l|²/2σ²)      h = mean k(window) − mean k(reference)      H_lm = exp(−|c_l − c_m|²/4σ²)  (constant left out)
//   LSDD = hᵀ(2H_λ⁻¹ − H_λ⁻¹·H·H_λ⁻¹)h, H_λ = H + λI
//
// Centres are vectors of the reference, σ by the median heuristic; λ is the largest of 4⁻ⁱ that changes the estimate on drift-free
// windows by less than a fifth, as in Bu et al.
import { createRandom } from '@sanderling/kit';
import { resolveOptions, type OptionRules } from '../options.ts';
import { inverse, multiply, quadraticForm } from './linear-algebra.ts';
import { fittedStandard, numbersOf, type FittedLsdd } from './fitted.ts';
import { MeanMapDetector, type FeatureMap, type MeanMapOptions } from './mean-map.ts';
import {
  medianSquaredDistance,
  rowOf,
  squaredDistance,
  standardise,
  standardised,
  standardOf,
  take,
  type Rows,
  type Standard,
} from './rows.ts';
import { vectorRules } from './vector-detector.ts';

export interface LsddOptions extends MeanMapOptions {
  readonly centres: number;
}

export const lsddRules: OptionRules<LsddOptions> = {
  ...vectorRules,
  alpha: {
    default: 0.0005,
    min: 1e-12,
    max: 1,
    open: true,
    about: 'chance of a false alarm at one comparison',
    search: { low: 1e-8, high: 0.05, log: true },
  },
  centres: {
    default: 40,
    min: 2,
    max: 1000,
    whole: true,
    about: 'kernel centres',
    search: { low: 10, high: 200, log: true },
  },
};

/** Kernels around centres, standardised as all vectors are. */
interface KernelMap extends FeatureMap {
  readonly standard: Standard;
  readonly centres: Rows;
  /** 2σ². */
  readonly spread: number;
}

export class Lsdd extends MeanMapDetector<LsddOptions, KernelMap> {
  readonly name = 'lsdd';

  /** @throws INVALID_CONFIG */
  constructor(dimensions: number, options?: Partial<LsddOptions>) {
    super(dimensions, resolveOptions(lsddRules, options, 'lsdd'));
  }

  protected mapSize(): number {
    return Math.min(this.options.centres, this.options.referenceSize);
  }

  protected makeMap(reference: Rows): KernelMap {
    const random = createRandom(this.options.seed, 'lsdd');
    const standard = standardOf(reference);
    const scaledRows = standardised(reference, standard);
    const indices = random.shuffle(Array.from({ length: reference.n }, (_, i) => i));
    const centres = take(scaledRows, indices.slice(0, this.mapSize()));
    const spread = medianSquaredDistance(scaledRows, random);
    const scaled = new Float64Array(reference.d);
    const apply = (vector: ArrayLike<number>, out: Float64Array): void => {
      standardise(vector, standard, scaled);
      for (let l = 0; l < centres.n; l++) out[l] = Math.exp(-squaredDistance(scaled, rowOf(centres, l)) / spread);
    };
    return { size: centres.n, apply, standard, centres, spread };
  }

  /** What comparing windows needs, frozen. @throws TOO_LITTLE_DATA while the reference is not complete */
  fitted(): FittedLsdd {
    const { map, form, mean, threshold } = this.fittedMap();
    return Object.freeze({
      detector: 'lsdd',
      standard: fittedStandard(map.standard),
      centres: numbersOf(map.centres.values),
      spread: map.spread,
      form: numbersOf(form as Float64Array),
      mean: numbersOf(mean),
      threshold,
    });
  }

  protected makeForm({ centres, spread }: KernelMap, drawn: () => readonly Float64Array[]): Float64Array {
    const n = centres.n;
    const gram = gramOf(centres, 2 * spread);
    const differences = drawn();
    for (let power = 0; power < 12; power++) {
      const lambda = 4 ** -power;
      const damped = inverse(
        gram.map((x, i) => (i % (n + 1) === 0 ? x + lambda : x)),
        n,
      );
      const sandwich = multiply(multiply(damped, gram, n), damped, n);
      const plain = differences.reduce((sum, h) => sum + quadraticForm(damped, h), 0);
      const inner = differences.reduce((sum, h) => sum + quadraticForm(sandwich, h), 0);
      if (power === 11 || Math.abs(plain - inner) < 0.2 * plain)
        return damped.map((x, i) => 2 * x - (sandwich[i] as number));
    }
    return gram;
  }
}

/** exp(−|c_l − c_m|²/scale) for all pairs. */
function gramOf(centres: Rows, scale: number): Float64Array {
  return Float64Array.from({ length: centres.n ** 2 }, (_, i) =>
    Math.exp(-squaredDistance(rowOf(centres, Math.floor(i / centres.n)), rowOf(centres, i % centres.n)) / scale),
  );
}
