// The newest cells of a stream of readings, in bounded memory: what `resample` would make of the same readings, kept up to date reading by reading.

/** A cell holds this many readings apart; beyond it they are folded into a sum, and only repeats of the newest time are recognised. */
const readingsPerCell = 128;

/** One cell's readings as plain JSON. */
export interface CellState {
  readonly cell: number;
  /** Ascending. */
  readonly times: readonly number[];
  readonly values: readonly number[];
  /** Of all readings, those folded included. */
  readonly sum: number;
  readonly count: number;
}

interface Cell {
  cell: number;
  times: number[];
  values: number[];
  sum: number;
  count: number;
}

/** A ring of cells; the newest is `head`. */
export class CellRing {
  readonly #cells: Cell[];
  /** The newest cell's number; NaN while empty. */
  head = Number.NaN;

  constructor(capacity: number) {
    this.#cells = Array.from({ length: capacity }, () => ({
      cell: Number.NaN,
      times: [],
      values: [],
      sum: 0,
      count: 0,
    }));
  }

  /** The oldest cell that is still kept; NaN while empty. */
  get oldest(): number {
    return this.head - this.#cells.length + 1;
  }

  /** Adds a reading to a cell not older than `oldest`; tells whether it replaced one with the same time. */
  add(cell: number, time: number, value: number): 'added' | 'replaced' {
    if (!(cell <= this.head)) this.head = cell;
    const slot = this.#slot(cell);
    if (slot.cell !== cell) clear(slot, cell);
    return insert(slot, time, value);
  }

  /** A cell's mean; NaN without a reading. */
  mean(cell: number): number {
    if (Number.isNaN(cell)) return Number.NaN;
    const slot = this.#slot(cell);
    return slot.cell === cell ? slot.sum / slot.count : Number.NaN;
  }

  /** Forgets everything. */
  reset(): void {
    this.head = Number.NaN;
    for (const slot of this.#cells) clear(slot, Number.NaN);
  }

  /** The cells that hold something, oldest first, as plain JSON. */
  state(): CellState[] {
    return this.#cells
      .filter((slot) => slot.cell >= this.oldest)
      .sort((a, b) => a.cell - b.cell)
      .map(({ cell, times, values, sum, count }) => ({ cell, times: [...times], values: [...values], sum, count }));
  }

  /** Takes over a {@link state} that {@link isCells} has checked. */
  restore(cells: readonly CellState[]): void {
    this.reset();
    for (const state of cells.slice(-this.#cells.length)) {
      if (!(state.cell <= this.head)) this.head = state.cell;
      Object.assign(this.#slot(state.cell), { ...state, times: [...state.times], values: [...state.values] });
    }
  }

  #slot(cell: number): Cell {
    const n = this.#cells.length;
    return this.#cells[((cell % n) + n) % n]!;
  }
}

function clear(slot: Cell, cell: number): void {
  slot.cell = cell;
  slot.times.length = 0;
  slot.values.length = 0;
  slot.sum = 0;
  slot.count = 0;
}

function insert(slot: Cell, time: number, value: number): 'added' | 'replaced' {
  let at = slot.times.length;
  while (at > 0 && slot.times[at - 1]! > time) at--;
  const replaced = at > 0 && slot.times[at - 1] === time;
  if (replaced) replace(slot, at - 1, value);
  else if (slot.count < readingsPerCell) insertAt(slot, at, time, value);
  else fold(slot, time, value);
  return replaced ? 'replaced' : 'added';
}

function insertAt(slot: Cell, at: number, time: number, value: number): void {
  slot.times.splice(at, 0, time);
  slot.values.splice(at, 0, value);
  slot.count++;
  // A fresh sum in time order is the sum that the batch makes, to the last bit.
  slot.sum = at === slot.times.length - 1 ? slot.sum + value : total(slot.values);
}

function replace(slot: Cell, at: number, value: number): void {
  const exact = slot.count === slot.values.length;
  slot.sum = exact ? 0 : slot.sum - slot.values[at]! + value;
  slot.values[at] = value;
  if (exact) slot.sum = total(slot.values);
}

function fold(slot: Cell, time: number, value: number): void {
  slot.count++;
  slot.sum += value;
  const last = slot.times.length === 1 ? slot.times[0]! : Math.max(...slot.times);
  if (slot.times.length > 1 || time > last) {
    const newest = time > last;
    slot.values = [newest ? value : slot.values[slot.values.length - 1]!];
    slot.times = [newest ? time : last];
  }
}

function total(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** Whether a value is what {@link CellRing.state} gives: cells in ascending order. */
export function isCells(cells: unknown): cells is CellState[] {
  return (
    Array.isArray(cells) && cells.every((state, i) => isCellState(state) && (i === 0 || state.cell > cells[i - 1].cell))
  );
}

function isCellState(state: unknown): state is CellState {
  const { cell, times, values, sum, count } = (state ?? {}) as Partial<CellState>;
  return (
    Number.isInteger(cell) &&
    Number.isFinite(sum) &&
    Number.isInteger(count) &&
    isNumbers(times) &&
    isNumbers(values) &&
    times.length === values.length &&
    times.length > 0 &&
    times.length <= readingsPerCell &&
    (count as number) >= times.length
  );
}

function isNumbers(list: unknown): list is number[] {
  return Array.isArray(list) && list.every((item) => Number.isFinite(item));
}
