// One forecasting task, made and judged as the hub does: suggested shape, time-ordered split, errors over the test windows in the series' unit.
import {
  actualsAt,
  baselineForecasts,
  chooseSeason,
  decodeForecasts,
  encodeSeries,
  evaluateForecasts,
  fitLinear,
  fitPreprocessing,
  resample,
  splitRanges,
  suggestTask,
  windowStarts,
  type EncodedSeries,
  type ForecastMatrix,
  type Grid,
  type Preprocessing,
  type Reading,
  type SplitRanges,
  type SuggestedTask,
  type WindowStarts,
} from '@sanderling/series';
import { trainForecaster } from '@sanderling/train';
import { runModel } from './run-model.ts';

/** What a trial varies. */
export interface Trial {
  readonly window: number;
  readonly hidden: number;
  readonly learningRate: number;
  readonly batch: number;
  readonly dropout: number;
}

/** What came of a trial. */
export interface Trained {
  readonly model: Uint8Array;
  /** Mean absolute error on the validation windows, in the series' unit. */
  readonly validation: number;
  readonly epochs: number;
  /** Processor time of the training. */
  readonly seconds: number;
}

/** A series made ready for forecasting. */
export class ForecastTask {
  readonly grid: Grid;
  readonly suggested: SuggestedTask;
  readonly #ranges: SplitRanges;
  readonly season: number | undefined;

  constructor(readings: readonly Reading[]) {
    this.grid = resample(readings);
    this.suggested = suggestTask(this.grid);
    const { window, horizon } = this.suggested;
    this.#ranges = splitRanges(this.grid, { purge: horizon });
    this.season = chooseSeason(this.grid, this.#ranges.train, { window, horizon });
  }

  /** Error of each baseline and of a linear autoregression over the test windows. */
  baselines(): Readonly<Record<'persistence' | 'seasonal' | 'linear', number>> {
    const { preprocessing, encoded, starts } = this.#prepare(this.suggested.window);
    const task = { ...this.suggested, starts: starts.test, season: this.season };
    const linear = fitLinear(encoded, { ...this.suggested, starts: starts.train });
    return {
      persistence: this.#error(baselineForecasts('persistence', this.grid, task), starts.test, preprocessing),
      seasonal: this.#error(baselineForecasts('seasonal-naive', this.grid, task), starts.test, preprocessing),
      linear: this.#error(
        decodeForecasts(linear.forecast(encoded, starts.test), preprocessing),
        starts.test,
        preprocessing,
      ),
    };
  }

  /** Trains a GRU. */
  async train(trial: Trial, seed: number | string): Promise<Trained> {
    const { preprocessing, encoded, starts } = this.#prepare(trial.window);
    const started = process.cpuUsage();
    const { model, history } = await trainForecaster({
      cell: 'gru',
      ...trial,
      horizon: preprocessing.horizon,
      features: encoded.features,
      data: { series: encoded.series, trainStarts: starts.train, validationStarts: starts.validation },
      loss: this.suggested.loss,
      epochs: 12,
      patience: 3,
      clipNorm: 1,
      seed,
    });
    const { user, system } = process.cpuUsage(started);
    const seconds = (user + system) / 1e6;
    const forecasts = await runModel(model, { preprocessing, encoded, starts: starts.validation });
    const validation = this.#error(forecasts, starts.validation, preprocessing);
    return { model, validation, epochs: history.length, seconds };
  }

  /** A trained model's error over the test windows: the same rows whatever the window. */
  async test(model: Uint8Array, window: number): Promise<number> {
    const { preprocessing, encoded, starts } = this.#prepare(window);
    return this.#error(
      await runModel(model, { preprocessing, encoded, starts: starts.test }),
      starts.test,
      preprocessing,
    );
  }

  #prepare(window: number): { preprocessing: Preprocessing; encoded: EncodedSeries; starts: WindowStarts } {
    const { horizon, features, window: lookback } = this.suggested;
    const preprocessing = fitPreprocessing(this.grid, this.#ranges.train, { window, horizon, features });
    const starts = windowStarts(this.grid, { window, horizon, lookback, ranges: this.#ranges });
    return { preprocessing, encoded: encodeSeries(this.grid, preprocessing), starts };
  }

  #error(forecasts: ForecastMatrix, starts: Int32Array, shape: Preprocessing): number {
    return evaluateForecasts(forecasts, actualsAt(this.grid, starts, shape)).mae;
  }
}
