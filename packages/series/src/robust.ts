// Statistics that outliers do not move: median, quantiles (type 7, as pandas and NumPy), MAD, Hampel's rolling median.

/** The quantile `q` in [0, 1] of ascending values, linear between neighbours (Hyndman & Fan 1996, type 7); NaN without values. */
export function quantile(sorted: Float64Array, q: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low);
}

/** The median of ascending values; NaN without values. */
export function median(sorted: Float64Array): number {
  return quantile(sorted, 0.5);
}

/** 1.4826 × the median absolute value: the standard deviation that normal deviations would have (Rousseeuw & Croux 1993). */
export function robustScale(deviations: Float64Array): number {
  return 1.4826 * median(deviations.map(Math.abs).sort());
}

/** Each value minus the median of itself and `reach` neighbours on either side (fewer at the ends). */
export function hampelDeviations(values: Float64Array, reach: number): Float64Array {
  const window = new Float64Array(2 * reach + 1);
  return values.map((value, i) => {
    const from = Math.max(0, i - reach);
    const part = window.subarray(0, Math.min(values.length, i + reach + 1) - from);
    part.set(values.subarray(from, from + part.length));
    return value - median(part.sort());
  });
}
