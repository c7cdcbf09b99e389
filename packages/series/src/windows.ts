// Time-ordered splits and the windows inside them: no window crosses a gap, and none reaches out of its own part, so nothing leaks from the future.
import { SanderlingError } from '@sanderling/kit';
import type { Grid, RowRange } from './reading.ts';

/** The three parts of a series, oldest first. */
export interface SplitRanges {
  readonly train: RowRange;
  readonly validation: RowRange;
  readonly test: RowRange;
}

/** First rows of windows, ascending, per part. */
export interface WindowStarts {
  readonly train: Int32Array<ArrayBuffer>;
  readonly validation: Int32Array<ArrayBuffer>;
  readonly test: Int32Array<ArrayBuffer>;
}

/** How to split. */
export interface SplitOptions {
  /** Share of the training part. @default 0.7 */
  readonly train?: number;
  /** Share of the validation part; the test part gets the rest. @default 0.15 */
  readonly validation?: number;
  /** Rows left out between two parts, so that neighbours are not near-copies. @default 0 */
  readonly purge?: number;
}

/** The task that windows serve. */
export interface WindowShape {
  /** Rows that the model looks at. */
  readonly window: number;
  /** Rows that the model forecasts. */
  readonly horizon: number;
}

/** How to cut windows. */
export interface WindowOptions extends WindowShape {
  /**
   * Rows before the forecast that must be known and inside the part, at least `window`. With the longest window of a search here, shorter
   * windows forecast exactly the same rows, so that their errors can be compared. @default window
   */
  readonly lookback?: number;
  /** @default `splitRanges` of the grid with a purge of `horizon` rows */
  readonly ranges?: SplitRanges;
}

/**
 * Splits by time: train, then validation, then test. Of a grid, shares are counted in known rows, so that a long gap leaves no part empty;
 * of a number of rows, in rows.
 * @throws INVALID_ARGUMENT when a share is not in (0, 1) or nothing is left for the test part.
 */
export function splitRanges(series: Grid | number, options: SplitOptions = {}): SplitRanges {
  const { train = 0.7, validation = 0.15, purge = 0 } = options;
  if (!(train > 0) || !(validation > 0) || !(train + validation < 1) || !(purge >= 0)) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `cannot split by ${train} and ${validation} with a purge of ${purge} rows`,
      { where: 'split', fix: 'give positive shares for train and validation that leave something for the test part' },
    );
  }
  const rows = typeof series === 'number' ? series : series.values.length;
  const rowAt =
    typeof series === 'number' ? (share: number) => Math.floor(rows * share) : knownRowFinder(series.values);
  const trainTo = rowAt(train);
  const validationTo = rowAt(train + validation);
  const from = (row: number, to: number): number => Math.min(row + purge, to);
  return {
    train: { from: 0, to: trainTo },
    validation: { from: from(trainTo, validationTo), to: validationTo },
    test: { from: from(validationTo, rows), to: rows },
  };
}

/** Finds the row before which the given share of the known rows lies. */
function knownRowFinder(values: Float64Array): (share: number) => number {
  const known = values.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : 1), 0);
  return (share) => {
    let left = Math.floor(known * share);
    let row = 0;
    while (row < values.length && left > 0) if (!Number.isNaN(values[row++]!)) left--;
    return row;
  };
}

/**
 * Every first row of a window whose `window + horizon` rows are all known and all inside one part.
 * @throws INVALID_ARGUMENT for a window or horizon below 1, or for parts that overlap or lie outside of the grid.
 */
export function windowStarts(grid: Grid, options: WindowOptions): WindowStarts {
  const { window, horizon, lookback = window } = options;
  if (![window, horizon, lookback].every(Number.isInteger) || window < 1 || horizon < 1 || lookback < window) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `window ${window} and horizon ${horizon} must be whole numbers from 1, lookback ${lookback} one from the window`,
    );
  }
  const rows = grid.values.length;
  const ranges = options.ranges ?? splitRanges(grid, { purge: horizon });
  checkRanges(ranges, rows);
  const find = (range: RowRange): Int32Array<ArrayBuffer> =>
    startsIn(grid.values, range, { window, horizon, lookback });
  return { train: find(ranges.train), validation: find(ranges.validation), test: find(ranges.test) };
}

function startsIn(
  values: Float64Array,
  range: RowRange,
  { window, horizon, lookback }: Required<Omit<WindowOptions, 'ranges'>>,
): Int32Array<ArrayBuffer> {
  const starts = new Int32Array(Math.max(0, range.to - range.from));
  let count = 0;
  let known = 0;
  for (let row = range.from; row < range.to; row++) {
    known = Number.isNaN(values[row]!) ? 0 : known + 1;
    if (known >= lookback + horizon) starts[count++] = row - horizon - window + 1;
  }
  return starts.slice(0, count);
}

function checkRanges({ train, validation, test }: SplitRanges, rows: number): void {
  const edges = [0, train.from, train.to, validation.from, validation.to, test.from, test.to, rows];
  const ordered = edges.every((edge, i) => Number.isInteger(edge) && (i === 0 || edge >= edges[i - 1]!));
  if (!ordered) {
    throw new SanderlingError('INVALID_ARGUMENT', `the parts must follow each other within ${rows} rows`, {
      where: 'ranges',
      details: { train, validation, test, rows },
    });
  }
}
