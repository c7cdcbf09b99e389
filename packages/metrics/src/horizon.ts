// How the error grows with the distance forecast.
import { SanderlingError } from '@sanderling/kit';
import { checkSeries, finite, type Series } from './series.ts';

/** The errors at one step ahead. */
export interface HorizonMetrics {
  /** Steps ahead, from 1. */
  readonly step: number;
  readonly count: number;
  readonly mae: number;
  readonly rmse: number;
  readonly bias: number;
}

/**
 * Metrics for each step ahead.
 * @param errors one row a forecast; column k holds predicted − actual, k + 1 steps ahead. All rows are equally long.
 * @throws TOO_LITTLE_DATA without rows, INVALID_DATA on ragged rows or values that are not finite
 */
export function perHorizon(errors: readonly Series[]): readonly HorizonMetrics[] {
  const width = errors[0]?.length ?? 0;
  if (width === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'errors holds no forecast', { where: 'errors' });
  for (const [i, row] of errors.entries()) {
    checkSeries(`errors[${i}]`, row);
    if (row.length === width) continue;
    throw new SanderlingError('INVALID_DATA', `errors[${i}] has ${row.length} steps, the first row has ${width}`, {
      where: `errors[${i}]`,
      fix: 'give every forecast the same number of steps',
    });
  }
  return Array.from({ length: width }, (_, k) => atStep(errors, k));
}

function atStep(errors: readonly Series[], k: number): HorizonMetrics {
  let absolute = 0;
  let squared = 0;
  let sum = 0;
  for (const row of errors) {
    const error = row[k]!;
    absolute += Math.abs(error);
    squared += error * error;
    sum += error;
  }
  const count = errors.length;
  return {
    step: k + 1,
    count,
    mae: finite('mae', absolute / count),
    rmse: finite('rmse', Math.sqrt(squared / count)),
    bias: finite('bias', sum / count),
  };
}
