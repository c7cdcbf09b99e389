// Epoch metrics of running trials on their way to tracking: gathered, and written in one transaction about once a second.
import type { Clock } from '@sanderling/kit';
import { tables, type Database } from '../../store/index.ts';
import type { MetricEntry, Tracking } from '../../tracking/index.ts';
import type { EpochNews } from '../../workers/index.ts';

const flushEveryMs = 1000;

/** Gathers epochs of many runs. */
export class EpochLog {
  readonly #database: Database;
  readonly #tracking: Tracking;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, MetricEntry[]>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(database: Database, tracking: Tracking, clock: Clock) {
    this.#database = database;
    this.#tracking = tracking;
    this.#clock = clock;
  }

  /** Takes an epoch of a run. */
  add(run: string, { epoch, trainLoss, validationLoss, learningRate }: EpochNews): void {
    const at = { step: epoch, time: this.#clock.now() };
    const metrics = [
      { key: 'train-loss', value: trainLoss, ...at },
      { key: 'validation-loss', value: validationLoss, ...at },
      { key: 'learning-rate', value: learningRate, ...at },
    ].filter(({ value }) => Number.isFinite(value));
    this.#waiting.set(run, [...(this.#waiting.get(run) ?? []), ...metrics]);
    this.#timer ??= setTimeout(() => void this.flush(), flushEveryMs).unref();
  }

  /** Takes out what waits for a run, to be written with its end. */
  async take(run: string): Promise<readonly MetricEntry[]> {
    await this.#writing;
    const metrics = this.#waiting.get(run) ?? [];
    this.#waiting.delete(run);
    return metrics;
  }

  /** Writes what waits. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batches = [...this.#waiting];
    this.#waiting.clear();
    if (batches.length === 0) return this.#writing;
    this.#writing = this.#writing
      .then(() =>
        tables<object>(this.#database)
          .transaction()
          .execute(async (tx) => {
            for (const [run, metrics] of batches)
              for (let at = 0; at < metrics.length; at += 900)
                await this.#tracking.log(run, { metrics: metrics.slice(at, at + 900) }, tx);
          }),
      )
      .catch((error: unknown) => process.emitWarning(`epoch metrics were not tracked: ${String(error)}`));
    return this.#writing;
  }

  /** Forgets what waits. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }
}
