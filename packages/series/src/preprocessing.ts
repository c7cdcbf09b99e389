// The contract between training and device: step, window, horizon, features and normalisation, as plain JSON that travels in a signed release.
import { SanderlingError } from '@sanderling/kit';
import { isFeatureName, type FeatureName, type Scaling } from './features.ts';
import { latticeOf, type Grid, type RowRange } from './reading.ts';
import { defaultInterpolateSteps } from './bridge.ts';

/** How readings become a model's input and how its output becomes a forecast. Plain JSON; numbers are in the series' unit unless said otherwise. */
export type Preprocessing = {
  readonly version: 1;
  /** Distance between rows, milliseconds. */
  readonly stepMs: number;
  /** Time of a row modulo the step, milliseconds. */
  readonly offsetMs: number;
  /** Rows that the model looks at. */
  readonly window: number;
  /** Rows that the model forecasts. */
  readonly horizon: number;
  /** Columns of a row; the first is `value`, which is also what is forecast. */
  readonly features: readonly FeatureName[];
  readonly mean: number;
  readonly std: number;
  /** Standard deviation of the differences between neighbouring rows. */
  readonly differenceStd: number;
  /** Normalised values are held within ± this many standard deviations. */
  readonly clampSigma: number;
  /** Longest run of missing rows bridged by a line. */
  readonly maxInterpolateSteps: number;
  /** The unit of the values, for people: `°C`, `°F`, ''. */
  readonly unit: string;
};

/** The shape of the forecasting task: what `suggestTask` proposes and a user may set. */
export interface FitOptions {
  /** Rows that the model looks at. */
  readonly window: number;
  /** Rows that the model forecasts. */
  readonly horizon: number;
  /** @default ['value', 'hour-sin', 'hour-cos'] */
  readonly features?: readonly FeatureName[];
  /** @default 8 */
  readonly clampSigma?: number;
  /** Must be what the grid was resampled with. @default 1 */
  readonly maxInterpolateSteps?: number;
  /** @default '' */
  readonly unit?: string;
}

const defaultFeatures: readonly FeatureName[] = ['value', 'hour-sin', 'hour-cos'];

/**
 * Fits the normalisation on the rows of `trainRange` only (mean and population standard deviation; a constant series gets 1).
 * @throws INVALID_ARGUMENT for a wrong window, horizon or feature list; TOO_LITTLE_DATA with fewer than two known rows.
 */
export function fitPreprocessing(grid: Grid, trainRange: RowRange, options: FitOptions): Preprocessing {
  const { mean, std, differenceStd } = moments(grid.values.subarray(trainRange.from, trainRange.to));
  return parsePreprocessing({
    version: 1,
    ...latticeOf(grid),
    window: options.window,
    horizon: options.horizon,
    features: options.features ?? defaultFeatures,
    mean,
    std,
    differenceStd,
    clampSigma: options.clampSigma ?? 8,
    maxInterpolateSteps: options.maxInterpolateSteps ?? defaultInterpolateSteps,
    unit: options.unit ?? '',
  });
}

type Check = readonly [test: (value: unknown) => boolean, meaning: string];

const whole = (low: number, high: number): Check => [
  (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
  `a whole number from ${low} to ${high}`,
];
const finite: Check = [(value) => Number.isFinite(value), 'a finite number'];
const positive: Check = [(value) => Number.isFinite(value) && (value as number) > 0, 'a positive number'];

const checks = {
  version: [(value) => value === 1, '1'],
  stepMs: positive,
  offsetMs: [(value) => Number.isFinite(value) && (value as number) >= 0, 'a number from 0'],
  window: whole(1, 100_000),
  horizon: whole(1, 10_000),
  features: [
    (value) =>
      Array.isArray(value) &&
      value[0] === 'value' &&
      value.every(isFeatureName) &&
      new Set(value).size === value.length,
    "a list of distinct feature names that starts with 'value'",
  ],
  mean: finite,
  std: positive,
  differenceStd: positive,
  clampSigma: positive,
  maxInterpolateSteps: whole(0, 10_000),
  unit: [(value) => typeof value === 'string', 'a text'],
} satisfies Record<keyof Preprocessing, Check>;

/**
 * Checks a preprocessing that came from elsewhere (a release's JSON) and returns it, frozen and without unknown fields.
 * @throws INVALID_ARGUMENT naming the field.
 */
export function parsePreprocessing(json: unknown): Preprocessing {
  const given = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
  const parsed: Record<string, unknown> = {};
  for (const [field, [test, meaning]] of Object.entries<Check>(checks)) {
    const value = given[field];
    if (!test(value)) {
      throw new SanderlingError('INVALID_ARGUMENT', `${field} must be ${meaning}`, { where: `preprocessing.${field}` });
    }
    parsed[field] = Array.isArray(value) ? Object.freeze([...value]) : value;
  }
  return Object.freeze(parsed) as unknown as Preprocessing;
}

function moments(values: Float64Array): Pick<Scaling, 'mean' | 'std' | 'differenceStd'> {
  const known = values.filter((value) => !Number.isNaN(value));
  if (known.length < 2) {
    throw new SanderlingError(
      'TOO_LITTLE_DATA',
      `the training part has ${known.length} known rows, at least 2 are needed`,
    );
  }
  const mean = average(known);
  const differences: number[] = [];
  for (let i = 1; i < values.length; i++) {
    const difference = values[i]! - values[i - 1]!;
    if (!Number.isNaN(difference)) differences.push(difference);
  }
  return { mean, std: rootMeanSquare(known, mean) || 1, differenceStd: rootMeanSquare(differences, 0) || 1 };
}

function average(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

function rootMeanSquare(values: ArrayLike<number>, centre: number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i]! - centre) ** 2;
  return values.length === 0 ? 0 : Math.sqrt(sum / values.length);
}
