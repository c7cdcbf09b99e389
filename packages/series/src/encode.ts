// Rows × features for training, and back from a model's output to times and values.
import { SanderlingError } from '@sanderling/kit';
import { featureRules, type Row } from './features.ts';
import type { Preprocessing } from './preprocessing.ts';
import { latticeOf, rowTime, type Grid } from './reading.ts';

/** A whole grid as a model sees it. */
export interface EncodedSeries {
  /** Row-major, rows × features, all finite: a gap's `value` and `difference` are 0 (the mean); no window of `windowStarts` touches such a row. */
  readonly series: Float32Array<ArrayBuffer>;
  /** Milliseconds since 1970-01-01 UTC, one a row. */
  readonly rowTimes: Float64Array<ArrayBuffer>;
  readonly rows: number;
  readonly features: number;
}

/** One step of a forecast. */
export interface ForecastPoint {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly time: number;
  /** In the series' own unit. */
  readonly value: number;
}

/** Writes one row's features at `at` in `into`. */
export function encodeRow(row: Row, preprocessing: Preprocessing, into: Float32Array, at: number): void {
  const { features } = preprocessing;
  for (let f = 0; f < features.length; f++) into[at + f] = featureRules[features[f]!](row, preprocessing);
}

/**
 * Encodes every row of a grid.
 * @throws INVALID_ARGUMENT when the grid lies on another lattice than the preprocessing was fitted on.
 */
export function encodeSeries(grid: Grid, preprocessing: Preprocessing): EncodedSeries {
  const lattice = latticeOf(grid);
  if (lattice.stepMs !== preprocessing.stepMs || lattice.offsetMs !== preprocessing.offsetMs) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `the grid's step and offset are ${lattice.stepMs}/${lattice.offsetMs} ms, the preprocessing's ${preprocessing.stepMs}/${preprocessing.offsetMs} ms`,
      { where: 'grid', fix: 'resample with the stepMs and offsetMs of the preprocessing' },
    );
  }
  const rows = grid.values.length;
  const width = preprocessing.features.length;
  const series = new Float32Array(rows * width);
  const rowTimes = new Float64Array(rows);
  const row: Row = { time: 0, value: 0, previous: Number.NaN };
  for (let i = 0; i < rows; i++) {
    row.time = rowTimes[i] = rowTime(grid, i);
    row.value = grid.values[i]!;
    row.previous = i === 0 ? Number.NaN : grid.values[i - 1]!;
    encodeRow(row, preprocessing, series, i * width);
  }
  for (let i = 0; i < series.length; i++) if (Number.isNaN(series[i]!)) series[i] = 0;
  return { series, rowTimes, rows, features: width };
}

/**
 * A model's output as times and values.
 * @param output `horizon` normalised values, the first for the row after `lastTime`.
 * @param lastTime Time of the window's last row, milliseconds (`WindowBuffer.lastTime`).
 * @throws INVALID_ARGUMENT when the output's length is not the horizon.
 */
export function decodeForecast(
  output: ArrayLike<number>,
  preprocessing: Preprocessing,
  lastTime: number,
): ForecastPoint[] {
  const { horizon, mean, std, stepMs } = preprocessing;
  if (output.length !== horizon) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `the model gave ${output.length} values for a horizon of ${horizon}`,
      {
        where: 'output',
      },
    );
  }
  return Array.from({ length: horizon }, (_, i) => ({
    time: lastTime + (i + 1) * stepMs,
    value: mean + std * output[i]!,
  }));
}
