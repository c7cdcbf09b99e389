// The newest readings in memory, in the order of their arrival: what a new release fills its window from.
import type { Reading } from '@sanderling/series';

/** A ring of readings; 16 bytes each. */
export class RecentReadings {
  readonly #times: Float64Array;
  readonly #values: Float64Array;
  #next = 0;
  #count = 0;

  /** @param capacity Readings to keep. */
  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  /** How many are held. */
  get count(): number {
    return this.#count;
  }

  /** Adds one; the oldest falls out when full. */
  add(time: number, value: number): void {
    this.#times[this.#next] = time;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#times.length;
    this.#count = Math.min(this.#count + 1, this.#times.length);
  }

  /** From the oldest to the newest. */
  *[Symbol.iterator](): Generator<Reading> {
    const capacity = this.#times.length;
    for (let i = capacity - this.#count; i < capacity; i++) {
      const at = (this.#next + i) % capacity;
      yield { time: this.#times[at]!, value: this.#values[at]! };
    }
  }
}
