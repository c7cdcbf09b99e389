// Thresholds from the reference itself: what the statistic does when the window comes from the reference.
import { normalQuantile } from '../normal.ts';

/**
 * The value that a positive, right-skewed statistic exceeds with chance alpha, from a sample of it: a Pearson III curve with the
 * sample's mean, deviation and skewness, by Wilson and Hilferty's cube. Reaches an alpha far below 1/sample, as a null
 * distribution of a kernel statistic is a weighted sum of χ² (A. Gretton et al., JMLR 13, 2012, section 5).
 */
export function upperQuantile(sample: readonly number[], alpha: number): number {
  const n = sample.length;
  const mean = sample.reduce((sum, x) => sum + x, 0) / n;
  const moment = (power: number): number => sample.reduce((sum, x) => sum + (x - mean) ** power, 0) / n;
  const deviation = Math.sqrt(moment(2));
  if (!(deviation > 0)) return mean > 0 ? mean * (1 + 1e-9) : Number.MIN_VALUE;
  const skewness = Math.max(0.05, Math.min(4, moment(3) / deviation ** 3));
  const z = -normalQuantile(alpha);
  const cube = 1 + (z * skewness) / 6 - (skewness * skewness) / 36;
  return mean + deviation * (2 / skewness) * (Math.max(0, cube) ** 3 - 1);
}
