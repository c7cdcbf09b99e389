// The first predictions of a new release: what would make the device return to the one before. The network is no part of it.
import type { ErrorCode } from '@sanderling/kit';
import type { Preprocessing } from '@sanderling/series';
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

/** Fewest settled forecasts that an error is judged by. */
const leastSettled = 3;
const leastTimed = 5;
/** Before the end, an error is judged only when it is this many times what is allowed: the errors of a few forecasts are much alike. */
const flagrant = 3;

/** Judges one release by its predictions. */
export class Probation {
  readonly #manifest: ReleaseManifest;
  readonly #options: ProbationOptions;
  readonly #latency = new Latency();
  readonly #naive: NaiveForecasts;
  #predictions = 0;
  #settled = 0;
  #errorSum = 0;

  constructor(manifest: ReleaseManifest, options: ProbationOptions) {
    this.#manifest = manifest;
    this.#options = options;
    this.#naive = new NaiveForecasts(manifest.preprocessing as unknown as Preprocessing);
  }

  /** Takes a prediction of the release. */
  observe(prediction: Prediction): ProbationVerdict {
    const { forecast, failure, latencyMs, settled } = prediction;
    for (const { residual } of settled) this.#errorSum += Math.abs(residual);
    this.#settled += settled.length;
    this.#naive.observe(prediction);
    if (failure !== undefined)
      return failed({ code: failure.code, reason: failure.message, numbers: { predictions: this.#predictions } });
    if (latencyMs !== undefined) this.#latency.add(latencyMs);
    if (forecast !== undefined) this.#predictions++;
    return this.#judge(this.#predictions >= this.#manifest.probation.predictions);
  }

  /** Whether the time is over; a clock that went back does not prolong it. */
  atTime(now: number): ProbationVerdict {
    const elapsed = Math.abs(now - this.#options.startedAt);
    return this.#judge(elapsed >= this.#manifest.probation.minutes * 60_000);
  }

  #judge(done: boolean): ProbationVerdict {
    const shortcoming = this.#slow() ?? this.#wrong(done ? 1 : flagrant);
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

  /**
   * Whether the error is far above the test error and no better than saying that nothing changes. The second condition keeps a good
   * release when the world is rough for everybody: the one before would not do better.
   */
  #wrong(times: number): Shortcoming | undefined {
    const { probation, provenance } = this.#manifest;
    const mae = provenance?.metrics?.['mae'];
    if (mae === undefined || !(mae > 0) || this.#settled < leastSettled) return undefined;
    const error = this.#errorSum / this.#settled;
    const allowed = probation.maxErrorRatio * mae;
    const naive = this.#naive.error;
    if (error <= times * allowed || error < naive) return undefined;
    return {
      code: 'GATE_FAILED',
      reason:
        `its error on this device is ${error.toPrecision(3)} over ${this.#settled} forecasts; ${allowed.toPrecision(3)} is allowed ` +
        `(${probation.maxErrorRatio} times the test error), and repeating the last value would err by ${naive.toPrecision(3)}`,
      numbers: { error, allowed, mae, naive, settled: this.#settled },
    };
  }
}

/** What repeating the newest value would have forecast, judged on the same forecasts as the model. */
class NaiveForecasts {
  readonly #preprocessing: Preprocessing;
  readonly #newest = new Map<number, number>();
  #sum = 0;
  #count = 0;

  constructor(preprocessing: Preprocessing) {
    this.#preprocessing = preprocessing;
  }

  /** Mean absolute error; 0 before any forecast was settled. */
  get error(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  observe({ reading, forecast, settled }: Prediction): void {
    const { stepMs, horizon } = this.#preprocessing;
    for (const { time, step, actual } of settled) {
      const value = this.#newest.get(time - step * stepMs);
      if (value === undefined) continue;
      this.#sum += Math.abs(actual - value);
      this.#count++;
    }
    const origin = forecast?.[0]?.time;
    if (origin === undefined) return;
    this.#newest.set(origin - stepMs, reading.value);
    if (this.#newest.size > horizon + 1) this.#newest.delete(this.#newest.keys().next().value!);
  }
}

const failed = (shortcoming: Shortcoming): ProbationVerdict => ({ state: 'failed', shortcoming });
