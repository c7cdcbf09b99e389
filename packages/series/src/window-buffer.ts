// The newest window of a stream, ready for the model at every reading: the streaming counterpart of `resample` and `encodeSeries`.
import { SanderlingError } from '@sanderling/kit';
import { CellRing, isCells, type CellState } from './cell-ring.ts';
import { encodeRow } from './encode.ts';
import type { Row } from './features.ts';
import type { Preprocessing } from './preprocessing.ts';
import { cellOf, cellTime, type Reading } from './reading.ts';
import { bridge } from './bridge.ts';

/**
 * What became of a reading.
 * `ready`: taken, the window is complete. `filling`: taken, the window is not complete yet. `gap`: taken, and before it lay a gap too
 * long to bridge: the window fills anew. `late`: older than the newest, put in its place. `duplicate`: replaced the reading of the same time.
 * `stale`: older than the window, dropped. `future`: too far ahead of the clock, dropped. `invalid`: NaN or infinite, dropped.
 * `restarted`: the clock had gone back for good (see {@link WindowBufferOptions.staleBeforeRestart}); forgot everything and took the reading.
 */
export type PushStatus =
  | 'ready'
  | 'filling'
  | 'gap'
  | 'late'
  | 'duplicate'
  | 'stale'
  | 'future'
  | 'invalid'
  | 'restarted';

/** How a buffer treats odd times. */
export interface WindowBufferOptions {
  /** The clock, milliseconds; without it no reading is `future`. */
  readonly now?: () => number;
  /** A reading this far ahead of `now` is dropped, milliseconds. @default one day */
  readonly maxAheadMs?: number;
  /** Rows kept beyond the window, so that late readings find their place and a longer window can be restored from the {@link WindowBuffer.state}. @default twice the window */
  readonly keepRows?: number;
  /** After this many stale readings in a row, ascending in time, the clock is taken to have gone back. @default 5 */
  readonly staleBeforeRestart?: number;
}

/** A buffer's content as plain JSON. */
export interface WindowBufferState {
  readonly version: 1;
  readonly stepMs: number;
  readonly offsetMs: number;
  readonly cells: readonly CellState[];
}

/**
 * Takes readings one by one and gives the newest window.
 * For any stream its window equals the last rows of `encodeSeries(resample(readings so far))`, as long as no reading is stale.
 */
export class WindowBuffer {
  readonly preprocessing: Preprocessing;
  readonly #ring: CellRing;
  readonly #options: WindowBufferOptions;
  readonly #rows: Float64Array;
  readonly #encoded: Float32Array<ArrayBuffer>;
  readonly #row: Row = { time: 0, value: 0, previous: Number.NaN };
  #newest = Number.NEGATIVE_INFINITY;
  #staleRun = 0;
  #lastStale = Number.NEGATIVE_INFINITY;
  #ready = false;

  constructor(preprocessing: Preprocessing, options: WindowBufferOptions = {}) {
    const { window, features, maxInterpolateSteps } = preprocessing;
    this.preprocessing = preprocessing;
    this.#options = options;
    // One row more for the first difference, and the far end of a line that bridges the oldest rows.
    this.#ring = new CellRing(window + 1 + maxInterpolateSteps + (options.keepRows ?? 2 * window));
    this.#rows = new Float64Array(window + 1);
    this.#encoded = new Float32Array(window * features.length);
  }

