// A forecaster trained in one call: what a trial of a hyper-parameter search does.
import { SanderlingError } from '@sanderling/kit';
import type { RunTensor } from '@sanderling/onnx';
import { rowReader, seriesReader, targetName, type BatchReader } from './compile/reader.ts';
import { exportModel, type ModelMetadata } from './export.ts';
import { fit, type EpochEvent, type StopReason } from './fit/fit.ts';
import type { Dataset } from './fit/runtime.ts';
import type { Loss } from './losses/loss.ts';
import { huber, meanAbsoluteError, meanSquaredError } from './losses/regression.ts';
import { parameterCount } from './network.ts';
import { forecasterNetwork, type ForecasterOptions } from './networks/forecaster.ts';
import { adam } from './optimisers/optimisers.ts';
import { wrongSetting } from './settings.ts';

/**
 * Windows of one series (the main form: the series is fed once, windows are cut inside the graph). A sample that starts at row s reads rows
 * s … s+window−1 and is asked for feature 0 of rows s+window … s+window+horizon−1.
 */
export interface SeriesData {
  /** rows × features, normalised, row-major. */
  readonly series: Float32Array;
  readonly trainStarts: Int32Array;
  readonly validationStarts: Int32Array;
}

/** Samples laid out one by one: x count × window × features, y count × horizon. */
export interface Samples {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly count: number;
}

/** Samples given explicitly. */
export interface SampleData {
  readonly train: Samples;
  readonly validation: Samples;
}

const losses = { mse: meanSquaredError, huber: huber(), mae: meanAbsoluteError } as const satisfies Record<
  string,
  Loss
>;

/** A loss that a forecaster can be trained with. */
export type ForecasterLoss = keyof typeof losses;

/** What to train. */
export interface TrainForecasterOptions extends ForecasterOptions {
  readonly data: SeriesData | SampleData;
  readonly learningRate: number;
  /** Samples a step; at most the number of training samples is used. */
  readonly batch: number;
  readonly epochs: number;
  /** Epochs without a better validation loss after which to stop. @default no early stopping */
  readonly patience?: number;
  /** @default 'mse' */
  readonly loss?: ForecasterLoss;
  /** Largest joint norm of the gradients. @default no limit */
  readonly clipNorm?: number;
  /** @default 1 */
  readonly threads?: number;
  readonly maxSeconds?: number;
  readonly signal?: AbortSignal;
  readonly onEpoch?: (event: EpochEvent) => void;
  /** Words that the model carries. */
  readonly metadata?: ModelMetadata;
}

/** A trained forecaster. */
export interface TrainedForecaster {
  /** The ONNX model: input `window` [batch, window, features], output `forecast` [batch, horizon], both normalised. */
  readonly model: Uint8Array;
  readonly bestEpoch: number;
  /** Validation loss of the best epoch. */
  readonly validationLoss: number;
  readonly history: readonly EpochEvent[];
  /** Numbers that were learnt. */
  readonly parameters: number;
  readonly stopped: StopReason;
  readonly seconds: number;
}

/**
 * Trains a forecaster with Adam and exports the best epoch's weights.
 * @throws TOO_LITTLE_DATA without training or validation samples; INVALID_DATA for windows outside the series, lengths that do not fit or numbers
 * that are not finite; INVALID_ARGUMENT, NAN_LOSS and CANCELLED as `fit`.
 */
