// The table of detectors on feature vectors, and the same as a test of two samples.
import { SanderlingError } from '@sanderling/kit';
import type { OptionRule } from '../options.ts';
import { shown } from '../options.ts';
import { Bndm, bndmRules } from './bndm.ts';
import { D3, d3Rules } from './d3.ts';
import { KsFeatures, ksFeaturesRules } from './ks-features.ts';
import { Lsdd, lsddRules } from './lsdd.ts';
import { Mmd, mmdRules } from './mmd.ts';
import { Ocdd, ocddRules } from './ocdd.ts';
import { rowOf, rowsFrom, type Rows } from './rows.ts';
import { Spll, spllRules } from './spll.ts';
import type { VectorDetector, VectorDetectorState } from './vector-detector.ts';

type Given = Readonly<Record<string, number>>;

/** One vector detector. */
export interface VectorDetectorRow {
  readonly options: Readonly<Record<string, OptionRule>>;
  readonly paper: string;
  readonly create: (dimensions: number, options?: Given) => VectorDetector;
}

/** Every vector detector by name. */
export const vectorDetectors = {
  bndm: {
    options: { ...bndmRules },
    paper: 'Xuan, Lu & Zhang 2020',
    create: (dimensions, options) => new Bndm(dimensions, options),
  },
  d3: {
    options: { ...d3Rules },
    paper: 'Gözüaçık et al. 2019',
    create: (dimensions, options) => new D3(dimensions, options),
  },
  ks: {
    options: { ...ksFeaturesRules },
    paper: 'Rabanser, Günnemann & Lipton 2019',
    create: (dimensions, options) => new KsFeatures(dimensions, options),
  },
  lsdd: {
    options: { ...lsddRules },
    paper: 'Sugiyama et al. 2013; Bu, Alippi & Zhao 2018',
    create: (dimensions, options) => new Lsdd(dimensions, options),
  },
  mmd: {
    options: { ...mmdRules },
    paper: 'Gretton et al. 2012; Rahimi & Recht 2007',
    create: (dimensions, options) => new Mmd(dimensions, options),
  },
  ocdd: {
    options: { ...ocddRules },
    paper: 'Gözüaçık & Can 2021',
    create: (dimensions, options) => new Ocdd(dimensions, options),
  },
  spll: {
    options: { ...spllRules },
    paper: 'Kuncheva 2013',
    create: (dimensions, options) => new Spll(dimensions, options),
  },
} as const satisfies Record<string, VectorDetectorRow>;

/** A name in {@link vectorDetectors}. */
export type VectorDetectorName = keyof typeof vectorDetectors;

/** The names in {@link vectorDetectors}. */
export const vectorDetectorNames = Object.keys(vectorDetectors) as readonly VectorDetectorName[];

/** Whether a text names a vector detector. */
export function isVectorDetectorName(name: unknown): name is VectorDetectorName {
  return typeof name === 'string' && Object.hasOwn(vectorDetectors, name);
}

/**
 * A vector detector by name.
 * @param dimensions features of a vector, 1…4096.
 * @throws INVALID_CONFIG when the name, the dimensions or an option is not known or out of bounds.
 */
export function createVectorDetector(name: string, dimensions: number, options?: Given): VectorDetector {
  if (!isVectorDetectorName(name)) {
    throw new SanderlingError('INVALID_CONFIG', `there is no vector detector “${shown(name)}”`, {
      where: 'detector',
      fix: `use ${vectorDetectorNames.join(', ')}`,
    });
  }
  const row: VectorDetectorRow = vectorDetectors[name];
  return row.create(dimensions, options);
}

/** The vector detector that a state came from, going on where it stopped. @throws CORRUPT, INVALID_CONFIG */
export function restoreVectorDetector(state: VectorDetectorState): VectorDetector {
  if (typeof state !== 'object' || state === null || typeof state.options !== 'object' || state.options === null) {
    throw new SanderlingError('CORRUPT', 'not the state of a vector detector', {
      where: 'state',
      fix: 'start the detector anew; it will gather its reference again',
    });
  }
  const detector = createVectorDetector(state.detector, state.dimensions, state.options);
  detector.restore(state);
  return detector;
}

/** What a test of two samples found. */
export interface TwoSampleResult {
  readonly drift: boolean;
  /** Statistic over threshold; 1 alarms. */
  readonly evidence: number;
  /** driftScore of the evidence. */
  readonly score: number;
}

/**
 * Whether two samples of feature vectors come from one law, by the rule of a vector detector.
 * @param options as for the detector; the sizes are those of the samples.
 * @throws INVALID_DATA, TOO_LITTLE_DATA (fewer than 20 in the reference or 5 in the sample), INVALID_CONFIG
 */
export function twoSampleTest(
  name: string,
  reference: readonly ArrayLike<number>[],
  sample: readonly ArrayLike<number>[],
  options?: Given,
): TwoSampleResult {
  const old = rowsFrom(reference, 'reference');
  const fresh = rowsFrom(sample, 'sample');
  if (old.n < 20 || fresh.n < 5) {
    throw new SanderlingError('TOO_LITTLE_DATA', `${old.n} and ${fresh.n} vectors are too few; 20 and 5 are needed`, {
      where: old.n < 20 ? 'reference' : 'sample',
    });
  }
  const sizes = { referenceSize: old.n, windowSize: fresh.n, every: fresh.n, refit: 0 };
  const detector = createVectorDetector(name, old.d, { ...options, ...sizes });
  detector.setReference(old);
  feed(detector, fresh);
  return { drift: detector.driftDetected, evidence: detector.evidence, score: detector.score };
}

function feed(detector: VectorDetector, rows: Rows): void {
  for (let i = 0; i < rows.n; i++) detector.update(rowOf(rows, i));
}
