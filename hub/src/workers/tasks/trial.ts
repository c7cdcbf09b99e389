// One trial of a search: trains a forecaster and judges it on the validation part.
import { actualsAt, evaluateForecasts } from '@sanderling/series';
import { trainForecaster, type ForecasterCell, type ForecasterLoss } from '@sanderling/train';
import type { TaskContext } from '../serve.ts';
import { encodingOf, gridOf } from './columns.ts';
import { cutWindows } from './cut-windows.ts';
import type { Prepared } from './prepare.ts';
import { Forecaster } from './run-model.ts';

/** What a trial varies. */
export interface TrialParams {
  readonly cell: ForecasterCell;
  readonly hidden: number;
  readonly window: number;
  readonly learningRate: number;
  readonly batch: number;
  readonly dropout: number;
}

/** A trial. */
export interface TrialInput {
  readonly prepared: Prepared;
  readonly params: TrialParams;
  readonly seed: string;
  readonly loss: ForecasterLoss;
  readonly epochs: number;
  readonly patience: number;
}

/** News of a trial after each epoch. */
export interface EpochNews {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly validationLoss: number;
  readonly learningRate: number;
}

/** A trained model. */
export interface TrialResult {
  readonly model: Uint8Array;
  /** Mean absolute error on the validation part, in the unit of the data: what the search makes small. */
  readonly validationMae: number;
  readonly validationLoss: number;
  readonly bestEpoch: number;
  readonly epochs: number;
  readonly parameters: number;
  readonly seconds: number;
}

/** Largest joint norm of the gradients: recurrent nets need one. */
const clipNorm = 1;

/** @throws NAN_LOSS, TOO_LITTLE_DATA, INVALID_ARGUMENT on params that no network has */
export async function trial(input: TrialInput, context: TaskContext): Promise<TrialResult> {
  const { prepared, params, seed, loss, epochs, patience } = input;
  const preprocessing = { ...prepared.preprocessing, window: params.window };
  const grid = gridOf(context.columns(prepared.data), preprocessing);
  const encoded = encodingOf(grid, preprocessing);
  const starts = cutWindows(grid, prepared, params.window);
  const trained = await trainForecaster({
    ...params,
    features: preprocessing.features.length,
    horizon: prepared.horizon,
    seed,
    loss,
    epochs,
    patience,
    clipNorm,
    threads: 1,
    data: { series: encoded.series, trainStarts: starts.train, validationStarts: starts.validation },
    onEpoch: ({ epoch, trainLoss, validationLoss, learningRate }) =>
      context.tell({ epoch, trainLoss, validationLoss: validationLoss ?? trainLoss, learningRate } satisfies EpochNews),
  });
  await using forecaster = await Forecaster.open({ model: trained.model, preprocessing });
  const forecasts = await forecaster.runWindows(encoded, starts.validation);
  const { mae } = evaluateForecasts(forecasts, actualsAt(grid, starts.validation, preprocessing));
  const { model, validationLoss, bestEpoch, parameters, seconds, history } = trained;
  return { model, validationMae: mae, validationLoss, bestEpoch, epochs: history.length, parameters, seconds };
}
