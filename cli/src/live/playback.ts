// Where the readings of a live loop come from: a simulation or a file, played to the device as if they were measured now.
import type { Reading } from '@sanderling/series';

/** Readings to play. */
export interface Playback {
  /** What the view calls it: 'a simulated room', or the file's name. */
  readonly title: string;
  /** Unit of the values, for people. */
  readonly unit: string;
  /** How many readings the device has collected before the first training. */
  readonly past: number;
  /** The readings in order: the past first, then the live ones; may end. */
  readonly readings: Iterator<Reading>;
  /** Settled forecasts of calm before the world changes, and on which the new release's error must rest. @default 400 and 150 */
  readonly patience?: { readonly calm: number; readonly settled: number };
  /** Changes the world from now on and says what changed. */
  change(): string;
}

/** Readings a second to play, by what is going on. Collecting the past is as fast as the device takes it. */
export const paces = {
  /** The device forecasts and somebody watches. */
  watching: 220,
  /** Fresh readings are being gathered for the retraining. */
  gathering: 500,
  /** A search is running: the device goes on, but the story is elsewhere. */
  training: 20,
  /** The loop has closed once: quiet life. */
  idle: 2,
} as const;

/** Between two portions, milliseconds. */
const tickMs = 25;

/** Plays readings at a rate that may change at any time. */
export class Player {
  readonly #source: Iterator<Reading>;
  readonly #write: (readings: readonly Reading[]) => Promise<void>;
  #owed = 0;
  #played = 0;
  #ended = false;

  constructor(source: Iterator<Reading>, write: (readings: readonly Reading[]) => Promise<void>) {
    this.#source = source;
    this.#write = write;
  }

  /** Readings played so far. */
  get played(): number {
    return this.#played;
  }

  /** Whether the source has no more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Plays `count` readings as fast as the device takes them. */
  async rush(count: number, signal: AbortSignal, onProgress: (played: number) => void): Promise<void> {
    for (let left = count; left > 0 && !this.#ended && !signal.aborted; left -= 200) {
      await this.#portion(Math.min(left, 200));
      onProgress(this.#played);
    }
  }

  /** Plays at `rate()` readings a second until the source or the signal ends; `onTick` comes after every portion. */
  async play(rate: () => number, signal: AbortSignal, onTick: () => void): Promise<void> {
    while (!signal.aborted && !this.#ended) {
      await new Promise((resolve) => setTimeout(resolve, tickMs));
      this.#owed = Math.min(this.#owed + (rate() * tickMs) / 1000, rate());
      const count = Math.floor(this.#owed);
      this.#owed -= count;
      if (count > 0) await this.#portion(count);
      onTick();
    }
  }

  async #portion(count: number): Promise<void> {
    const portion: Reading[] = [];
    for (let i = 0; i < count; i++) {
      const next = this.#source.next();
      if (next.done) {
        this.#ended = true;
        break;
      }
      portion.push(next.value);
      this.#played++;
    }
    if (portion.length > 0) await this.#write(portion);
  }
}
