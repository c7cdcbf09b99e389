// What a detector has learnt of its reference, as plain numbers: all that comparing windows needs, for programs that only compare.
import { mostDeviations, type Standard } from './rows.ts';

/** Numbers in the order of rows: `rows × columns` of them, frozen. */
type Numbers = readonly number[];

/** How a vector x of d features becomes z: z_j = (x_j − mean_j) / deviation_j, cut to ± mostDeviations. */
export interface FittedStandard {
  /** d. */
  readonly mean: Numbers;
  /** d, all above zero. */
  readonly deviation: Numbers;
  readonly mostDeviations: number;
}

/**
 * A statistic vᵀQv, v = mean of the map φ over a window − `mean`; it alarms from `threshold`.
 * φ_l(z) = exp(−|z − c_l|² / spread), l = 1…m.
 */
export interface FittedLsdd {
  readonly detector: 'lsdd';
  readonly standard: FittedStandard;
  /** c: m × d, standardised. */
  readonly centres: Numbers;
  readonly spread: number;
  /** Q: m × m, symmetric. */
  readonly form: Numbers;
  /** m: mean of φ over the reference. */
  readonly mean: Numbers;
  readonly threshold: number;
}

/**
 * A statistic |v|², v = mean of the map φ over a window − `mean`; it alarms from `threshold`.
 * φ_k(z) = √2 · cos(phase_k + Σ_j w_kj·z_j) · (1/√D), k = 1…D.
 */
export interface FittedMmd {
  readonly detector: 'mmd';
  readonly standard: FittedStandard;
  /** w: D × d. */
  readonly directions: Numbers;
  /** D. */
  readonly phases: Numbers;
  /** D: mean of φ over the reference. */
  readonly mean: Numbers;
  readonly threshold: number;
}

/**
 * A statistic |m − heldMean|, m = mean over a window of ∛u, u = the least of |y − centre|²; it alarms from `reach`.
 * y solves L·y = z: there the clusters are round.
 */
export interface FittedSpll {
  readonly detector: 'spll';
  readonly standard: FittedStandard;
  /** L: d × d, lower triangular, zeros above. */
  readonly factor: Numbers;
  /** K × d, in the space of y. */
  readonly centres: Numbers;
  readonly heldMean: number;
  readonly reach: number;
}

/** Numbers as {@link FittedLsdd} and its like carry them. */
export function numbersOf(values: Float64Array): Numbers {
  return Object.freeze(Array.from(values));
}

/** A standard as numbers. */
export function fittedStandard({ mean, deviation }: Standard): FittedStandard {
  return Object.freeze({ mean: numbersOf(mean), deviation: numbersOf(deviation), mostDeviations });
}
