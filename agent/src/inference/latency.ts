// Times of the newest forecasts, and their quantiles.

/** A ring of the newest times. */
export class Latency {
  readonly #times: Float64Array;
  #seen = 0;

  /** @param size How many to keep. */
  constructor(size = 512) {
    this.#times = new Float64Array(size);
  }

  add(ms: number): void {
    this.#times[this.#seen++ % this.#times.length] = ms;
  }

  reset(): void {
    this.#seen = 0;
  }

  /** The `q`-quantile (0…1) of what is kept, milliseconds; 0 when nothing is. */
  quantile(q: number): number {
    const count = Math.min(this.#seen, this.#times.length);
    if (count === 0) return 0;
    const sorted = this.#times.slice(0, count).sort();
    return sorted[Math.min(count - 1, Math.floor(q * count))]!;
  }
}
