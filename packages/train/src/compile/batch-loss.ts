// The loss of a batch as a graph of its own, recorded on the tape like any other graph, so that no loss needs gradient code.
import { SanderlingError } from '@sanderling/kit';
import { GraphBuilder, type Value } from '@sanderling/onnx';
import { Algebra } from '../algebra.ts';
import type { Tape } from '../gradients/tape.ts';
import type { Loss } from '../losses/loss.ts';

/** What goes into a batch's loss. */
export interface Compared {
  readonly loss: Loss;
  readonly prediction: Value;
  readonly target: Value;
  /** One weight a sample, [batch]; undefined: all the same. */
  readonly weights: Value | undefined;
}

/** A batch's loss, a scalar, and what it was divided by: batches of different sizes or weights are averaged by it. */
export interface BatchLoss {
  readonly loss: Value;
  /** Σ weight · share, a scalar; undefined: the number of samples. */
  readonly share: Value | undefined;
}

/** Σ weight · loss / Σ weight · share over the batch, on the tape. */
export function batchLossOf(tape: Tape, { loss, prediction, target, weights }: Compared): BatchLoss {
  if (target.dtype !== loss.targetType) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `the loss ${loss.name} takes ${loss.targetType} targets, not ${target.dtype}`,
      { where: 'target' },
    );
  }
  const builder = new GraphBuilder('loss');
  const m = new Algebra(builder);
  const input = (name: string, like: Value) => builder.input(name, like.dtype, like.shape ?? []);
  const terms = { m, prediction: input('prediction', prediction), target: input('target', target) };
  const weight = weights === undefined ? undefined : input('weights', weights);
  const scaled = (value: Value) => (weight === undefined ? value : m.mul(value, weight));
  const each = loss.perSample(terms);
  const own = loss.share?.(terms);
  const shares = own === undefined ? weight : scaled(own);
  const share = shares === undefined ? undefined : m.sum(shares);
  builder.output('loss', share === undefined ? m.mean(each) : m.div(m.sum(scaled(each)), share));
  if (share !== undefined) builder.output('share', share);
  const bind = [
    ['prediction', prediction],
    ['target', target],
    ['weights', weights],
  ] as const;
  const given = bind.filter((pair): pair is readonly [(typeof pair)[0], Value] => pair[1] !== undefined);
  const values = tape.record(builder.build(), new Map(given));
  return { loss: values.get('loss') as Value, share: values.get('share') };
}
