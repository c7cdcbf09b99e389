// Metrics of forecasts and other regressions, after Hyndman & Koehler 2006 ("Another look at measures of forecast accuracy").
import { SanderlingError } from '@sanderling/kit';
import { checkPair, checkSeries, finite, type Series } from './series.ts';

/** What MASE is scaled by: the error of the seasonal naive forecast on the training series. */
export interface MaseOptions {
  /** The series that the model was trained on, in time order, in the unit of the actual values. */
  readonly training: Series;
  /** Rows in one season. @default 1 (the last value) */
  readonly season?: number;
}

/** All regression metrics at once; a metric that is undefined for the data is null. */
export interface RegressionMetrics {
  readonly count: number;
  readonly mae: number;
  readonly rmse: number;
  readonly bias: number;
  readonly smape: number;
  /** Null when an actual value is zero. */
  readonly mape: number | null;
  /** Null when all actual values are equal. */
  readonly r2: number | null;
  /** Null without training data, or when the training data repeat without error. */
  readonly mase: number | null;
}

/** Mean absolute error, in the unit of the data. @throws INVALID_DATA, TOO_LITTLE_DATA */
export function mae(actual: Series, predicted: Series): number {
  return average('mae', actual, predicted, (y, p) => Math.abs(p - y));
}

/** Root of the mean squared error, in the unit of the data. @throws INVALID_DATA, TOO_LITTLE_DATA */
export function rmse(actual: Series, predicted: Series): number {
  return Math.sqrt(average('rmse', actual, predicted, (y, p) => (p - y) ** 2));
}

/** Mean of predicted − actual: above zero the model says too much. @throws INVALID_DATA, TOO_LITTLE_DATA */
export function bias(actual: Series, predicted: Series): number {
  return average('bias', actual, predicted, (y, p) => p - y);
}

/** Mean of |error / actual| as a fraction (0.1 is 10 %). @throws INVALID_DATA also when an actual value is zero */
export function mape(actual: Series, predicted: Series): number {
  return average('mape', actual, predicted, (y, p) => {
    if (y === 0) throw undefinedMetric('mape', 'an actual value is zero', 'use smape or mase');
    return Math.abs((p - y) / y);
  });
}

/** Symmetric MAPE, mean of 2|error| / (|actual| + |predicted|), in 0…2; where both are zero the term is 0. @throws INVALID_DATA, TOO_LITTLE_DATA */
export function smape(actual: Series, predicted: Series): number {
  return average('smape', actual, predicted, (y, p) =>
    p === y ? 0 : (2 * Math.abs(p - y)) / (Math.abs(y) + Math.abs(p)),
  );
}

/** Mean absolute error relative to the seasonal naive forecast on the training series; below 1 the model is better. @throws INVALID_DATA, TOO_LITTLE_DATA */
export function mase(actual: Series, predicted: Series, options: MaseOptions): number {
  const scale = naiveError(options.training, options.season ?? 1);
  if (scale === 0) throw undefinedMetric('mase', 'the training series repeats itself exactly', 'use mae');
  return finite('mase', mae(actual, predicted) / scale);
}

/** Coefficient of determination, 1 − SSE / SST; 1 is perfect, 0 is the mean, below 0 is worse than the mean. @throws INVALID_DATA also when all actual values are equal */
export function r2(actual: Series, predicted: Series): number {
  const squaredError = average('r2', actual, predicted, (y, p) => (p - y) ** 2);
  const centre = average('r2', actual, actual, (y) => y);
  const variance = average('r2', actual, actual, (y) => (y - centre) ** 2);
  if (variance === 0) throw undefinedMetric('r2', 'all actual values are equal', 'use mae or rmse');
  return finite('r2', 1 - squaredError / variance);
}

/** Every regression metric; those that the data leave undefined are null. @throws INVALID_DATA, TOO_LITTLE_DATA */
export function regressionMetrics(actual: Series, predicted: Series, scale?: MaseOptions): RegressionMetrics {
  return {
    count: actual.length,
    mae: mae(actual, predicted),
    rmse: rmse(actual, predicted),
    bias: bias(actual, predicted),
    smape: smape(actual, predicted),
    mape: actual.includes(0) ? null : mape(actual, predicted),
    r2: isConstant(actual) ? null : r2(actual, predicted),
    mase:
      scale === undefined || naiveError(scale.training, scale.season ?? 1) === 0
        ? null
        : mase(actual, predicted, scale),
  };
}

/** Mean absolute error of repeating the value one season ago. */
function naiveError(training: Series, season: number): number {
  if (!Number.isInteger(season) || season < 1) {
    throw new SanderlingError('INVALID_ARGUMENT', `season is ${season}, not a whole number from 1`, {
      where: 'season',
    });
  }
  checkSeries('training', training, season + 1);
  let sum = 0;
  for (let i = season; i < training.length; i++) sum += Math.abs(training[i]! - training[i - season]!);
  return sum / (training.length - season);
}

function average(name: string, actual: Series, predicted: Series, term: (y: number, p: number) => number): number {
  checkPair(['actual', 'predicted'], actual, predicted);
  let sum = 0;
  for (let i = 0; i < actual.length; i++) sum += term(actual[i]!, predicted[i]!);
  return finite(name, sum / actual.length);
}

function isConstant(series: Series): boolean {
  return series.every((value) => value === series[0]);
}

function undefinedMetric(name: string, reason: string, fix: string): SanderlingError {
  return new SanderlingError('INVALID_DATA', `${name} is undefined: ${reason}`, { where: name, fix });
}
