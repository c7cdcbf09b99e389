// Short gaps are bridged by a straight line, in the batch and on the device alike.

/** The longest run of missing rows that is bridged unless told otherwise. */
export const defaultInterpolateSteps = 1;

/** The value at `share` of the way from `from` to `to`. */
export function bridge(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}

/** Fills runs of at most `maxSteps` NaN between two known values by a straight line, in place; returns how many rows it filled. */
export function bridgeGaps(values: Float64Array, maxSteps: number): number {
  let filled = 0;
  let last = -1;
  for (let row = 0; row < values.length; row++) {
    if (Number.isNaN(values[row]!)) continue;
    const missing = row - last - 1;
    if (last >= 0 && missing > 0 && missing <= maxSteps) {
      for (let i = 1; i <= missing; i++) values[last + i] = bridge(values[last]!, values[row]!, i / (missing + 1));
      filled += missing;
    }
    last = row;
  }
  return filled;
}
