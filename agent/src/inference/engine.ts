// The release that serves now. Readings and switches take turns: every reading meets the old release or the new one, never neither.
import type { Reading } from '@sanderling/series';
import { Turn } from '../turn.ts';
import { Latency } from './latency.ts';
import type { Prediction, Predictor } from './predictor.ts';

/** Holds the active predictor. */
export class Engine {
  readonly #turn = new Turn();
  readonly latency = new Latency();
  #active: Predictor | undefined;
  #newestForecast: Prediction['forecast'] = [];

  /** The release that serves, if any does. */
  get active(): Predictor | undefined {
    return this.#active;
  }

  /** The newest forecast of the active release. */
  get newestForecast(): NonNullable<Prediction['forecast']> {
    return this.#newestForecast ?? [];
  }

  /** Predicts at a reading; undefined without a release. */
  take(reading: Reading): Promise<Prediction | undefined> {
    return this.#turn.take(async () => {
      const prediction = await this.#active?.take(reading);
      if (prediction?.latencyMs !== undefined) this.latency.add(prediction.latencyMs);
      if (prediction?.forecast !== undefined) this.#newestForecast = prediction.forecast;
      return prediction;
    });
  }

  /**
   * Puts another release in the place of the active one, between two readings, its window filled from the recent readings.
   * The old one is closed.
   */
  async replace(next: Predictor | undefined, recent: Iterable<Reading>): Promise<void> {
    const old = await this.#turn.take(async () => {
      next?.fill(recent);
      const before = this.#active;
      this.#active = next;
      this.#newestForecast = [];
      this.latency.reset();
      return before;
    });
    if (old !== next) await old?.close();
  }
}
