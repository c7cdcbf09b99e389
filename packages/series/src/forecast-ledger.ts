// Earlier forecasts meet later readings: residuals per step ahead, on the device, in bounded memory.
import { SanderlingError } from '@sanderling/kit';
import type { ForecastPoint } from './encode.ts';
import { cellOf, cellTime, type Lattice, type Reading } from './reading.ts';

/** One forecast that can now be judged. */
export interface Residual {
  /** Steps ahead at which it was made, from 1. */
  readonly step: number;
  /** The time forecast for, milliseconds. */
  readonly time: number;
  readonly forecast: number;
  readonly actual: number;
  /** actual − forecast, in the series' own unit. */
  readonly residual: number;
}

/** A ledger's content as plain JSON. */
export interface ForecastLedgerState {
  readonly version: 1;
  /** The newest cell with a reading, the sum of its readings and their count; absent while there was none, and in what an earlier version stored. */
  readonly observed?: readonly [cell: number, sum: number, count: number];
  /** One entry a cell that waits: the cell, and its forecasts by step − 1 (null: none). */
  readonly waiting: readonly (readonly [cell: number, forecasts: readonly (number | null)[]])[];
}

/** Which forecasts to expect. */
export interface LedgerShape extends Lattice {
  /** Steps of a forecast. */
  readonly horizon: number;
}

/**
 * Matches forecasts with the readings that come later.
 * A cell is settled by the mean of its readings, as soon as one lies at or after its time (a quarter of a step of jitter allowed) or a
 * later cell begins; cells without a reading are dropped unjudged. Holds 2 `horizon` × `horizon` numbers at most.
 *
 * When the clock was ahead and has come back, `WindowBuffer` decides so and starts over. The ledger follows it: a forecast that starts from a
 * row before the newest reading can only come from a window that has started over, so everything noted under the other clock is forgotten.
 */
export class ForecastLedger {
  readonly #shape: LedgerShape;
  readonly #waiting = new Map<number, Float64Array>();
  #cell = Number.NaN;
  #sum = 0;
  #count = 0;

  constructor(shape: LedgerShape) {
    this.#shape = shape;
  }

  /** Forecast cells that wait for their readings. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Notes a forecast: `points[i]` is step `i + 1`. A second forecast made at the same row replaces the first; one made at a row before
   * the newest reading's forgets everything earlier, as the window that it is made from has started over.
   */
  add(points: readonly ForecastPoint[]): void {
    const { horizon } = this.#shape;
    if (points.length > 0 && cellOf(points[0]!.time, this.#shape) <= this.#cell) this.reset();
    for (let i = 0; i < Math.min(points.length, horizon); i++) {
      const { time, value } = points[i]!;
      const cell = cellOf(time, this.#shape);
      if (!Number.isFinite(value) || !Number.isFinite(cell)) continue;
      let steps = this.#waiting.get(cell);
      if (steps === undefined) {
        steps = new Float64Array(horizon).fill(Number.NaN);
        this.#waiting.set(cell, steps);
      }
      steps[i] = value;
    }
    this.#bound();
  }

  /** Takes a reading; returns the residuals that it settles, nearest step first, oldest cell first. Late and non-finite readings settle nothing. */
  observe({ time, value }: Reading): Residual[] {
    if (!Number.isFinite(time) || !Number.isFinite(value)) return [];
    const cell = cellOf(time, this.#shape);
    if (cell < this.#cell) return [];
    const residuals = cell === this.#cell ? [] : this.#settle();
    if (cell !== this.#cell) this.#begin(cell);
    this.#sum += value;
    this.#count++;
    if (time >= cellTime(cell, this.#shape) - this.#shape.stepMs / 4) residuals.push(...this.#settle());
    return residuals;
  }

  /** Forgets everything. */
  reset(): void {
    this.#waiting.clear();
    this.#cell = Number.NaN;
    this.#count = 0;
    this.#sum = 0;
  }

  /** The forecasts that wait and what has been observed of the newest cell, as plain JSON: a ledger restored from it settles the same. */
  state(): ForecastLedgerState {
    const waiting = [...this.#waiting].map(
      ([cell, steps]) => [cell, Array.from(steps, (step) => (Number.isNaN(step) ? null : step))] as const,
    );
    const observed = [this.#cell, this.#sum, this.#count] as const;
    return Number.isNaN(this.#cell) ? { version: 1, waiting } : { version: 1, observed, waiting };
  }

  /** Takes over a stored content. @throws CORRUPT when it is damaged; the ledger is then empty. */
  restore(state: ForecastLedgerState): void {
    this.reset();
    if (
      state?.version !== 1 ||
      !Array.isArray(state.waiting) ||
      !state.waiting.every(isEntry) ||
      !isObserved(state.observed)
    ) {
      throw new SanderlingError('CORRUPT', 'the stored forecasts are damaged', { fix: 'start with none' });
    }
    if (state.observed) [this.#cell, this.#sum, this.#count] = state.observed;
    for (const [cell, steps] of state.waiting) {
      const row = new Float64Array(this.#shape.horizon).fill(Number.NaN);
      for (let i = 0; i < Math.min(row.length, steps.length); i++) row[i] = steps[i] ?? Number.NaN;
      this.#waiting.set(cell, row);
    }
    this.#bound();
  }

  #begin(cell: number): void {
    this.#cell = cell;
    this.#sum = 0;
    this.#count = 0;
    for (const waiting of this.#waiting.keys()) if (waiting < cell) this.#waiting.delete(waiting);
  }

  #settle(): Residual[] {
    const steps = this.#waiting.get(this.#cell);
    if (steps === undefined || this.#count === 0) return [];
    this.#waiting.delete(this.#cell);
    const actual = this.#sum / this.#count;
    const time = cellTime(this.#cell, this.#shape);
    const residuals: Residual[] = [];
    for (const [i, forecast] of steps.entries()) {
      if (!Number.isNaN(forecast)) residuals.push({ step: i + 1, time, forecast, actual, residual: actual - forecast });
    }
    return residuals;
  }

  /** Forecasts for cells that no reading will ever come to, as after a clock went astray, are dropped, the oldest noted first. */
  #bound(): void {
    const limit = 2 * this.#shape.horizon;
    while (this.#waiting.size > limit) this.#waiting.delete(this.#waiting.keys().next().value as number);
  }
}

function isObserved(observed: unknown): boolean {
  if (observed === undefined) return true;
  if (!Array.isArray(observed) || observed.length !== 3) return false;
  const [cell, sum, count] = observed as unknown[];
  return Number.isInteger(cell) && Number.isFinite(sum) && Number.isInteger(count) && (count as number) >= 0;
}

function isEntry(entry: unknown): boolean {
  if (!Array.isArray(entry) || !Number.isInteger(entry[0]) || !Array.isArray(entry[1])) return false;
  return (entry[1] as unknown[]).every((step) => step === null || Number.isFinite(step));
}
