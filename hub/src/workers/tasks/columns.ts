// Readings as columns, and the grids made from them, each made once a process.
import {
  encodeSeries,
  resample,
  type EncodedSeries,
  type Grid,
  type Preprocessing,
  type Reading,
} from '@sanderling/series';

/** Readings in the order of time: milliseconds since 1970, and values in the series' own unit. */
export interface Columns {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** Which grid of the readings. */
export interface GridChoice {
  readonly stepMs: number;
  readonly offsetMs: number;
  readonly maxInterpolateSteps: number;
}

const grids = new WeakMap<Columns, Map<string, Grid>>();
const encodings = new WeakMap<Grid, Map<string, EncodedSeries>>();

/** The readings one by one. */
export function* readingsOf({ times, values }: Columns): Generator<Reading> {
  for (let i = 0; i < times.length; i++) yield { time: times[i]!, value: values[i]! };
}

/** The grid of the readings; kept as long as the columns. */
export function gridOf(columns: Columns, { stepMs, offsetMs, maxInterpolateSteps }: GridChoice): Grid {
  const choice = { stepMs, offsetMs, maxInterpolateSteps };
  return remembered(grids, columns, choice, () => resample(readingsOf(columns), choice));
}

/** The grid as a model sees it; kept as long as the grid. The window does not matter to it. */
export function encodingOf(grid: Grid, preprocessing: Preprocessing): EncodedSeries {
  const { window: _window, horizon: _horizon, ...choice } = preprocessing;
  return remembered(encodings, grid, choice, () => encodeSeries(grid, preprocessing));
}

function remembered<K extends object, V>(
  memory: WeakMap<K, Map<string, V>>,
  owner: K,
  choice: object,
  make: () => V,
): V {
  const known = memory.get(owner) ?? new Map<string, V>();
  memory.set(owner, known);
  const key = JSON.stringify(choice);
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}