  /** Whether {@link window} can be asked for. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Time of the window's last row, milliseconds; NaN while empty. */
  get lastTime(): number {
    return cellTime(this.#ring.head, this.preprocessing);
  }

  /** The mean of the last row's readings, in the series' unit; NaN while empty. */
  get lastValue(): number {
    return this.#ring.mean(this.#ring.head);
  }

  /** Takes a reading. Allocates nothing but what the reading itself needs. */
  push({ time, value }: Reading): PushStatus {
    if (!Number.isFinite(time) || !Number.isFinite(value)) return 'invalid';
    const { now, maxAheadMs = 86_400_000 } = this.#options;
    if (now !== undefined && time > now() + maxAheadMs) return 'future';
    const cell = cellOf(time, this.preprocessing);
    if (cell < this.#ring.oldest) return this.#pushStale(time, value);
    this.#staleRun = 0;
    const late = time < this.#newest;
    const wasReady = this.#ready;
    const replaced = this.#ring.add(cell, time, value) === 'replaced';
    if (!late) this.#newest = time;
    this.#ready = this.#fillRows();
    if (replaced) return 'duplicate';
    if (late) return 'late';
    if (this.#ready) return 'ready';
    return wasReady ? 'gap' : 'filling';
  }

  /**
   * The newest window, `window × features` row-major, as the model takes it.
   * The array is the buffer's own and changes with the next call; copy it to keep it.
   * @throws TOO_LITTLE_DATA while not {@link ready}.
   */
  window(): Float32Array<ArrayBuffer> {
    if (!this.#ready) {
      throw new SanderlingError('TOO_LITTLE_DATA', `the window of ${this.preprocessing.window} rows is not complete`, {
        fix: 'push readings until the buffer is ready',
      });
    }
    const { window, features } = this.preprocessing;
    const first = this.#ring.head - window + 1;
    for (let i = 0; i < window; i++) {
      this.#row.time = cellTime(first + i, this.preprocessing);
      this.#row.value = this.#rows[i + 1]!;
      this.#row.previous = this.#rows[i]!;
      encodeRow(this.#row, this.preprocessing, this.#encoded, i * features.length);
    }
    return this.#encoded;
  }

  /** Forgets everything. */
  reset(): void {
    this.#ring.reset();
    this.#newest = Number.NEGATIVE_INFINITY;
    this.#staleRun = 0;
    this.#ready = false;
  }

  /** The content as plain JSON, to store and to {@link restore}. */
  state(): WindowBufferState {
    const { stepMs, offsetMs } = this.preprocessing;
    return { version: 1, stepMs, offsetMs, cells: this.#ring.state() };
  }

  /**
   * Takes over a stored content, also that of a buffer with another window, other features or another step: a new release goes on from where
   * the old one was. (With another step, cells whose readings were folded count as one reading at their time.)
   * @throws CORRUPT when it is damaged; the buffer is then empty.
   */
  restore(state: WindowBufferState): void {
    this.reset();
    const { stepMs, offsetMs } = this.preprocessing;
    if (state?.version !== 1 || !(state.stepMs > 0) || !Number.isFinite(state.offsetMs) || !isCells(state.cells)) {
      throw new SanderlingError('CORRUPT', 'the stored window is damaged', { fix: 'start with an empty one' });
    }
    if (state.stepMs === stepMs && state.offsetMs === offsetMs) {
      this.#ring.restore(state.cells);
      const last = state.cells[state.cells.length - 1];
      this.#newest = last?.times[last.times.length - 1] ?? Number.NEGATIVE_INFINITY;
    } else {
      for (const reading of readingsOf(state)) this.push(reading);
    }
    this.#ready = this.#fillRows();
  }

  #pushStale(time: number, value: number): PushStatus {
    this.#staleRun = time > this.#lastStale || this.#staleRun === 0 ? this.#staleRun + 1 : 1;
    this.#lastStale = time;
    if (this.#staleRun < (this.#options.staleBeforeRestart ?? 5)) return 'stale';
    this.reset();
    this.push({ time, value });
    return 'restarted';
  }

  /** Values of the window's rows and of the row before it, gaps bridged; tells whether all of the window's are known. */
  #fillRows(): boolean {
    const rows = this.#rows;
    const first = this.#ring.head - rows.length + 1;
    let complete = true;
    for (let i = 0; i < rows.length; i++) {
      const value = this.#ring.mean(first + i);
      rows[i] = Number.isNaN(value) ? this.#bridged(first + i) : value;
      if (i > 0 && Number.isNaN(rows[i]!)) complete = false;
    }
    return complete;
  }

  #bridged(cell: number): number {
    const { maxInterpolateSteps } = this.preprocessing;
    let before = cell - 1;
    while (Number.isNaN(this.#ring.mean(before)) && cell - before <= maxInterpolateSteps) before--;
    let after = cell + 1;
    while (Number.isNaN(this.#ring.mean(after)) && after - before <= maxInterpolateSteps) after++;
    const missing = after - before - 1;
    if (missing > maxInterpolateSteps) return Number.NaN;
    return bridge(this.#ring.mean(before), this.#ring.mean(after), (cell - before) / (missing + 1));
  }
}

function* readingsOf(state: WindowBufferState): Generator<Reading> {
  for (const { cell, times, values, sum, count } of state.cells) {
    if (count > times.length) yield { time: cellTime(cell, state), value: sum / count };
    else for (const [i, time] of times.entries()) yield { time, value: values[i]! };
  }
}
