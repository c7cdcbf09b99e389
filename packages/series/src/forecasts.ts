// Forecasts of many windows side by side, what then really happened, and the errors that gates compare pairwise.
import { SanderlingError } from '@sanderling/kit';
import type { Preprocessing } from './preprocessing.ts';
import type { Grid } from './reading.ts';
import type { WindowShape } from './windows.ts';

/** `windows × horizon` values in the series' own unit, row-major. */
export interface ForecastMatrix {
  readonly windows: number;
  readonly horizon: number;
  readonly values: Float64Array<ArrayBuffer>;
}

/** How far forecasts were off, in the series' own unit. */
export interface ForecastErrors {
  /** Mean absolute error. */
  readonly mae: number;
  /** Root mean squared error. */
  readonly rmse: number;
  /** Mean of forecast − actual. */
  readonly bias: number;
  /** Largest absolute error. */
  readonly worst: number;
  /** Mean absolute error of each window, in the windows' order: compare two models pairwise by these. */
  readonly perWindow: Float64Array<ArrayBuffer>;
  /** Mean absolute error of each step ahead, the nearest first. */
  readonly perStep: Float64Array<ArrayBuffer>;
}

/** What really happened after each window: the target rows of the grid. */
export function actualsAt(grid: Grid, starts: ArrayLike<number>, { window, horizon }: WindowShape): ForecastMatrix {
  const values = new Float64Array(starts.length * horizon);
  for (let w = 0; w < starts.length; w++) {
    const from = starts[w]! + window;
    values.set(grid.values.subarray(from, from + horizon), w * horizon);
  }
  return { windows: starts.length, horizon, values };
}

/**
 * A model's normalised outputs, `windows × horizon` row-major, in the series' own unit.
 * @throws INVALID_ARGUMENT when the length is not a multiple of the horizon.
 */
export function decodeForecasts(outputs: ArrayLike<number>, preprocessing: Preprocessing): ForecastMatrix {
  const { horizon, mean, std } = preprocessing;
  const windows = outputs.length / horizon;
  if (!Number.isInteger(windows)) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `${outputs.length} outputs are not whole forecasts of ${horizon} steps`,
    );
  }
  return { windows, horizon, values: Float64Array.from(outputs, (output) => mean + std * output) };
}

/**
 * Compares forecasts with what happened.
 * @throws INVALID_ARGUMENT when shapes differ, INVALID_DATA when a value is not finite, TOO_LITTLE_DATA without a window.
 */
export function evaluateForecasts(forecasts: ForecastMatrix, actuals: ForecastMatrix): ForecastErrors {
  const { windows, horizon } = actuals;
  checkShapes(forecasts, actuals);
  const perWindow = new Float64Array(windows);
  const perStep = new Float64Array(horizon);
  let [squares, bias, worst] = [0, 0, 0];
  for (let i = 0; i < actuals.values.length; i++) {
    const error = forecasts.values[i]! - actuals.values[i]!;
    const absolute = Math.abs(error);
    const [w, h] = [Math.floor(i / horizon), i % horizon];
    perWindow[w] = perWindow[w]! + absolute / horizon;
    perStep[h] = perStep[h]! + absolute / windows;
    squares += error * error;
    bias += error;
    worst = Math.max(worst, absolute);
  }
  const count = windows * horizon;
  const mae = perStep.reduce((sum, error) => sum + error, 0) / horizon;
  if (!Number.isFinite(mae)) throw new SanderlingError('INVALID_DATA', 'a forecast or an actual value is not finite');
  return { mae, rmse: Math.sqrt(squares / count), bias: bias / count, worst, perWindow, perStep };
}

function checkShapes(forecasts: ForecastMatrix, actuals: ForecastMatrix): void {
  const { windows, horizon, values } = actuals;
  const size = windows * horizon;
  const equal = forecasts.windows === windows && forecasts.horizon === horizon;
  if (!equal || values.length !== size || forecasts.values.length !== size) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `forecasts are ${forecasts.windows} × ${forecasts.horizon}, actual values ${windows} × ${horizon}`,
    );
  }
  if (size === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'there is no window to evaluate');
}
