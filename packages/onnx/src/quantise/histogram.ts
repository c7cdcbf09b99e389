// Choosing a range from the distribution of values rather than from its extremes.
import type { Range } from './calibrate.ts';

export type RangeMethod = 'minmax' | 'percentile' | 'mse' | 'entropy';

const bins = 2048;
const levels = 255;

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

/** The range that a method picks. */
export function chosenRange(histogram: Histogram, method: RangeMethod): Range {
  switch (method) {
    case 'minmax':
      return histogram.range;
    case 'percentile':
      return percentileRange(histogram, 1e-5);
    case 'mse':
      return bestRange(histogram, squaredError);
    case 'entropy':
      return bestRange(histogram, divergence);
  }
}

function percentileRange({ counts, range, step }: Histogram, tail: number): Range {
  const total = counts.reduce((a, b) => a + b, 0);
  const cut = (order: readonly number[]): number => {
    let left = total * tail;
    return order.find((bin) => (left -= counts[bin]!) < 0) ?? 0;
  };
  const upward = Array.from({ length: bins }, (_, i) => i);
  return { min: range.min + cut(upward) * step, max: range.min + (cut(upward.toReversed()) + 1) * step };
}

/** Tries ever tighter ranges around zero, in 64 steps down to a quarter, and keeps the cheapest. */
function bestRange(histogram: Histogram, cost: (histogram: Histogram, range: Range) => number): Range {
  const { min, max } = histogram.range;
  const candidates = Array.from({ length: 64 }, (_, i): Range => {
    const share = 1 - (0.75 * i) / 63;
    return { min: min * share, max: max * share };
  });
  const costs = candidates.map((range) => cost(histogram, range));
  return candidates[costs.indexOf(Math.min(...costs))]!;
}

/** Σ count · (value − its 8-bit rounding)². */
function squaredError(histogram: Histogram, range: Range): number {
  const [min, max] = [Math.min(range.min, 0), Math.max(range.max, 0)];
  const scale = (max - min) / levels || 1;
  let sum = 0;
  for (const [bin, count] of histogram.counts.entries()) {
    if (count === 0) continue;
    const value = histogram.centre(bin);
    const rounded = Math.min(max, Math.max(min, Math.round((value - min) / scale) * scale + min));
    sum += count * (value - rounded) ** 2;
  }
  return sum;
}

/** KL(P ‖ Q): P the counts clipped to the range, Q the same spread evenly within each of 255 levels. */
function divergence(histogram: Histogram, range: Range): number {
  const clipped = clippedCounts(histogram, range);
  const perLevel = Math.max(1, clipped.length / levels);
  const total = clipped.reduce((a, b) => a + b, 0);
  let sum = 0;
  for (let level = 0; level < Math.min(levels, clipped.length); level += 1) {
    const part = clipped.slice(Math.round(level * perLevel), Math.round((level + 1) * perLevel));
    const filled = inner(histogram, range, Math.round(level * perLevel), part.length);
    const mean = filled.total / (filled.used || 1);
    for (const [i, count] of part.entries()) {
      if (count === 0) continue;
      const other = filled.counts[i]! > 0 ? mean : 1e-3;
      sum += (count / total) * Math.log(count / other);
    }
  }
  return sum;
}

/** The bins of a range, what lies outside added to the outermost. */
function clippedCounts({ counts, range: all, step }: Histogram, range: Range): Float64Array {
  const first = Math.max(0, Math.floor((range.min - all.min) / step));
  const last = Math.min(bins, Math.max(first + 1, Math.ceil((range.max - all.min) / step)));
  const part = counts.slice(first, last);
  for (const count of counts.subarray(0, first)) part[0]! += count;
  for (const count of counts.subarray(last)) part[part.length - 1]! += count;
  return part;
}

/** The unclipped counts of some bins of a range. */
function inner({ counts, range: all, step }: Histogram, range: Range, from: number, length: number) {
  const first = Math.max(0, Math.floor((range.min - all.min) / step)) + from;
  const part = counts.slice(first, first + length);
  return {
    counts: part,
    total: part.reduce((a, b) => a + b, 0),
    used: part.reduce((n, count) => n + (count > 0 ? 1 : 0), 0),
  };
}
