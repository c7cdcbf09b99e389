// The first predictions of a new release: what would make the device return to the one before. The network is no part of it.
import { type ErrorCode } from '@sanderling/kit';
import type { ReleaseManifest } from '@sanderling/wire/device';
import { Latency } from '../inference/latency.ts';
import type { Prediction } from '../inference/predictor.ts';

/** Why a release failed, for people and for machines. */
export interface Shortcoming {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly numbers: Readonly<Record<string, number>>;
}

/** What probation has come to. */
export type ProbationVerdict =
  | { readonly state: 'going' }
  | { readonly state: 'passed'; readonly numbers: Readonly<Record<string, number>> }
  | { readonly state: 'failed'; readonly shortcoming: Shortcoming };

/** Bounds that the device sets. */
export interface ProbationOptions {
  /** Milliseconds since 1970 at which probation began. */
  readonly startedAt: number;
  /** Largest median time of a forecast, milliseconds. */
  readonly maxForecastMs: number;
}

/** Fewest settled forecasts that an error is judged by, while probation goes on and at its end. */
const leastSettled = { going: 10, end: 3 } as const;
const leastTimed = 5;

/** Judges one release by its predictions. */
export class Probation {
  readonly #manifest: ReleaseManifest;
  readonly #options: ProbationOptions;
  readonly #latency = new Latency();
  #predictions = 0;
  #settled = 0;
  #errorSum = 0;

  constructor(manifest: ReleaseManifest, options: ProbationOptions) {
    this.#manifest = manifest;
    this.#options = options;
  }

  /** Takes a prediction of the release. */
  observe({ forecast, failure, latencyMs, settled }: Prediction): ProbationVerdict {
    for (const { residual } of settled) this.#errorSum += Math.abs(residual);
    this.#settled += settled.length;
    if (failure !== undefined)
      return failed({ code: failure.code, reason: failure.message, numbers: { predictions: this.#predictions } });
    if (latencyMs !== undefined) this.#latency.add(latencyMs);
    if (forecast !== undefined) this.#predictions++;
    const done = this.#predictions >= this.#manifest.probation.predictions;
    return this.#judge(done);
  }

  /** Whether the time is over; a clock that went back does not prolong it. */
  atTime(now: number): ProbationVerdict {
    const elapsed = Math.abs(now - this.#options.startedAt);
    return this.#judge(elapsed >= this.#manifest.probation.minutes * 60_000);
  }

  #judge(done: boolean): ProbationVerdict {
    const shortcoming = this.#slow() ?? this.#wrong(done ? leastSettled.end : leastSettled.going);
    if (shortcoming !== undefined) return failed(shortcoming);
    if (!done) return { state: 'going' };
    const error = this.#settled === 0 ? {} : { error: this.#errorSum / this.#settled };
    const numbers = { predictions: this.#predictions, settled: this.#settled, p50Ms: this.#latency.quantile(0.5) };
    return { state: 'passed', numbers: { ...numbers, ...error } };
  }

  #slow(): Shortcoming | undefined {
    const { maxForecastMs } = this.#options;
    const p50Ms = this.#latency.quantile(0.5);
    if (this.#predictions < leastTimed || p50Ms <= maxForecastMs) return undefined;
    return {
      code: 'TIMEOUT',
      reason: `a forecast takes ${p50Ms.toFixed(1)} ms on this device, ${maxForecastMs} ms are allowed`,
      numbers: { p50Ms, maxForecastMs },
    };
  }

  #wrong(least: number): Shortcoming | undefined {
    const { probation, provenance } = this.#manifest;
    const mae = provenance?.metrics?.['mae'];
    if (mae === undefined || !(mae > 0) || this.#settled < least) return undefined;
    const error = this.#errorSum / this.#settled;
    const allowed = probation.maxErrorRatio * mae;
    if (error <= allowed) return undefined;
    return {
      code: 'GATE_FAILED',
      reason: `its error on this device is ${error.toPrecision(3)} over ${this.#settled} forecasts, ${allowed.toPrecision(3)} is allowed (${probation.maxErrorRatio} times the test error)`,
      numbers: { error, allowed, mae, settled: this.#settled },
    };
  }
}

const failed = (shortcoming: Shortcoming): ProbationVerdict => ({ state: 'failed', shortcoming });
