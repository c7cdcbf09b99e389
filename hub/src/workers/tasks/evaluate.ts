// The judgement of the chosen model: test errors, the baselines on the same windows, what the device needs to watch and to test it.
import { residualReference, type ResidualReference } from '@sanderling/drift';
import { SanderlingError } from '@sanderling/kit';
import { actualsAt, baselineForecasts, evaluateForecasts, type Grid } from '@sanderling/series';
import type { TaskContext } from '../serve.ts';
import { encodingOf, gridOf } from './columns.ts';
import { cutWindows } from './cut-windows.ts';
import type { Prepared } from './prepare.ts';
import { Forecaster, windowAt, type ModelInput } from './run-model.ts';

/** A model and the task that it was made for. */
export interface EvaluateInput extends ModelInput {
  readonly prepared: Prepared;
}

/** Everything that is known of a model. Errors are in the unit of the data. */
export interface Evaluation {
  readonly metrics: {
    readonly mae: number;
    readonly rmse: number;
    readonly bias: number;
    readonly worst: number;
    /** Mean absolute error one step ahead: what the device's rolling error is compared with. */
    readonly nextStepMae: number;
  };
  /** Mean absolute error of each baseline on the same windows. */
  readonly baselines: { readonly persistence: number; readonly 'seasonal-naive': number };
  /** Mean absolute error of each step ahead. */
  readonly perStep: readonly number[];
  readonly testWindows: number;
  /** Residuals one step ahead over the test part, with the validation part where that is short. */
  readonly reference: ResidualReference;
  /** Encoded windows of the test part and the normalised forecasts that ONNX Runtime made of them. */
  readonly selfTest: readonly { readonly input: number[]; readonly expected: number[] }[];
}

const selfTestCases = 4;
/** Test windows that make a reference of their own. */
const enoughResiduals = 100;

/** @throws INVALID_DATA when forecasts are not finite, TOO_LITTLE_DATA */
export async function evaluate(input: EvaluateInput, context: TaskContext): Promise<Evaluation> {
  const { prepared, preprocessing } = input;
  const grid = gridOf(context.columns(prepared.data), preprocessing);
  const encoded = encodingOf(grid, preprocessing);
  const { validation, test } = cutWindows(grid, prepared, preprocessing.window);
  await using forecaster = await Forecaster.open(input);
  const shape = { window: preprocessing.window, horizon: prepared.horizon };
  const actuals = actualsAt(grid, test, shape);
  const errors = evaluateForecasts(await forecaster.runWindows(encoded, test), actuals);
  const baseline = (name: 'persistence' | 'seasonal-naive'): number =>
    evaluateForecasts(
      baselineForecasts(name, grid, { ...shape, starts: test, season: prepared.season ?? undefined }),
      actuals,
    ).mae;
  // The model may have been fitted again with the validation part: its residuals there are too small, and serve only where the test part is short.
  const judged = test.length >= enoughResiduals ? test : Int32Array.from([...validation, ...test]);
  const residuals = await nextStepResiduals(forecaster, grid, judged);
  return {
    metrics: {
      mae: errors.mae,
      rmse: errors.rmse,
      bias: errors.bias,
      worst: errors.worst,
      nextStepMae: errors.perStep[0]!,
    },
    baselines: { persistence: baseline('persistence'), 'seasonal-naive': baseline('seasonal-naive') },
    perStep: [...errors.perStep],
    testWindows: test.length,
    reference: referenceOf(residuals),
    selfTest: await selfTests(forecaster, encoded.series, test),
  };
}

async function nextStepResiduals(forecaster: Forecaster, grid: Grid, starts: Int32Array): Promise<Float64Array> {
  const { horizon, window } = forecaster.preprocessing;
  const { values } = await forecaster.runWindows(encodingOf(grid, forecaster.preprocessing), starts);
  return Float64Array.from(starts, (start, i) => grid.values[start + window]! - values[i * horizon]!);
}

function referenceOf(residuals: Float64Array): ResidualReference {
  if (residuals.length === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'validation and test part hold no window');
  return residualReference(residuals);
}

async function selfTests(
  forecaster: Forecaster,
  series: Float32Array,
  starts: Int32Array,
): Promise<Evaluation['selfTest']> {
  const count = Math.min(selfTestCases, starts.length);
  const cases = [];
  for (let i = 0; i < count; i++) {
    const start = starts[Math.floor((i * starts.length) / count)]!;
    const input = windowAt(series, start, forecaster.preprocessing);
    cases.push({ input: [...input], expected: [...(await forecaster.run(Float32Array.from(input), 1))] });
  }
  return cases;
}
