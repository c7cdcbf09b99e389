// What the residuals of a good model look like: made once from its validation part, carried to the device as a few numbers.
import { SanderlingError } from '@sanderling/kit';

/** Absolute residuals of a model on data that it was not trained on, in one unit throughout. */
export interface ResidualReference {
  /** Mean absolute residual. */
  readonly mean: number;
  /** Standard deviation of the absolute residuals. */
  readonly std: number;
  /** How many residuals. */
  readonly n: number;
  /**
   * Samples that together carry the information of one independent sample: 1 + 2·Σ autocorrelation of the absolute residuals.
   * @default 3, right for hourly temperatures one step ahead
   */
  readonly inflation?: number;
  /** Largest rolling mean over the monitor's window, in means: how much worse than usual the model is at its worst. @default 1 */
  readonly peak?: number;
}

/** Residuals that a reference must have. */
export const leastResiduals = 30;
const maxInflation = 6;
/** What an absolute residual counts at most: one spike is not a drift. */
export function largestCounted(mean: number, std: number): number {
  return Math.max(mean + 4 * std, 4 * mean);
}

/** Residuals in the rolling error when none are asked for: 24 independent ones, 72 to 144. */
export function defaultScoreWindow(inflation: number): number {
  return Math.round(Math.min(144, Math.max(72, 24 * inflation)));
}

/**
 * The reference of a list of residuals in time order.
 * @param scoreWindow samples of the rolling mean whose peak is kept: the monitor's own. @default defaultScoreWindow
 * @throws INVALID_DATA when one is not finite; TOO_LITTLE_DATA below 30.
 */
export function residualReference(residuals: ArrayLike<number>, scoreWindow?: number): Required<ResidualReference> {
  const sizes = Float64Array.from(residuals, Math.abs);
  const bad = sizes.findIndex((size) => !Number.isFinite(size));
  if (bad >= 0)
    throw new SanderlingError('INVALID_DATA', 'a residual is not a finite number', { where: `residuals[${bad}]` });
  if (sizes.length < leastResiduals) {
    throw new SanderlingError(
      'TOO_LITTLE_DATA',
      `${sizes.length} residuals are too few; ${leastResiduals} are needed`,
      {
        where: 'residuals',
        fix: 'use a longer validation part',
      },
    );
  }
  const mean = average(sizes);
  const std = Math.sqrt(average(sizes.map((size) => (size - mean) ** 2)));
  const clipped = sizes.map((size) => Math.min(size, largestCounted(mean, std)));
  const inflation = varianceInflation(clipped);
  const window = scoreWindow ?? defaultScoreWindow(inflation);
  const peak = mean === 0 ? 1 : Math.max(1, largestRollingMean(clipped, window) / mean);
  return { mean, std, n: sizes.length, inflation, peak };
}

/**
 * Variance of a mean of autocorrelated values over that of independent ones: 1 + 2·Σρ_k, summed over pairs of lags
 * while the pair is positive (Geyer, “Practical Markov chain Monte Carlo”, 1992). Cut to 1…6: above, slow swings of the error itself are counted, which `peak` covers.
 */
export function varianceInflation(values: Float64Array): number {
  const mean = average(values);
  const gaps = values.map((value) => value - mean);
  const power = average(gaps.map((gap) => gap * gap));
  if (!(power > 0)) return 1;
  const correlation = (lag: number): number => {
    let sum = 0;
    for (let i = lag; i < gaps.length; i++) sum += (gaps[i] as number) * (gaps[i - lag] as number);
    return sum / gaps.length / power;
  };
  let inflation = -1;
  for (let lag = 0; lag + 1 < Math.min(gaps.length / 4, 500); lag += 2) {
    const pair = correlation(lag) + correlation(lag + 1);
    if (pair <= 0) break;
    inflation += 2 * pair;
  }
  return Math.min(maxInflation, Math.max(1, inflation));
}

function largestRollingMean(values: Float64Array, window: number): number {
  const width = Math.min(window, values.length);
  let sum = 0;
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    sum += (values[i] as number) - (i >= width ? (values[i - width] as number) : 0);
    if (i >= width - 1 && sum / width > largest) largest = sum / width;
  }
  return largest;
}

function average(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
