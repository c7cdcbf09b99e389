// Choosing a range from the distribution of values rather than from its extremes.
import type { Range } from './calibrate.ts';

/** How a range is chosen from what was seen; see `CalibrationOptions.method`. */
export type RangeMethod = 'minmax' | 'percentile' | 'mse' | 'entropy';

/** The share of values that 'percentile' leaves out at each end unless told otherwise. */
export const usualTail = 1e-5;

const bins = 2048;
const levels = 255;

/** Ends are tried at these shares of the extremes: from all down to a quarter. */
const shares: readonly number[] = Array.from({ length: 64 }, (_, i) => 1 - (0.75 * i) / 63);

/** Counts of values in equal bins over a range. */
export class Histogram {
  readonly range: Range;
  readonly counts = new Float64Array(bins);

  constructor(range: Range) {
    this.range = range;
  }

  get step(): number {
    return (this.range.max - this.range.min) / bins || 1;
  }

  get total(): number {
    return this.counts.reduce((a, b) => a + b, 0);
  }

  add(values: Float32Array): void {
    const { counts, step } = this;
    const { min } = this.range;
    for (const value of values) {
      const bin = Math.min(bins - 1, Math.max(0, Math.floor((value - min) / step)));
      counts[bin]! += 1;
    }
  }

  /** The middle of a bin. */
  centre(bin: number): number {
    return this.range.min + (bin + 0.5) * this.step;
  }
}

/** The range that a method picks. `tail`: what 'percentile' leaves out at each end. */
export function chosenRange(histogram: Histogram, method: RangeMethod, tail = usualTail): Range {
  switch (method) {
    case 'minmax':
      return histogram.range;
    case 'percentile':
      return percentileRange(histogram, tail);
    case 'mse':
      return bestRange(histogram, squaredError);
    case 'entropy':
      return bestRange(histogram, divergence);
  }
}

function percentileRange(histogram: Histogram, tail: number): Range {
  const { counts, range, step, total } = histogram;
  const cut = (order: readonly number[]): number => {
    let left = total * tail;
    return order.find((bin) => (left -= counts[bin]!) < 0) ?? 0;
  };
  const upward = Array.from({ length: bins }, (_, i) => i);
  return { min: range.min + cut(upward) * step, max: range.min + (cut(upward.toReversed()) + 1) * step };
}

type Cost = (histogram: Histogram, range: Range) => number;

/** Tightens both ends together, then each alone, and keeps the cheapest. */
function bestRange(histogram: Histogram, cost: Cost): Range {
  const { min, max } = histogram.range;
  const cheapest = (make: (share: number) => Range): Range => {
    const candidates = shares.map(make);
    const costs = candidates.map((range) => cost(histogram, range));
    return candidates[costs.indexOf(Math.min(...costs))]!;
  };
  const both = cheapest((share) => ({ min: min * share, max: max * share }));
  const upper = cheapest((share) => ({ min: both.min, max: max * share }));
  return cheapest((share) => ({ min: min * share, max: upper.max }));
}

/** The lowest value and the scale of the 8-bit levels that a range gets: zero is always one of them. */
function levelsOf(range: Range): { low: number; high: number; scale: number } {
  const [low, high] = [Math.min(range.min, 0), Math.max(range.max, 0)];
  return { low, high, scale: (high - low) / levels || 1 };
}

/** Σ count · (value − its 8-bit rounding)². */
function squaredError(histogram: Histogram, range: Range): number {
  const { low, high, scale } = levelsOf(range);
  let sum = 0;
  for (const [bin, count] of histogram.counts.entries()) {
    if (count === 0) continue;
    const value = histogram.centre(bin);
    const rounded = Math.min(high, Math.max(low, Math.round((value - low) / scale) * scale + low));
    sum += count * (value - rounded) ** 2;
  }
  return sum;
}

/**
 * KL(P ‖ Q): P the counts with those outside the range added to its outermost bins, Q the counts inside, spread evenly over the bins in use that round to the
 * same level (Migacz 2017). Bins that P alone has weigh next to nothing in Q.
 */
function divergence(histogram: Histogram, range: Range): number {
  const { counts, total } = histogram;
  const { low, scale } = levelsOf(range);
  const inside = Array.from(counts.keys()).filter((bin) => {
    const value = histogram.centre(bin);
    return value >= range.min && value <= range.max;
  });
  if (inside.length === 0) return Infinity;
  const [first, last] = [inside[0]!, inside.at(-1)!];
  const levelOf = (bin: number): number => Math.round((histogram.centre(bin) - low) / scale);
  const [mass, used] = [new Float64Array(levels + 2), new Float64Array(levels + 2)];
  for (const bin of inside) {
    mass[levelOf(bin)]! += counts[bin]!;
    used[levelOf(bin)]! += counts[bin]! > 0 ? 1 : 0;
  }
  const least = (1e-4 * total) / bins;
  const q = inside.map((bin) =>
    counts[bin]! > 0 ? Math.max(mass[levelOf(bin)]! / used[levelOf(bin)]!, least) : least,
  );
  const totalQ = q.reduce((a, b) => a + b, 0);
  const outside = (from: number, to: number): number => counts.subarray(from, to).reduce((a, b) => a + b, 0);
  let sum = 0;
  for (const [i, bin] of inside.entries()) {
    const more = (bin === first ? outside(0, first) : 0) + (bin === last ? outside(last + 1, bins) : 0);
    const p = (counts[bin]! + more) / total;
    if (p > 0) sum += p * Math.log((p * totalQ) / q[i]!);
  }
  return sum;
}
