// What a model sees of one row: a table of features, each a small function of the row's value, the value before it and its time.
import { SanderlingError } from '@sanderling/kit';
import { dayMs } from './reading.ts';

/** What encoding needs to know. All numbers are in the series' unit unless said otherwise. */
export interface Scaling {
  readonly mean: number;
  readonly std: number;
  /** Standard deviation of the differences between neighbouring rows. */
  readonly differenceStd: number;
  /** Normalised values are held within ± this many standard deviations. */
  readonly clampSigma: number;
}

/** One row before encoding. */
export interface Row {
  /** Milliseconds since 1970-01-01 UTC. */
  time: number;
  value: number;
  /** The value one step earlier; NaN when unknown. */
  previous: number;
}

const weekMs = 7 * dayMs;
const yearMs = 365.2425 * dayMs;
/** 1970-01-01 was a Thursday; weeks are counted from Monday. */
const mondayMs = 4 * dayMs;

const turn = (time: number, periodMs: number): number => (2 * Math.PI * (time % periodMs)) / periodMs;
const clamp = (x: number, limit: number): number => Math.max(-limit, Math.min(limit, x));

/** How each feature is computed; times of day are UTC. NaN value gives NaN; an unknown previous value gives difference 0. */
export const featureRules = {
  value: ({ value }, scaling) => clamp((value - scaling.mean) / scaling.std, scaling.clampSigma),
  difference: ({ value, previous }, scaling) =>
    Number.isNaN(previous) ? value * 0 : clamp((value - previous) / scaling.differenceStd, scaling.clampSigma),
  'hour-sin': ({ time }) => Math.sin(turn(time, dayMs)),
  'hour-cos': ({ time }) => Math.cos(turn(time, dayMs)),
  'weekday-sin': ({ time }) => Math.sin(turn(time - mondayMs, weekMs)),
  'weekday-cos': ({ time }) => Math.cos(turn(time - mondayMs, weekMs)),
  'year-sin': ({ time }) => Math.sin(turn(time, yearMs)),
  'year-cos': ({ time }) => Math.cos(turn(time, yearMs)),
} as const satisfies Record<string, (row: Row, scaling: Scaling) => number>;

/** The name of a feature. `value` is what is forecast and always comes first. */
export type FeatureName = keyof typeof featureRules;

/** Every feature that exists. */
export const featureNames = Object.keys(featureRules) as readonly FeatureName[];

/** Whether a text names a feature. */
export function isFeatureName(name: unknown): name is FeatureName {
  return typeof name === 'string' && Object.hasOwn(featureRules, name);
}

/** Short names for the pairs that describe a circle. */
const pairs: Readonly<Record<string, readonly FeatureName[]>> = {
  'hour-of-day': ['hour-sin', 'hour-cos'],
  'day-of-week': ['weekday-sin', 'weekday-cos'],
  'day-of-year': ['year-sin', 'year-cos'],
};

/**
 * The columns for a list of feature names and pair names (`hour-of-day`, `day-of-week`, `day-of-year`): `value` first, none twice.
 * @throws INVALID_ARGUMENT for a name that is neither.
 */
export function expandFeatures(names: readonly string[]): FeatureName[] {
  const columns = new Set<FeatureName>(['value']);
  for (const name of names) {
    const expanded = Object.hasOwn(pairs, name) ? pairs[name]! : [name];
    for (const column of expanded) {
      if (!isFeatureName(column)) {
        throw new SanderlingError('INVALID_ARGUMENT', `there is no feature '${name}'`, {
          where: 'features',
          fix: `choose among ${[...featureNames, ...Object.keys(pairs)].join(', ')}`,
        });
      }
      columns.add(column);
    }
  }
  return [...columns];
}
