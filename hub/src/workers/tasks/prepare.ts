// From readings to a forecasting task: grid, horizon, normalisation, and which rows train, steer and judge.
import { leastResiduals } from '@sanderling/drift';
import { SanderlingError } from '@sanderling/kit';
import {
  chooseSeason,
  expandFeatures,
  fitPreprocessing,
  resample,
  rowTime,
  splitRanges,
  suggestTask,
  type Grid,
  type Preprocessing,
  type SplitRanges,
  type SuggestedTask,
} from '@sanderling/series';
import type { TaskContext } from '../serve.ts';
import { readingsOf } from './columns.ts';
import { cutWindows, type Division } from './cut-windows.ts';

/** What a user said of the task. */
export interface PrepareInput {
  /** Key of the columns. */
  readonly data: string;
  readonly stepMs: number | 'auto';
  readonly horizon: number | 'auto';
  /** The largest window that the search may choose; 'auto' takes what suits the step. */
  readonly largestWindow: number | 'auto';
  readonly features: 'auto' | readonly string[];
  readonly unit: string;
  /** Fewest grid rows worth training on. */
  readonly minimum: number;
  readonly split: { readonly train: number; readonly validation: number; readonly test: number };
  /** Time of the first reading behind an alarm, milliseconds; null without one. */
  readonly freshFrom: number | null;
  readonly freshShare: number;
}

/** A forecasting task: plain data. */
export interface Prepared extends Division {
  readonly data: string;
  readonly rows: number;
  /** For the largest window; a trial's own differs from it in `window` alone. */
  readonly preprocessing: Preprocessing;
  /** Rows in a season, for the seasonal-naive baseline. */
  readonly season: number | null;
  /** Where to search, and a good first trial, for what the user left open. */
  readonly suggested: Pick<SuggestedTask, 'space' | 'start' | 'loss'>;
  /** Windows of the largest size in each part. */
  readonly windows: { readonly train: number; readonly validation: number; readonly test: number };
}

/** Windows that validation and test part need at least. */
const leastWindows = 10;

/** @throws TOO_LITTLE_DATA when nothing worth training on is left, TOO_LARGE as `resample` */
export async function prepare(input: PrepareInput, context: TaskContext): Promise<Prepared> {
  const grid = resample(
    readingsOf(context.columns(input.data)),
    input.stepMs === 'auto' ? {} : { stepMs: input.stepMs },
  );
  const rows = grid.values.length;
  if (rows < input.minimum)
    throw tooLittle(`the readings make ${rows} rows of ${grid.stepMs / 1000} s, ${input.minimum} are asked for`);
  const suggested = suggestTask(grid);
  const horizon = input.horizon === 'auto' ? suggested.horizon : input.horizon;
  const largestWindow = input.largestWindow === 'auto' ? suggested.window : input.largestWindow;
  const { targets, freshRow } = divide(grid, input, horizon);
  const division: Division = {
    horizon,
    largestWindow,
    targets,
    fresh: freshRow === null ? null : { row: freshRow, share: input.freshShare },
  };
  const preprocessing = fitPreprocessing(grid, targets.train, {
    window: largestWindow,
    horizon,
    features: input.features === 'auto' ? suggested.features : expandFeatures(input.features),
    unit: input.unit,
  });
  const windows = countWindows(grid, division);
  const season = chooseSeason(grid, targets.train, { window: largestWindow, horizon }) ?? null;
  const { space, start, loss } = suggested;
  return { ...division, data: input.data, rows, preprocessing, season, windows, suggested: { space, start, loss } };
}

/** The parts: by their shares of all rows or, behind an alarm, validation and test by their shares of the fresh rows alone. */
function divide(
  grid: Grid,
  { split, freshFrom, freshShare }: PrepareInput,
  horizon: number,
): { targets: SplitRanges; freshRow: number | null } {
  const rows = grid.values.length;
  const ordinary = { targets: splitRanges(grid, { ...split, purge: horizon }), freshRow: null };
  if (freshFrom === null || freshShare === 0) return ordinary;
  const freshRow = Math.max(0, Math.ceil((freshFrom - grid.start) / grid.stepMs));
  const fresh = rows - freshRow;
  const smallest = Math.floor(fresh * Math.min(split.validation, split.test));
  if (freshRow === 0 || smallest < 2 * horizon + leastWindows) return ordinary;
  const young = { ...grid, start: rowTime(grid, freshRow), values: grid.values.subarray(freshRow) };
  const { train, validation, test } = splitRanges(young, { ...split, purge: horizon });
  const shift = (range: { from: number; to: number }) => ({ from: range.from + freshRow, to: range.to + freshRow });
  return {
    targets: { train: { from: 0, to: shift(train).to }, validation: shift(validation), test: shift(test) },
    freshRow,
  };
}

function countWindows(grid: Grid, division: Division): Prepared['windows'] {
  const { train, validation, test } = cutWindows(grid, division, division.largestWindow);
  for (const [part, starts] of Object.entries({ training: train, validation, test })) {
    if (starts.length >= leastWindows) continue;
    throw tooLittle(
      `the ${part} part has ${starts.length} windows of ${division.largestWindow} + ${division.horizon} rows without a gap, ${leastWindows} are needed`,
    );
  }
  const residuals = validation.length + test.length;
  if (residuals < leastResiduals)
    throw tooLittle(
      `validation and test part have ${residuals} windows together; ${leastResiduals} are needed to know what a usual error is`,
    );
  return { train: train.length, validation: validation.length, test: test.length };
}

function tooLittle(message: string): SanderlingError {
  return new SanderlingError('TOO_LITTLE_DATA', message, {
    fix: 'collect more readings, or choose a smaller step or window',
  });
}
