// What a loss is: graph arithmetic that gives one number a sample. The training step takes the mean over the batch.
import { SanderlingError } from '@sanderling/kit';
import type { DataType, Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';

/** What a loss compares. */
export interface LossTerms {
  readonly m: Algebra;
  /** What the network says, [batch, …]. */
  readonly prediction: Value;
  /** What is right. */
  readonly target: Value;
}

/** A loss. The batch's loss is Σ perSample / Σ share. */
export interface Loss {
  readonly name: string;
  /** Element type of the target. */
  readonly targetType: DataType;
  /** Whether the target holds class numbers of the prediction's axis 1. @default false */
  readonly ofClasses?: boolean;
  /** The loss of each sample, [batch]. */
  perSample(terms: LossTerms): Value;
  /** How much each sample counts in the mean, [batch]; `perSample` contains it already. @default 1 each */
  share?(terms: LossTerms): Value;
}

/** @throws INVALID_ARGUMENT when prediction and target, element by element compared, have different shapes. */
export function checkSameShape({ prediction, target }: LossTerms): void {
  const [a, b] = [prediction.shape, target.shape];
  const differ =
    a?.length !== b?.length ||
    a?.some((dim, i) => typeof dim === 'number' && typeof b?.[i] === 'number' && dim !== b[i]);
  if (a === undefined || b === undefined || differ !== true) return;
  throw new SanderlingError(
    'INVALID_ARGUMENT',
    `the prediction is [${a.join(', ')}] and the target [${b.join(', ')}]`,
    { where: 'target' },
  );
}

/** The mean over all axes but the first. */
export function meanOfSample(m: Algebra, value: Value): Value {
  const rank = value.shape?.length ?? 1;
  return m.mean(
    value,
    Array.from({ length: rank - 1 }, (_, i) => i + 1),
  );
}

/** The sum over all axes but the first. */
export function sumOfSample(m: Algebra, value: Value): Value {
  const rank = value.shape?.length ?? 1;
  return m.sum(
    value,
    Array.from({ length: rank - 1 }, (_, i) => i + 1),
  );
}
