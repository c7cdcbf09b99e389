// Linear autoregression: each step ahead is a weighted sum of the window's rows, fitted by ridge regression in closed form (Hoerl & Kennard 1970).
// Not a baseline that a gate demands, but the honest yardstick for anything that calls itself learning.
import { SanderlingError } from '@sanderling/kit';
import type { EncodedSeries } from './encode.ts';
import type { WindowShape } from './windows.ts';

/** How to fit. */
export interface LinearOptions extends WindowShape {
  /** First rows of the windows to fit on. */
  readonly starts: ArrayLike<number>;
  /** Weight of the penalty per window. @default 0.001 */
  readonly ridge?: number;
}

/** A fitted linear forecaster. */
export interface LinearForecaster {
  /** Normalised forecasts of the given windows, `windows × horizon` row-major; decode them with `decodeForecasts`. */
  forecast(encoded: EncodedSeries, starts: ArrayLike<number>): Float64Array<ArrayBuffer>;
}

/**
 * Fits `horizon` linear functions of the window's values and of the last row's other features, relative to the last value.
 * @throws TOO_LITTLE_DATA with fewer windows than weights.
 */
export function fitLinear(encoded: EncodedSeries, options: LinearOptions): LinearForecaster {
  const { window, horizon, starts, ridge = 0.001 } = options;
  const inputs = window + encoded.features;
  if (starts.length < inputs) {
    throw new SanderlingError('TOO_LITTLE_DATA', `${starts.length} windows are too few to fit ${inputs} weights`);
  }
  const gram = new Float64Array(inputs * inputs);
  const targets = new Float64Array(inputs * horizon);
  const x = new Float64Array(inputs);
  for (let w = 0; w < starts.length; w++) {
    const last = gather(encoded, { start: starts[w]!, window }, x);
    for (let i = 0; i < inputs; i++) {
      for (let j = 0; j <= i; j++) gram[i * inputs + j] = gram[i * inputs + j]! + x[i]! * x[j]!;
      for (let h = 0; h < horizon; h++) {
        const change = encoded.series[(starts[w]! + window + h) * encoded.features]! - last;
        targets[i * horizon + h] = targets[i * horizon + h]! + x[i]! * change;
      }
    }
  }
  for (let i = 0; i < inputs; i++) gram[i * inputs + i] = gram[i * inputs + i]! + ridge * starts.length;
  const weights = solve(gram, targets, { size: inputs, columns: horizon });
  return { forecast: (series, at) => apply(series, at, { window, horizon, weights }) };
}

/** Writes a window's inputs: its values relative to the last, the last row's other features, and 1; returns the last value. */
function gather(
  { series, features }: EncodedSeries,
  { start, window }: { start: number; window: number },
  into: Float64Array,
): number {
  const lastRow = (start + window - 1) * features;
  const last = series[lastRow]!;
  for (let i = 0; i < window - 1; i++) into[i] = series[(start + i) * features]! - last;
  into[window - 1] = last;
  for (let f = 1; f < features; f++) into[window + f - 1] = series[lastRow + f]!;
  into[window + features - 1] = 1;
  return last;
}

function apply(
  encoded: EncodedSeries,
  starts: ArrayLike<number>,
  { window, horizon, weights }: WindowShape & { readonly weights: Float64Array },
): Float64Array<ArrayBuffer> {
  const x = new Float64Array(window + encoded.features);
  const out = new Float64Array(starts.length * horizon);
  for (let w = 0; w < starts.length; w++) {
    const last = gather(encoded, { start: starts[w]!, window }, x);
    for (let h = 0; h < horizon; h++) {
      let sum = last;
      for (let i = 0; i < x.length; i++) sum += x[i]! * weights[i * horizon + h]!;
      out[w * horizon + h] = sum;
    }
  }
  return out;
}

/** Solves A · X = B for a symmetric positive definite A (lower triangle given) by Cholesky; overwrites both, returns X. */
function solve(a: Float64Array, b: Float64Array, { size, columns }: { size: number; columns: number }): Float64Array {
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= a[i * size + k]! * a[j * size + k]!;
      a[i * size + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / a[j * size + j]!;
    }
  }
  for (let c = 0; c < columns; c++) {
    for (let i = 0; i < size; i++) {
      let sum = b[i * columns + c]!;
      for (let k = 0; k < i; k++) sum -= a[i * size + k]! * b[k * columns + c]!;
      b[i * columns + c] = sum / a[i * size + i]!;
    }
    for (let i = size - 1; i >= 0; i--) {
      let sum = b[i * columns + c]!;
      for (let k = i + 1; k < size; k++) sum -= a[k * size + i]! * b[k * columns + c]!;
      b[i * columns + c] = sum / a[i * size + i]!;
    }
  }
  return b;
}
