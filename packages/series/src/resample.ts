// From readings as they came to evenly spaced rows: order, last of equal times wins, mean within a cell, short gaps bridged by a line.
import { SanderlingError } from '@sanderling/kit';
import { bridgeGaps, defaultInterpolateSteps } from './bridge.ts';
import { cellOf, cellTime, type Grid, type Lattice, type Reading } from './reading.ts';
import { choosePhase, chooseStep } from './step.ts';

/** How to resample. */
export interface ResampleOptions {
  /** Distance between rows, milliseconds. @default chosen from the readings, see `chooseStep` */
  readonly stepMs?: number;
  /** Time of the lattice's row 0 modulo the step. @default chosen from the readings, see `choosePhase` */
  readonly offsetMs?: number;
  /** Longest run of missing rows that a straight line may bridge. @default 1 */
  readonly maxInterpolateSteps?: number;
  /** Most rows that the result may have. @default 5000000 */
  readonly maxRows?: number;
}

/** What resampling did, in counts. */
export interface ResampleCounts {
  /** Readings given. */
  readonly readings: number;
  /** Dropped because time or value was NaN or infinite. */
  readonly nonFinite: number;
  /** Dropped because a later one had the same time. */
  readonly duplicates: number;
  /** Readings that came after one with a later time. */
  readonly outOfOrder: number;
  /** Rows filled by a straight line. */
  readonly interpolatedRows: number;
  /** Rows left as gaps. */
  readonly missingRows: number;
}

/** A grid, and what was done to get it. */
export interface ResampledGrid extends Grid {
  readonly counts: ResampleCounts;
}

/** Readings as columns, ordered by time, one a time. */
export interface OrderedReadings {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly nonFinite: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
}

/**
 * Evenly spaced rows from readings in any order.
 * @throws INVALID_ARGUMENT for a step that is not a positive number; TOO_LITTLE_DATA without one finite reading;
 *   TOO_LARGE when the span needs more than `maxRows` rows (a clock that jumped by years).
 */
export function resample(readings: Iterable<Reading>, options: ResampleOptions = {}): ResampledGrid {
  const ordered = orderReadings(readings);
  const { times, values } = ordered;
  if (times.length === 0) {
    throw new SanderlingError('TOO_LITTLE_DATA', 'there is no reading to resample', { fix: 'collect some first' });
  }
  const lattice = latticeFor(times, options);
  const first = cellOf(times[0]!, lattice);
  const rows = rowCount(ordered, lattice, options.maxRows ?? 5_000_000);
  const grid = new Float64Array(rows);
  const counts = new Uint32Array(rows);
  for (let i = 0; i < times.length; i++) {
    const row = cellOf(times[i]!, lattice) - first;
    grid[row] = grid[row]! + values[i]!;
    counts[row] = counts[row]! + 1;
  }
  for (let row = 0; row < rows; row++) grid[row] = counts[row] === 0 ? Number.NaN : grid[row]! / counts[row]!;
  const interpolatedRows = bridgeGaps(grid, options.maxInterpolateSteps ?? defaultInterpolateSteps);
  return {
    start: cellTime(first, lattice),
    stepMs: lattice.stepMs,
    values: grid,
    counts: {
      readings: times.length + ordered.nonFinite + ordered.duplicates,
      nonFinite: ordered.nonFinite,
      duplicates: ordered.duplicates,
      outOfOrder: ordered.outOfOrder,
      interpolatedRows,
      missingRows: grid.reduce((sum, value) => sum + (Number.isNaN(value) ? 1 : 0), 0),
    },
  };
}

/** Readings as ordered columns without equal times and without NaN or infinities. Of equal times the one that came last wins. */
export function orderReadings(readings: Iterable<Reading>): OrderedReadings {
  const columns = collect(readings);
  const { times, values, outOfOrder } = outOfOrderSorted(columns);
  let kept = 0;
  for (let i = 0; i < times.length; i++) {
    if (i + 1 < times.length && times[i + 1] === times[i]) continue;
    times[kept] = times[i]!;
    values[kept] = values[i]!;
    kept++;
  }
  return {
    times: times.subarray(0, kept),
    values: values.subarray(0, kept),
    nonFinite: columns.nonFinite,
    duplicates: times.length - kept,
    outOfOrder,
  };
}

interface Columns {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly nonFinite: number;
}

function collect(readings: Iterable<Reading>): Columns {
  let times = new Float64Array(Array.isArray(readings) ? readings.length : 1024);
  let values = new Float64Array(times.length);
  let count = 0;
  let nonFinite = 0;
  for (const { time, value } of readings) {
    if (!Number.isFinite(time) || !Number.isFinite(value)) {
      nonFinite++;
      continue;
    }
    if (count === times.length) {
      times = grown(times);
      values = grown(values);
    }
    times[count] = time;
    values[count++] = value;
  }
  return { times: times.subarray(0, count), values: values.subarray(0, count), nonFinite };
}

function grown(column: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(16, column.length * 2));
  larger.set(column);
  return larger;
}

function outOfOrderSorted({ times, values }: Columns): {
  times: Float64Array;
  values: Float64Array;
  outOfOrder: number;
} {
  let outOfOrder = 0;
  let newest = Number.NEGATIVE_INFINITY;
  for (const time of times) {
    if (time < newest) outOfOrder++;
    else newest = time;
  }
  if (outOfOrder === 0) return { times, values, outOfOrder };
  const order = Uint32Array.from(times, (_, i) => i).sort((a, b) => times[a]! - times[b]! || a - b);
  return {
    times: Float64Array.from(order, (i) => times[i]!),
    values: Float64Array.from(order, (i) => values[i]!),
    outOfOrder,
  };
}

function latticeFor(times: Float64Array, options: ResampleOptions): Lattice {
  const stepMs = options.stepMs ?? chooseStep(times).stepMs;
  if (!(stepMs > 0) || !Number.isFinite(stepMs)) {
    throw new SanderlingError('INVALID_ARGUMENT', `a step of ${stepMs} ms is not a positive duration`, {
      where: 'stepMs',
    });
  }
  const offset = options.offsetMs ?? choosePhase(times, stepMs);
  return { stepMs, offsetMs: ((offset % stepMs) + stepMs) % stepMs };
}

function rowCount({ times }: OrderedReadings, lattice: Lattice, maxRows: number): number {
  const [from, to] = [times[0]!, times[times.length - 1]!];
  const rows = cellOf(to, lattice) - cellOf(from, lattice) + 1;
  if (rows <= maxRows) return rows;
  const span = `${new Date(from).toISOString()} … ${new Date(to).toISOString()}`;
  throw new SanderlingError(
    'TOO_LARGE',
    `readings span ${span}: ${rows} rows of ${lattice.stepMs} ms, more than ${maxRows}`,
    {
      fix: 'remove the readings whose clock was wrong, or choose a coarser step',
      details: { from, to, rows, maxRows, stepMs: lattice.stepMs },
    },
  );
}
