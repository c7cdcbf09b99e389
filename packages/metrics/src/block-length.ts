// How long the blocks of a bootstrap should be, from the data: Politis & White 2004 with the correction of Patton, Politis & White 2009, for overlapping
// blocks and the mean. Where errors resemble their neighbours for long, blocks must be long, or the interval is too narrow.

/** The estimated best block length of a series, a whole number from 1 to min(3√n, n/3). O(n √n) time. */
export function bestBlockLength(series: Float64Array): number {
  const count = series.length;
  const most = Math.floor(Math.min(3 * Math.sqrt(count), count / 3));
  const covariances = autocovariances(series, Math.min(count - 1, Math.ceil(Math.sqrt(count)) + 2 * quietRun(count)));
  if (!(covariances[0]! > 0)) return 1;
  const width = Math.min(2 * Math.max(1, lastLoudLag(covariances, count)), covariances.length - 1);
  let bend = 0;
  let longRun = covariances[0]!;
  for (let lag = 1; lag <= width; lag++) {
    const term = 2 * flatTop(lag / width) * covariances[lag]!;
    bend += lag * term;
    longRun += term;
  }
  const length = ((1.5 * bend ** 2) / longRun ** 2) ** (1 / 3) * Math.cbrt(count);
  return Math.max(1, Math.min(most, Math.round(Number.isFinite(length) ? length : most)));
}

/** Lags in a row that must be quiet before the rest is taken for noise. */
function quietRun(count: number): number {
  return Math.max(5, Math.floor(Math.log10(count)));
}

/** The smallest lag after which a run of correlations is indistinguishable from zero. */
function lastLoudLag(covariances: Float64Array, count: number): number {
  const run = quietRun(count);
  const noise = 2 * Math.sqrt(Math.log10(count) / count);
  let quiet = 0;
  for (let lag = 1; lag < covariances.length; lag++) {
    quiet = Math.abs(covariances[lag]! / covariances[0]!) < noise ? quiet + 1 : 0;
    if (quiet === run) return lag - run;
  }
  return covariances.length - 1;
}

/** The flat-top lag window. */
function flatTop(share: number): number {
  return share <= 0.5 ? 1 : 2 * (1 - share);
}

function autocovariances(series: Float64Array, lags: number): Float64Array {
  const mean = series.reduce((sum, value) => sum + value, 0) / series.length;
  return Float64Array.from({ length: lags + 1 }, (_, lag) => {
    let sum = 0;
    for (let i = lag; i < series.length; i++) sum += (series[i]! - mean) * (series[i - lag]! - mean);
    return sum / series.length;
  });
}
