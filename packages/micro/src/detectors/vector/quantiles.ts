// Thresholds of the vector detectors, as packages/drift sets them.
import { normalExceeded } from '../scalar-detectors.ts';

/** The z that a standard normal exceeds with chance alpha. */
function normal(alpha: number): number {
  return alpha < 0.5 ? normalExceeded(alpha) : alpha > 0.5 ? -normalExceeded(1 - alpha) : 0;
}

/** The value that a positive, right-skewed statistic exceeds with chance alpha, from a sample of it: Pearson III by Wilson and Hilferty's cube. */
export function upperQuantile(sample: readonly number[], alpha: number): number {
  const n = sample.length;
  const mean = sample.reduce((sum, x) => sum + x, 0) / n;
  const moment = (power: number): number => sample.reduce((sum, x) => sum + (x - mean) ** power, 0) / n;
  const deviation = Math.sqrt(moment(2));
  if (!(deviation > 0)) return mean > 0 ? mean * (1 + 1e-9) : Number.MIN_VALUE;
  const skewness = Math.max(0.05, Math.min(4, moment(3) / deviation ** 3));
  const cube = 1 + (normal(alpha) * skewness) / 6 - (skewness * skewness) / 36;
  return mean + deviation * (2 / skewness) * (Math.max(0, cube) ** 3 - 1);
}

/** What Student's t exceeds with chance alpha: expansion around the normal, Abramowitz & Stegun 26.7.5. */
export function studentQuantile(alpha: number, freedom: number): number {
  const z = normal(alpha);
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  return z + first / freedom + second / freedom ** 2;
}
