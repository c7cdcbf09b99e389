// Which windows train, steer and judge a model. Targets of the three parts never overlap, and validation and test targets are the same
// rows whatever the window, so that trials with different windows are compared on the same questions.
import { windowStarts, type Grid, type RowRange, type SplitRanges } from '@sanderling/series';

/** How a grid is divided. */
export interface Division {
  readonly horizon: number;
  /** The largest window that may be asked for. */
  readonly largestWindow: number;
  /** Rows that the forecasts of each part are for. */
  readonly targets: SplitRanges;
  /** First row behind an alarm, and the share of training windows whose targets lie there. */
  readonly fresh: { readonly row: number; readonly share: number } | null;
}

/** First rows of windows. Training starts may repeat. */
export interface CutWindows {
  readonly train: Int32Array<ArrayBuffer>;
  readonly validation: Int32Array<ArrayBuffer>;
  readonly test: Int32Array<ArrayBuffer>;
}

/** Training windows of an epoch at most: neighbours are near-copies, more would only take longer. */
export const mostTrainWindows = 20_000;

/** The windows of one size. */
export function cutWindows(grid: Grid, division: Division, window: number): CutWindows {
  const { targets, horizon } = division;
  const all = startsWithin(grid, targets.train, { window, horizon });
  return {
    train: weighFresh(all, division, window),
    validation: aligned(grid, targets.validation, division).map((start) => start + division.largestWindow - window),
    test: aligned(grid, targets.test, division).map((start) => start + division.largestWindow - window),
  };
}

/** Starts of the largest windows whose targets lie in the range; the windows themselves may look back beyond it. */
function aligned(grid: Grid, range: RowRange, { horizon, largestWindow }: Division): Int32Array<ArrayBuffer> {
  const from = Math.max(0, range.from - largestWindow);
  return startsWithin(grid, { from, to: range.to }, { window: largestWindow, horizon });
}

function startsWithin(
  grid: Grid,
  range: RowRange,
  shape: { window: number; horizon: number },
): Int32Array<ArrayBuffer> {
  const rows = grid.values.length;
  const ranges = { train: range, validation: { from: range.to, to: range.to }, test: { from: rows, to: rows } };
  return range.to <= range.from ? new Int32Array(0) : windowStarts(grid, { ...shape, ranges }).train;
}

/** Thins old windows and repeats fresh ones until the fresh are their share; the epoch stays as long as it would have been. */
function weighFresh(starts: Int32Array<ArrayBuffer>, division: Division, window: number): Int32Array<ArrayBuffer> {
  const total = Math.min(starts.length, mostTrainWindows);
  const { fresh } = division;
  const old = fresh === null ? starts : starts.filter((start) => start + window < fresh.row);
  const young = fresh === null ? new Int32Array(0) : starts.filter((start) => start + window >= fresh.row);
  if (fresh === null || fresh.share === 0 || young.length === 0 || old.length === 0) return spread(starts, total);
  const wanted = Math.max(Math.round(total * fresh.share), Math.min(young.length, total));
  const picked = new Int32Array(total);
  picked.set(spread(old, total - wanted));
  for (let i = 0; i < wanted; i++) picked[total - wanted + i] = young[Math.floor((i * young.length) / wanted)]!;
  return picked;
}

/** `count` of the starts, evenly spread. */
function spread(starts: Int32Array<ArrayBuffer>, count: number): Int32Array<ArrayBuffer> {
  if (count >= starts.length) return starts;
  return Int32Array.from({ length: count }, (_, i) => starts[Math.floor((i * starts.length) / count)]!);
}
