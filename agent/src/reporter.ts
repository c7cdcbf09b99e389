// What the device says of its model's work: a report every few seconds or so many readings, and none while nothing happens.
import type { Clock } from '@sanderling/kit';
import type { ReportEntry } from '@sanderling/wire/device';
import type { Health } from './health.ts';
import type { Engine } from './inference/engine.ts';
import type { Prediction } from './inference/predictor.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { Narrator } from './status/lines.ts';

/** What a reporter works with. */
export interface ReporterParts {
  readonly outbox: Outbox;
  readonly engine: Engine;
  readonly health: Health;
  readonly narrate: Narrator;
  readonly clock: Clock;
  /** Longest time from one report to the next while readings come, milliseconds. */
  readonly everyMs: number;
  /** Most readings from one report to the next. */
  readonly everyReadings: number;
}

/** Longest forecast in a report, steps. */
const maxSteps = 1000;

export class Reporter {
  readonly #parts: ReporterParts;
  #readings = 0;
  #last: number;
  #newest: Prediction | undefined;

  constructor(parts: ReporterParts) {
    this.#parts = parts;
    this.#last = parts.clock.now();
  }

  /** Takes note of a prediction, and reports when it is time. */
  count(prediction: Prediction): void {
    this.#newest = prediction;
    this.#readings++;
    const { clock, everyMs, everyReadings } = this.#parts;
    // A clock that went back must not silence the reports.
    if (this.#readings >= everyReadings || Math.abs(clock.now() - this.#last) >= everyMs) this.report();
  }

  /** Reports if there were readings since the last report. */
  report(): void {
    const { outbox, engine, health, narrate, clock } = this.#parts;
    const prediction = this.#newest;
    const { active, latency, newestForecast } = engine;
    if (prediction === undefined || active === undefined || prediction.release !== active.digest) return;
    this.#newest = undefined;
    this.#readings = 0;
    this.#last = clock.now();
    const report: ReportEntry = {
      kind: 'report',
      time: prediction.reading.time,
      release: active.digest,
      predictions: active.predictions,
      rollingError: prediction.drift.rollingError,
      driftScore: prediction.drift.score,
      latencyMs: { p50: latency.quantile(0.5), p99: latency.quantile(0.99) },
      forecast: newestForecast.slice(0, maxSteps).map(({ time, value }) => ({ time: Math.round(time), value })),
      health: health.now,
    };
    outbox.add(report);
    const { kind: _, ...line } = report;
    narrate({ type: 'report', ...line });
  }
}
