// Do two forecasts differ in accuracy? Diebold & Mariano 1995, with the small-sample correction of Harvey, Leybourne & Newbold 1997.
import { SanderlingError } from '@sanderling/kit';
import { checkPair, checkSeries, type Series } from './series.ts';
import { studentCdf } from './student.ts';

const losses = {
  absolute: Math.abs,
  squared: (error: number) => error * error,
} as const;

/** How to test. */
export interface DieboldMarianoOptions {
  /** Steps ahead of the forecasts; errors overlap for horizon − 1 rows. @default 1 */
  readonly horizon?: number;
  /** @default 'squared', the paper's */
  readonly loss?: keyof typeof losses;
  /** What is suspected: that A is better, that A is worse, or either. @default 'two-sided' */
  readonly alternative?: 'two-sided' | 'a-better' | 'a-worse';
}

/** The outcome of the test. */
export interface DieboldMariano {
  /** Below zero A has the smaller loss. */
  readonly statistic: number;
  /** From Student's t with count − 1 degrees of freedom. */
  readonly pValue: number;
  /** Mean of loss(A) − loss(B). */
  readonly meanDifference: number;
  /** 'bartlett' when the paper's rectangular window gave a variance that is not positive. */
  readonly window: 'rectangular' | 'bartlett';
  readonly count: number;
}

/**
 * Tests whether A and B forecast equally well, from their errors on the same rows in time order. Equal losses give statistic 0 and p 1.
 * @throws TOO_LITTLE_DATA below 8 rows or twice the horizon, INVALID_DATA on unequal lengths or values that are not finite, or a loss difference that never varies
 */
export function dieboldMariano(errorsA: Series, errorsB: Series, options: DieboldMarianoOptions = {}): DieboldMariano {
  const { horizon = 1, loss = 'squared', alternative = 'two-sided' } = options;
  checkOptions(horizon, loss);
  checkPair(['errorsA', 'errorsB'], errorsA, errorsB);
  checkSeries('errorsA', errorsA, Math.max(8, 2 * horizon));
  const cost = losses[loss];
  const differences = Float64Array.from(errorsA, (error, i) => cost(error) - cost(errorsB[i]!));
  const count = differences.length;
  const meanDifference = differences.reduce((sum, d) => sum + d, 0) / count;
  const { variance, window } = longRunVariance(differences, meanDifference, horizon);
  if (variance <= 0 && meanDifference === 0) return { statistic: 0, pValue: 1, meanDifference, window, count };
  if (!(variance > 0 && Number.isFinite(variance))) {
    throw new SanderlingError('INVALID_DATA', 'the loss difference has no finite variance above zero', {
      where: 'errorsA',
      fix: 'check that the errors are not copies shifted by a constant, or absurdly large',
    });
  }
  const correction = Math.sqrt((count + 1 - 2 * horizon + (horizon * (horizon - 1)) / count) / count);
  const statistic = (correction * meanDifference) / Math.sqrt(variance / count);
  return { statistic, pValue: pValue(statistic, count - 1, alternative), meanDifference, window, count };
}

/** γ₀ + 2 Σ w_k γ_k over horizon − 1 lags; w is 1 (the paper's), or Bartlett's 1 − k/horizon, which is never negative. */
function longRunVariance(
  differences: Float64Array,
  mean: number,
  horizon: number,
): { variance: number; window: 'rectangular' | 'bartlett' } {
  const covariances = Array.from({ length: horizon }, (_, lag) => autocovariance(differences, mean, lag));
  const sum = (weight: (lag: number) => number): number =>
    covariances.reduce((total, value, lag) => total + (lag === 0 ? value : 2 * weight(lag) * value), 0);
  const rectangular = sum(() => 1);
  if (rectangular > 0 || horizon === 1) return { variance: rectangular, window: 'rectangular' };
  return { variance: sum((lag) => 1 - lag / horizon), window: 'bartlett' };
}

function autocovariance(values: Float64Array, mean: number, lag: number): number {
  let sum = 0;
  for (let i = lag; i < values.length; i++) sum += (values[i]! - mean) * (values[i - lag]! - mean);
  return sum / values.length;
}

function pValue(statistic: number, freedom: number, alternative: 'two-sided' | 'a-better' | 'a-worse'): number {
  switch (alternative) {
    case 'two-sided':
      return Math.min(1, 2 * studentCdf(-Math.abs(statistic), freedom));
    case 'a-better':
      return studentCdf(statistic, freedom);
    case 'a-worse':
      return studentCdf(-statistic, freedom);
  }
}

function checkOptions(horizon: number, loss: string): void {
  if (!Number.isInteger(horizon) || horizon < 1) {
    throw new SanderlingError('INVALID_ARGUMENT', `horizon is ${horizon}, not a whole number from 1`, {
      where: 'horizon',
    });
  }
  if (!Object.hasOwn(losses, loss)) {
    throw new SanderlingError('INVALID_ARGUMENT', `loss is ${loss}, expected absolute or squared`, { where: 'loss' });
  }
}
