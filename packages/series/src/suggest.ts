// A forecasting task and a search space for a series, when the user has said nothing. The numbers come from `bench/results/series-accuracy.md`.
import { expandFeatures, type FeatureName } from './features.ts';
import { dayMs, type Grid } from './reading.ts';
import { splitRanges, windowStarts, type WindowShape } from './windows.ts';

/** One dimension of a search space, in the form that project configurations use. */
export type SuggestedDimension =
  | { readonly type: 'int'; readonly low: number; readonly high: number; readonly log: boolean }
  | { readonly type: 'float'; readonly low: number; readonly high: number; readonly log: boolean }
  | { readonly type: 'choice'; readonly options: readonly number[] };

/** What to learn, and where to look for the best network. */
export interface SuggestedTask extends WindowShape {
  readonly features: readonly FeatureName[];
  /** The loss that fits the measure that gates use. */
  readonly loss: 'mae';
  /** Ranges worth searching. */
  readonly space: {
    readonly window: SuggestedDimension;
    readonly hidden: SuggestedDimension;
    readonly learningRate: SuggestedDimension;
    readonly batch: SuggestedDimension;
    readonly dropout: SuggestedDimension;
  };
  /** A good first trial: what the study used without a search. */
  readonly start: {
    readonly hidden: number;
    readonly learningRate: number;
    readonly batch: number;
    readonly dropout: number;
  };
}

const steps = 12;
/** Fewest windows that a validation or a test part should have. */
const wantedWindows = 40;

/**
 * Proposes window, horizon, features and a search space.
 * The horizon is twelve steps, the window one and a half to two times that, both less when a part of a short or gappy series would hold too few
 * windows. The time of day becomes a feature when the training part spans five days, the day of the week when it spans a whole week.
 */
export function suggestTask(grid: Grid): SuggestedTask {
  const rows = grid.values.length;
  const spanDays = (0.7 * rows * grid.stepMs) / dayMs;
  const daily = grid.stepMs < dayMs / 2 && spanDays >= 5;
  const weekly = grid.stepMs <= dayMs && spanDays >= 7;
  const { window, horizon } = affordable(grid);
  const small = rows < 2000;
  // On little data the validation part is too short to tell many candidates apart: the space stays near what is known to work.
  const low = Math.max(4, Math.round(window * (small ? 2 / 3 : 1 / 2)));
  return {
    window,
    horizon,
    features: expandFeatures(['difference', ...(daily ? ['hour-of-day'] : []), ...(weekly ? ['day-of-week'] : [])]),
    loss: 'mae',
    space: {
      window: { type: 'int', low: Math.min(low, window), high: window, log: false },
      hidden: { type: 'int', low: small ? 12 : 8, high: small ? 24 : 32, log: true },
      learningRate: { type: 'float', low: small ? 0.003 : 0.002, high: small ? 0.01 : 0.02, log: true },
      batch: { type: 'choice', options: small ? [16, 32] : [32, 64, 128] },
      dropout: { type: 'float', low: 0, high: small ? 0.1 : 0.2, log: false },
    },
    start: { hidden: 16, learningRate: 0.005, batch: small ? 16 : 64, dropout: 0 },
  };
}

/** The largest of the usual shapes under which validation and test part keep enough windows. */
function affordable(grid: Grid): WindowShape {
  const shapes = [
    { window: 24, horizon: steps },
    { window: 18, horizon: steps },
    { window: 12, horizon: steps / 2 },
    { window: 6, horizon: steps / 4 },
  ];
  const generous = grid.values.length >= 2000 ? shapes : shapes.slice(1);
  return generous.find((shape) => hasEnoughWindows(grid, shape)) ?? shapes[shapes.length - 1]!;
}

function hasEnoughWindows(grid: Grid, shape: WindowShape): boolean {
  const ranges = splitRanges(grid, { purge: shape.horizon });
  const { validation, test } = windowStarts(grid, { ...shape, ranges });
  return validation.length >= wantedWindows && test.length >= wantedWindows;
}
