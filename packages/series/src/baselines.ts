// Forecasts that need no model: the bar that a release has to clear (Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., §5.2).
import { actualsAt, evaluateForecasts, type ForecastMatrix } from './forecasts.ts';
import { dayMs, type Grid, type RowRange } from './reading.ts';
import { windowStarts, type WindowShape } from './windows.ts';

/** The baselines' names. */
export type BaselineName = 'persistence' | 'seasonal-naive' | 'drift' | 'window-mean';

/** What a baseline forecasts from. */
export interface BaselineTask extends WindowShape {
  /** First rows of the windows to forecast. */
  readonly starts: ArrayLike<number>;
  /** Rows in a season, for `seasonal-naive`; see {@link chooseSeason}. `undefined`: no season, it then equals persistence. */
  readonly season?: number | undefined;
}

/** The value of the series at `row` as forecast at the end of row `last`; both are grid rows, `row > last`. */
type Rule = (values: Float64Array, last: number, row: number, task: BaselineTask) => number;

/** How each baseline forecasts. Unlike a model it may look further back than the window. */
const rules = {
  /** The last value stays. */
  persistence: (values, last) => values[last]!,
  /** The value one season ago; where that is a gap, two or more seasons ago, at last persistence. */
  'seasonal-naive': (values, last, row, { season }) => seasonalValue(values, last, row, season),
  /** The line through the window's first and last value goes on. */
  drift: (values, last, row, { window }) =>
    window === 1
      ? values[last]!
      : values[last]! + ((values[last]! - values[last - window + 1]!) / (window - 1)) * (row - last),
  /** The window's mean. */
  'window-mean': (values, last, _row, { window }) => meanOf(values, last - window + 1, last),
} as const satisfies Record<BaselineName, Rule>;

/** Every baseline that exists. */
export const baselineNames = Object.keys(rules) as readonly BaselineName[];

/** The baseline's forecasts for the windows, in the series' own unit. */
export function baselineForecasts(name: BaselineName, grid: Grid, task: BaselineTask): ForecastMatrix {
  const { starts, window, horizon } = task;
  const rule: Rule = rules[name];
  const values = new Float64Array(starts.length * horizon);
  for (let w = 0; w < starts.length; w++) {
    const last = starts[w]! + window - 1;
    for (let h = 0; h < horizon; h++) values[w * horizon + h] = rule(grid.values, last, last + 1 + h, task);
  }
  return { windows: starts.length, horizon, values };
}

/**
 * A day or a week, in rows, whichever forecasts the given (training) rows better; undefined when the step does not divide a day
 * or the rows hold less than two seasons.
 */
export function chooseSeason(grid: Grid, range: RowRange, shape: WindowShape): number | undefined {
  const day = dayMs / grid.stepMs;
  const rows = range.to - range.from;
  const candidates = [day, 7 * day].filter((season) => Number.isInteger(season) && season > 1 && rows >= 2 * season);
  // All candidates are judged on the same windows: those that have the longest season before them.
  const starts = startsAfter(grid, { ...range, from: range.from + Math.max(0, ...candidates) - shape.window }, shape);
  if (starts.length === 0) return candidates[0];
  const actuals = actualsAt(grid, starts, shape);
  const errors = candidates.map((season) => {
    const forecasts = baselineForecasts('seasonal-naive', grid, { ...shape, starts, season });
    return { season, mae: evaluateForecasts(forecasts, actuals).mae };
  });
  return errors.sort((a, b) => a.mae - b.mae)[0]?.season;
}

/** At most about a thousand windows within the rows. */
function startsAfter(grid: Grid, { from, to }: RowRange, shape: WindowShape): Int32Array {
  const train = { from: Math.max(0, from), to };
  const empty = { from: to, to };
  const all = windowStarts(grid, { ...shape, ranges: { train, validation: empty, test: empty } }).train;
  const stride = Math.max(1, Math.floor(all.length / 1000));
  return all.filter((_, i) => i % stride === 0);
}

function seasonalValue(values: Float64Array, last: number, row: number, season: number | undefined): number {
  if (season === undefined) return values[last]!;
  const first = row - season * Math.ceil((row - last) / season);
  for (let at = first; at >= 0 && at > first - 5 * season; at -= season) {
    if (!Number.isNaN(values[at]!)) return values[at]!;
  }
  return values[last]!;
}

function meanOf(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let row = from; row <= to; row++) sum += values[row]!;
  return sum / (to - from + 1);
}
