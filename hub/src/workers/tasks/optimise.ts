// Making a chosen model smaller or faster: without changing what it says, or (int8) within a budget of accuracy.
import { SanderlingError } from '@sanderling/kit';
import { decodeModel, encodeModel, foldConstants, type Feeds } from '@sanderling/onnx';
import { quantiseSettings, type OptimiseStep } from '@sanderling/wire';
import type { TaskContext } from '../serve.ts';
import { encodingOf, gridOf } from './columns.ts';
import { cutWindows } from './cut-windows.ts';
import type { Prepared } from './prepare.ts';
import { Forecaster, windowAt, type ModelInput } from './run-model.ts';

/** A model, the task that it was made for, and what to do to it in this order. */
export interface OptimiseInput extends ModelInput {
  readonly prepared: Prepared;
  readonly steps: readonly OptimiseStep[];
}

/** What int8 cost. */
export interface Quantised {
  /** Error of the forecasts relative to their size, root mean square over the calibration windows. */
  readonly relativeError: number;
  readonly layers: number;
  /** Names of layers that stayed in float, because the budget would not have been kept. */
  readonly floatLayers: readonly string[];
  /** Names of layers that stayed in float because no int8 form of their operator exists; not among `layers`. */
  readonly withoutInt8: readonly string[];
}

/** The rewritten model. */
export interface Optimised {
  readonly model: Uint8Array;
  /** Largest difference of a normalised forecast on trial inputs, before quantising. */
  readonly difference: number;
  /** Without a step that quantises: null. */
  readonly quantised: Quantised | null;
}

/** Largest difference that rewriting may make: rounding. */
const tolerance = 1e-4;
const trialInputs = 16;

/** @throws INVALID_MODEL when a rewrite changes the forecasts; TOO_LITTLE_DATA without windows to calibrate with */
export async function optimise(input: OptimiseInput, context: TaskContext): Promise<Optimised> {
  const result: { -readonly [K in keyof Optimised]: Optimised[K] } = {
    model: input.model,
    difference: 0,
    quantised: null,
  };
  for (const step of input.steps) {
    const from = { ...input, model: result.model };
    if (step === 'fold-constants') {
      result.model = encodeModel(await foldConstants()(decodeModel(from.model)));
      result.difference = Math.max(result.difference, await checkedDifference(from, result.model));
    } else Object.assign(result, await quantised(from, quantiseSettings(step), context));
  }
  return result;
}

async function checkedDifference(before: ModelInput, model: Uint8Array): Promise<number> {
  const difference = await largestDifference(before, { ...before, model });
  if (difference <= tolerance) return difference;
  throw new SanderlingError('INVALID_MODEL', `folding constants changes forecasts by ${difference}`);
}

async function quantised(
  input: OptimiseInput,
  settings: ReturnType<typeof quantiseSettings>,
  context: TaskContext,
): Promise<Pick<Optimised, 'model' | 'quantised'>> {
  const { quantiseForDevice } = await import('@sanderling/micro');
  const samples = calibrationWindows(input, settings, context);
  const { calibration: method, budget } = settings;
  const { model, report } = await quantiseForDevice(decodeModel(input.model), samples, { method, budget });
  const { relativeError, layers } = report;
  const floatLayers = layers.filter(({ float }) => float).map(({ name, operator }) => name || operator);
  const withoutInt8 = model.graph.nodes.filter(({ opType }) => opType === 'RNN').map((node) => node.name || 'RNN');
  return {
    model: encodeModel(model),
    quantised: { relativeError, layers: layers.length, floatLayers, withoutInt8 },
  };
}

/** Windows spread evenly over the training part, every second one also with the series shifted up and down. */
function calibrationWindows(
  { prepared, preprocessing }: OptimiseInput,
  { windows, headroom }: ReturnType<typeof quantiseSettings>,
  context: TaskContext,
): readonly Feeds[] {
  const grid = gridOf(context.columns(prepared.data), preprocessing);
  const { series } = encodingOf(grid, preprocessing);
  const { train } = cutWindows(grid, prepared, preprocessing.window);
  const count = Math.min(windows, train.length);
  const column = preprocessing.features.indexOf('value');
  const shifts = headroom > 0 && column >= 0 ? [0, headroom, -headroom] : [0];
  return Array.from({ length: count }, (_, i) => {
    const window = windowAt(series, train[Math.floor((i * train.length) / count)]!, preprocessing);
    return (i % 2 === 0 ? shifts : [0]).map((by) => shifted(window, by, { column, preprocessing }));
  }).flat();
}

function shifted(
  window: Float32Array,
  by: number,
  { column, preprocessing }: { readonly column: number; readonly preprocessing: ModelInput['preprocessing'] },
): Feeds {
  const { window: rows, features } = preprocessing;
  const data = Float32Array.from(window, (value, at) => (at % features.length === column ? value + by : value));
  return { window: { dtype: 'float32', dims: [1, rows, features.length], data } };
}

async function largestDifference(a: ModelInput, b: ModelInput): Promise<number> {
  await using before = await Forecaster.open(a);
  await using after = await Forecaster.open(b);
  const { window, features } = a.preprocessing;
  const size = trialInputs * window * features.length;
  const inputs = Float32Array.from({ length: size }, (_, i) => 2 * Math.sin(i * 0.7) * Math.cos(i * 0.013));
  const [x, y] = [await before.run(inputs, trialInputs), await after.run(inputs, trialInputs)];
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]!)), 0);
}
