// One release at work: its window, its model, its earlier forecasts and the monitor of their errors.
import { ResidualMonitor, type ResidualMonitorConfig, type ResidualVerdict } from '@sanderling/drift/device';
import { SanderlingError, toSanderlingError, type Digest } from '@sanderling/kit';
import {
  decodeForecast,
  ForecastLedger,
  parsePreprocessing,
  WindowBuffer,
  type ForecastPoint,
  type Preprocessing,
  type PushStatus,
  type Reading,
  type Residual,
} from '@sanderling/series';
import type { OpenedBundle, ReleaseManifest } from '@sanderling/wire/device';
import type { ModelRuntime, RunningModel } from './model-runtime.ts';

/** What one reading led to. */
export interface Prediction {
  readonly release: Digest;
  readonly reading: Reading;
  readonly window: PushStatus;
  /** The next steps; absent when the window is not complete, the reading changed nothing, or the model failed. */
  readonly forecast?: readonly ForecastPoint[];
  /** Window encoding and model together, milliseconds; absent when the model was not asked. */
  readonly latencyMs?: number;
  /** Why there is no forecast although the model was asked. */
  readonly failure?: SanderlingError;
  /** Earlier forecasts that this reading settled. */
  readonly settled: readonly Residual[];
  readonly drift: ResidualVerdict;
  /** Whether this reading raised the first alarm of an episode, or ended an alarm. */
  readonly alarm: 'raised' | 'over' | undefined;
}

/** Window states after which the newest window is no other than before: nothing new to forecast from. */
const unchanged: ReadonlySet<PushStatus> = new Set(['late', 'stale', 'future', 'invalid']);
const calm: ResidualVerdict = { score: 0, alarm: false, raised: false, warning: false, rollingError: null };

/** The part of a predictor's state that is worth keeping over a restart; the window comes back from the recent readings. */
interface StoredState {
  readonly release: Digest;
  readonly monitor: unknown;
  readonly ledger: unknown;
  readonly verdict: ResidualVerdict;
  readonly predictions: number;
}

/** A release ready to predict. */
export class Predictor {
  readonly digest: Digest;
  readonly manifest: ReleaseManifest;
  readonly #preprocessing: Preprocessing;
  readonly #model: RunningModel;
  readonly #buffer: WindowBuffer;
  readonly #ledger: ForecastLedger;
  readonly #monitor: ResidualMonitor;
  #verdict = calm;
  #predictions = 0;

  /**
   * Loads the model of an opened bundle.
   * @throws INVALID_MODEL, UNSUPPORTED, INVALID_ARGUMENT or INVALID_CONFIG when the bundle's parts do not fit together.
   */
  static async open(bundle: OpenedBundle, runtime: ModelRuntime): Promise<Predictor> {
    const { manifest, files } = bundle;
    const preprocessing = parsePreprocessing(manifest.preprocessing);
    const monitor = new ResidualMonitor(manifest.drift as unknown as ResidualMonitorConfig);
    const bytes = files.get(manifest.model?.file);
    if (bytes === undefined)
      throw new SanderlingError('INVALID_MODEL', 'the release names a model that it does not hold', { where: 'model' });
    const { window, features } = preprocessing;
    const { input, output } = manifest.model;
    const model = await runtime.open(bytes, { input, output, window, features: features.length });
    return new Predictor(bundle, { preprocessing, monitor, model });
  }

  private constructor(
    { digest, manifest }: OpenedBundle,
    parts: {
      readonly preprocessing: Preprocessing;
      readonly monitor: ResidualMonitor;
      readonly model: RunningModel;
    },
  ) {
    this.digest = digest;
    this.manifest = manifest;
    this.#preprocessing = parts.preprocessing;
    this.#monitor = parts.monitor;
    this.#model = parts.model;
    this.#buffer = new WindowBuffer(parts.preprocessing);
    this.#ledger = new ForecastLedger(parts.preprocessing);
  }

  /** Forecasts made since this release became active. */
  get predictions(): number {
    return this.#predictions;
  }

  /** What the monitor says at present. */
  get verdict(): ResidualVerdict {
    return this.#verdict;
  }

  /** Fills the window from readings in the order of their arrival; only those that it can hold matter. */
  fill(recent: Iterable<Reading>): void {
    const { window, maxInterpolateSteps, stepMs } = this.#preprocessing;
    const readings = [...recent];
    const newest = readings.reduce((latest, { time }) => Math.max(latest, time), Number.NEGATIVE_INFINITY);
    const oldest = newest - (window + maxInterpolateSteps + 2) * stepMs;
    this.#buffer.reset();
    for (const reading of readings) if (reading.time >= oldest) this.#buffer.push(reading);
  }

  /** Takes the next reading. Never throws for what the model does; see {@link Prediction.failure}. */
  async take(reading: Reading): Promise<Prediction> {
    const started = performance.now();
    const window = this.#buffer.push(reading);
    const settled = this.#ledger.observe(reading);
    const alarm = this.#watch(settled);
    const taken = { release: this.digest, reading, window, settled, drift: this.#verdict, alarm } as const;
    if (!this.#buffer.ready || unchanged.has(window)) return taken;
    return { ...taken, ...(await this.#forecast(started)) };
  }

  /** The model's numbers for an encoded window, as the self-test wants them. @throws what the model throws. */
  async run(window: Float32Array<ArrayBuffer>): Promise<ArrayLike<number>> {
    return this.#model.run(window);
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  /** Monitor and ledger as text, for {@link restore}. */
  state(): string {
    const state: StoredState = {
      release: this.digest,
      monitor: this.#monitor.state(),
      ledger: this.#ledger.state(),
      verdict: this.#verdict,
      predictions: this.#predictions,
    };
    return JSON.stringify(state);
  }

  /** Takes over what an earlier process kept for the same release; anything else is ignored and the monitor starts anew. */
  restore(text: string | undefined): void {
    try {
      const state = JSON.parse(text ?? 'null') as StoredState | null;
      if (state?.release !== this.digest) return;
      this.#ledger.restore(state.ledger as never);
      this.#monitor.restore(state.monitor as never);
      this.#verdict = { ...calm, ...state.verdict };
      this.#predictions = state.predictions;
    } catch {
      this.#ledger.reset();
      this.#monitor.reset();
    }
  }

  /** Feeds the monitor. Its reference is made of forecasts one step ahead, so it gets these only. */
  #watch(settled: readonly Residual[]): Prediction['alarm'] {
    const wasAlarmed = this.#verdict.alarm;
    let raised = false;
    for (const { step, residual } of settled) {
      if (step !== 1) continue;
      this.#verdict = this.#monitor.update(residual);
      raised ||= this.#verdict.raised;
    }
    if (raised) return 'raised';
    return wasAlarmed && !this.#verdict.alarm ? 'over' : undefined;
  }

  async #forecast(started: number): Promise<Pick<Prediction, 'forecast' | 'failure' | 'latencyMs'>> {
    try {
      const output = await this.#model.run(this.#buffer.window());
      const latencyMs = performance.now() - started;
      const forecast = decodeForecast(output, this.#preprocessing, this.#buffer.lastTime);
      if (!forecast.every(({ value }) => Number.isFinite(value)))
        return {
          latencyMs,
          failure: new SanderlingError('INVALID_MODEL', 'the model forecast a value that is not finite'),
        };
      this.#ledger.add(forecast);
      this.#predictions++;
      return { forecast, latencyMs };
    } catch (error) {
      return { latencyMs: performance.now() - started, failure: toSanderlingError(error) };
    }
  }
}
