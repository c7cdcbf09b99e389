// Making a chosen model smaller or faster without changing what it says.
import { SanderlingError } from '@sanderling/kit';
import { decodeModel, encodeModel, foldConstants } from '@sanderling/onnx';
import { Forecaster, type ModelInput } from './run-model.ts';

/** What may be done to a model. */
export const optimisations = {
  /** Computes at once what does not depend on the input. */
  'fold-constants': async (model: Uint8Array): Promise<Uint8Array> =>
    encodeModel(await foldConstants()(decodeModel(model))),
} as const satisfies Record<string, (model: Uint8Array) => Promise<Uint8Array>>;

/** A model, and what to do to it in this order. */
export interface OptimiseInput extends ModelInput {
  readonly steps: readonly (keyof typeof optimisations)[];
}

/** The rewritten model. */
export interface Optimised {
  readonly model: Uint8Array;
  /** Largest difference of a normalised forecast on trial inputs. */
  readonly difference: number;
}

/** Largest difference that rewriting may make: rounding. */
const tolerance = 1e-4;
const trialInputs = 16;

/** @throws INVALID_MODEL when a rewrite changes the forecasts */
export async function optimise(input: OptimiseInput): Promise<Optimised> {
  let { model } = input;
  for (const step of input.steps) model = await optimisations[step](model);
  if (model === input.model) return { model, difference: 0 };
  const difference = await largestDifference(input, { ...input, model });
  if (difference <= tolerance) return { model, difference };
  throw new SanderlingError('INVALID_MODEL', `${input.steps.join(', ')} changes forecasts by ${difference}`);
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
