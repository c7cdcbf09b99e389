// How far a sample lies from a reference, as an effect size: unlike evidence it does not grow with the number of vectors.
//
//   distance     largest Kolmogorov–Smirnov distance over the features
//   separability Gini index (2·AUC − 1) of a logistic regression between the two, by two folds
//   ratio        the larger of distance/0.2 and separability/0.28: 1 when the most moved feature has moved by half a deviation
//
// From the square of each is taken what chance alone gives for these sizes, so that few vectors do not look like drift.
import { SanderlingError } from '@sanderling/kit';
import { ksDistance } from '../kolmogorov.ts';
import { driftScore } from '../score.ts';
import { separability } from './d3.ts';
import { columnOf } from './ks-features.ts';
import { rowsFrom } from './rows.ts';

/** An effect size. */
export interface DriftEffect {
  /** driftScore of the ratio, 0…1; 0.7 when the most moved feature has moved by half a standard deviation. */
  readonly score: number;
  /** Largest distance of one feature without what chance gives, 0…1, and its feature. */
  readonly distance: number;
  readonly feature: number;
  /** Gini index of telling the two apart without what chance gives, 0…1. */
  readonly separability: number;
}

/** Distance and Gini index of two normals half a deviation apart: 2Φ(¼) − 1 and 2Φ(½/√2) − 1. */
const alerting = { distance: 0.1974, separability: 0.2763 } as const;
const least = 20;

/**
 * Effect size between two samples of feature vectors (one feature: `[x]`).
 * @throws INVALID_DATA; TOO_LITTLE_DATA below 20 vectors on a side
 */
export function driftEffect(
  reference: readonly ArrayLike<number>[],
  sample: readonly ArrayLike<number>[],
): DriftEffect {
  for (const [where, rows] of [
    ['reference', reference],
    ['sample', sample],
  ] as const) {
    if (rows.length >= least) continue;
    throw new SanderlingError('TOO_LITTLE_DATA', `${rows.length} vectors are too few; ${least} are needed`, { where });
  }
  const [old, fresh] = [rowsFrom(reference, 'reference'), rowsFrom(sample, 'sample')];
  if (old.d !== fresh.d) {
    throw new SanderlingError('INVALID_DATA', `vectors of ${fresh.d} features against ${old.d}`, { where: 'sample' });
  }
  const scale = 1 / old.n + 1 / fresh.n;
  const distances = Array.from({ length: old.d }, (_, j) =>
    ksDistance(columnOf(old, j).sort(), columnOf(fresh, j).sort()),
  );
  const largest = Math.max(...distances);
  // The median of the largest of d distances by chance, from Smirnov's tail 2·exp(−2x²).
  const distance = withoutChance(largest, (Math.log(4 * old.d) / 2) * scale);
  // The variance of the Gini index by chance is a third of 1/n + 1/m.
  const apart = withoutChance(Math.max(0, 2 * separability(old, fresh) - 1), scale / 3);
  const ratio = Math.max(distance / alerting.distance, apart / alerting.separability);
  return { score: driftScore(ratio), distance, feature: distances.indexOf(largest), separability: apart };
}

function withoutChance(value: number, variance: number): number {
  return Math.sqrt(Math.max(0, value * value - variance));
}