export async function trainForecaster(options: TrainForecasterOptions): Promise<TrainedForecaster> {
  const network = forecasterNetwork(options);
  const { loss = 'mse' } = options;
  if (!Object.hasOwn(losses, loss))
    throw wrongSetting(`there is no loss ${String(loss)}`, 'loss', `use one of ${Object.keys(losses).join(', ')}`);
  const { data, reader, train, validation } = feedOf(options);
  const { learningRate, epochs, patience, clipNorm, threads, maxSeconds, signal, onEpoch, seed = 0 } = options;
  const batch = Math.min(options.batch, train.length);
  const plan = {
    network,
    reader,
    loss: losses[loss],
    optimiser: adam(),
    batch,
    ...(clipNorm === undefined ? {} : { clipNorm }),
  };
  const result = await fit({
    plan,
    data,
    train,
    validation,
    epochs,
    learningRate,
    seed,
    ...(patience === undefined ? {} : { patience }),
    ...(threads === undefined ? {} : { threads }),
    ...(maxSeconds === undefined ? {} : { maxSeconds }),
    ...(signal === undefined ? {} : { signal }),
    ...(onEpoch === undefined ? {} : { onEpoch }),
  });
  return {
    model: exportModel(network, result.tensors, { metadata: options.metadata ?? {} }),
    bestEpoch: result.bestEpoch,
    validationLoss: result.bestLoss,
    history: result.history,
    parameters: parameterCount(network),
    stopped: result.stopped,
    seconds: result.seconds,
  };
}

interface Feed {
  readonly data: Dataset;
  readonly reader: BatchReader;
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

function feedOf(options: TrainForecasterOptions): Feed {
  const feed = 'series' in options.data ? seriesFeed(options.data, options) : sampleFeed(options.data, options);
  if (feed.train.length === 0)
    throw new SanderlingError('TOO_LITTLE_DATA', 'there are no training windows', { where: 'data' });
  if (feed.validation.length === 0)
    throw new SanderlingError('TOO_LITTLE_DATA', 'there are no validation windows', { where: 'data' });
  for (const [name, tensor] of Object.entries(feed.data)) checkFinite(name, tensor.data as Float32Array);
  return feed;
}

function seriesFeed(
  { series, trainStarts, validationStarts }: SeriesData,
  { window, features, horizon }: ForecasterOptions,
): Feed {
  const rows = series.length / features;
  if (!Number.isInteger(rows)) {
    throw new SanderlingError(
      'INVALID_DATA',
      `the series has ${series.length} numbers, which is no multiple of ${features} features`,
      { where: 'series' },
    );
  }
  const last = rows - window - horizon;
  for (const [where, starts] of Object.entries({ trainStarts, validationStarts })) {
    const outside = starts.find((start) => start < 0 || start > last);
    if (outside === undefined) continue;
    throw new SanderlingError('INVALID_DATA', `a window that starts at row ${outside} does not fit into ${rows} rows`, {
      where,
    });
  }
  return {
    data: { series: floats(series, [rows, features]) },
    reader: seriesReader({ window, horizon, features }),
    train: trainStarts,
    validation: validationStarts,
  };
}

function sampleFeed({ train, validation }: SampleData, { window, features, horizon }: ForecasterOptions): Feed {
  for (const [where, { x, y, count }] of Object.entries({ train, validation })) {
    if (x.length === count * window * features && y.length === count * horizon) continue;
    throw new SanderlingError(
      'INVALID_DATA',
      `${count} samples need ${count * window * features} inputs and ${count * horizon} targets`,
      { where },
    );
  }
  const count = train.count + validation.count;
  const column = { dtype: 'float32' as const };
  return {
    data: {
      window: floats(joined(train.x, validation.x), [count, window, features]),
      [targetName]: floats(joined(train.y, validation.y), [count, horizon]),
    },
    reader: rowReader({
      window: { ...column, dims: [window, features] },
      [targetName]: { ...column, dims: [horizon] },
    }),
    train: Int32Array.from({ length: train.count }, (_, i) => i),
    validation: Int32Array.from({ length: validation.count }, (_, i) => train.count + i),
  };
}

const floats = (data: Float32Array, dims: readonly number[]): RunTensor => ({ dtype: 'float32', dims, data });

function joined(a: Float32Array, b: Float32Array): Float32Array {
  const all = new Float32Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function checkFinite(name: string, data: Float32Array): void {
  const at = data.findIndex((x) => !Number.isFinite(x));
  if (at < 0) return;
  throw new SanderlingError('INVALID_DATA', `${name} holds ${data[at]} at position ${at}`, {
    where: name,
    fix: 'fill or drop missing values before training',
  });
}
