// Loss functions as graph arithmetic: each gives one number a sample; the mean over the batch, weighted or not, is taken by the training step.
import type { DataType, Value } from '@sanderling/onnx';
import type { Algebra } from './algebra.ts';

/** What a loss compares. */
export interface LossTerms {
  readonly m: Algebra;
  /** What the network says, [batch, …]. */
  readonly prediction: Value;
  /** What is right. */
  readonly target: Value;
}

/** A loss. */
export interface Loss {
  readonly name: string;
  /** Element type of the target. */
  readonly targetType: DataType;
  /** The loss of each sample, [batch]. */
  perSample(terms: LossTerms): Value;
}

/** The mean over all axes but the first. */
function meanOfSample(m: Algebra, value: Value): Value {
  const rank = value.shape?.length ?? 1;
  return m.mean(
    value,
    Array.from({ length: rank - 1 }, (_, i) => i + 1),
  );
}

/** A loss that looks at the error e = prediction − target, element by element. */
function ofError(name: string, each: (m: Algebra, error: Value) => Value): Loss {
  return {
    name,
    targetType: 'float32',
    perSample: ({ m, prediction, target }) => meanOfSample(m, each(m, m.sub(prediction, target))),
  };
}

/** Mean squared error: e². */
export const meanSquaredError: Loss = ofError('mse', (m, error) => m.square(error));

/** Mean absolute error: |e|. */
export const meanAbsoluteError: Loss = ofError('mae', (m, error) => m.abs(error));

/** Huber's loss: e²/2 within ±delta, delta (|e| − delta/2) beyond (Huber 1964; as PyTorch's HuberLoss). */
export function huber(delta = 1): Loss {
  return ofError('huber', (m, error) => {
    // with c = clip(e): c (e − c/2) is both branches at once
    const clipped = m.clip(error, [-delta, delta]);
    return m.mul(clipped, m.sub(error, m.mul(clipped, 0.5)));
  });
}
