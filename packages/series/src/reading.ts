// The words every file here shares: a reading, a regular grid of values, and the lattice of times that a grid lies on.

/** One measurement. */
export interface Reading {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly time: number;
  /** In the series' own unit. */
  readonly value: number;
}

/** Evenly spaced values; a gap is NaN. Row `i` stands for the time `start + i · stepMs`. */
export interface Grid {
  /** Time of row 0, milliseconds since 1970-01-01 UTC. */
  readonly start: number;
  /** Distance between rows, milliseconds. */
  readonly stepMs: number;
  /** One value a row, in the series' own unit; NaN where nothing is known. */
  readonly values: Float64Array;
}

/** The times `offsetMs + k · stepMs`; cell `k` holds what lies within half a step of its time (the earlier edge included). */
export interface Lattice {
  readonly stepMs: number;
  /** In [0, stepMs). */
  readonly offsetMs: number;
}

/** Rows `from` (included) to `to` (excluded). */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

export const secondMs = 1000;
export const minuteMs = 60_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** The cell that a time falls in. */
export function cellOf(time: number, lattice: Lattice): number {
  return Math.floor((time - lattice.offsetMs) / lattice.stepMs + 0.5);
}

/** The time that a cell stands for. */
export function cellTime(cell: number, lattice: Lattice): number {
  return lattice.offsetMs + cell * lattice.stepMs;
}

/** The lattice that a grid lies on. */
export function latticeOf(grid: Pick<Grid, 'start' | 'stepMs'>): Lattice {
  const { start, stepMs } = grid;
  return { stepMs, offsetMs: ((start % stepMs) + stepMs) % stepMs };
}

/** The time of a row. */
export function rowTime(grid: Pick<Grid, 'start' | 'stepMs'>, row: number): number {
  return grid.start + row * grid.stepMs;
}
