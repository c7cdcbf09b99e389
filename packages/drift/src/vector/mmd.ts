// MMD: maximum mean discrepancy with random Fourier features of a Gaussian kernel, width by the median heuristic.
// A. Gretton et al., “A kernel two-sample test”, JMLR 13 (2012); A. Rahimi and B. Recht, NIPS 2007.
//
//   φ(x)_k = √(2/D) · cos(w_k·x + b_k), w ~ N(0, I/σ²), b ~ U(0, 2π)      MMD² = |mean φ(window) − mean φ(reference)|²
//
// The features stand in for the n × n kernel matrix: a vector costs D·d, the state D a vector.
import { createRandom } from '@sanderling/kit';
import { resolveOptions, type OptionRules } from '../options.ts';
import { fittedStandard, numbersOf, type FittedMmd } from './fitted.ts';
import { MeanMapDetector, type FeatureMap, type MeanMapOptions } from './mean-map.ts';
import { medianSquaredDistance, standardise, standardised, standardOf, type Rows, type Standard } from './rows.ts';
import { vectorRules } from './vector-detector.ts';

export interface MmdOptions extends MeanMapOptions {
  readonly features: number;
}

export const mmdRules: OptionRules<MmdOptions> = {
  ...vectorRules,
  alpha: {
    default: 0.0005,
    min: 1e-12,
    max: 1,
    open: true,
    about: 'chance of a false alarm at one comparison',
    search: { low: 1e-8, high: 0.05, log: true },
  },
  features: {
    default: 64,
    min: 8,
    max: 4096,
    whole: true,
    about: 'random features D',
    search: { low: 16, high: 256, log: true },
  },
};

/** Waves of random directions and phases. */
interface FourierMap extends FeatureMap {
  readonly standard: Standard;
  readonly directions: Float64Array;
  readonly phases: Float64Array;
}

export class Mmd extends MeanMapDetector<MmdOptions, FourierMap> {
  readonly name = 'mmd';

  /** @throws INVALID_CONFIG */
  constructor(dimensions: number, options?: Partial<MmdOptions>) {
    super(dimensions, resolveOptions(mmdRules, options, 'mmd'));
  }

  protected mapSize(): number {
    return this.options.features;
  }

  protected makeMap(reference: Rows): FourierMap {
    const { features, seed } = this.options;
    const random = createRandom(seed, 'mmd');
    const standard = standardOf(reference);
    const width = Math.sqrt(medianSquaredDistance(standardised(reference, standard), random) / 2);
    const d = reference.d;
    const directions = Float64Array.from({ length: features * d }, () => random.normal() / width);
    const phases = Float64Array.from({ length: features }, () => random.uniform(0, 2 * Math.PI));
    const scaled = new Float64Array(d);
    const apply = (vector: ArrayLike<number>, out: Float64Array): void => {
      standardise(vector, standard, scaled);
      for (let k = 0; k < features; k++) {
        let angle = phases[k] as number;
        for (let j = 0; j < d; j++) angle += (directions[k * d + j] as number) * (scaled[j] as number);
        out[k] = Math.SQRT2 * Math.cos(angle) * (1 / Math.sqrt(features));
      }
    };
    return { size: features, apply, standard, directions, phases };
  }

  /** What comparing windows needs, frozen. @throws TOO_LITTLE_DATA while the reference is not complete */
  fitted(): FittedMmd {
    const { map, mean, threshold } = this.fittedMap();
    return Object.freeze({
      detector: 'mmd',
      standard: fittedStandard(map.standard),
      directions: numbersOf(map.directions),
      phases: numbersOf(map.phases),
      mean: numbersOf(mean),
      threshold,
    });
  }

  protected makeForm(): undefined {
    return undefined;
  }
}
