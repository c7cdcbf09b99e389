// Losses of embeddings: same class near, other classes far.
import type { Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { checkSettings } from '../settings.ts';
import { oneHot } from './classification.ts';
import type { Loss } from './loss.ts';

/** Settings of the angular margin. */
export interface MarginOptions {
  /** Radius of the hypersphere. @default 16 */
  readonly scale?: number;
  /** Margin in radians. @default 0.3 */
  readonly margin?: number;
}

/**
 * ArcFace (Deng et al. 2019): cross-entropy of scale · cos(θ + margin on the right class). The prediction holds cosines [batch, classes] between a
 * unit embedding and unit class directions; labels are int64 [batch].
 */
export function angularMargin({ scale = 16, margin = 0.3 }: MarginOptions = {}): Loss {
  checkSettings('positive', { scale });
  checkSettings('notNegative', { margin });
  const [cosMargin, sinMargin] = [Math.cos(margin), Math.sin(margin)];
  return {
    name: 'angular_margin',
    targetType: 'int64',
    ofClasses: true,
    perSample: ({ m, prediction, target }) => {
      const right = oneHot(m, target, prediction.shape?.[1] as number);
      const cosine = m.clip(prediction, [-1 + 1e-6, 1 - 1e-6]);
      const sine = m.sqrt(m.oneMinus(m.square(cosine)));
      const moved = m.sub(m.mul(cosine, cosMargin), m.mul(sine, sinMargin));
      const logits = m.mul(m.add(m.mul(right, moved), m.mul(m.oneMinus(right), cosine)), scale);
      return m.neg(m.sum(m.mul(m.op('LogSoftmax', [logits], { axis: 1 }), right), [1]));
    },
  };
}

/** Squared Euclidean distances between all pairs of rows, [batch, batch]. */
function squaredDistances(m: Algebra, rows: Value): Value {
  const squares = m.sum(m.square(rows), [1], true);
  const products = m.matmul(rows, m.transpose(rows, [1, 0]));
  return m.relu(m.sub(m.add(squares, m.transpose(squares, [1, 0])), m.mul(products, 2)));
}

/**
 * Batch-hard triplet loss (Hermans et al. 2017): for each embedding [batch, n] the farthest of its class must be nearer by a margin than the
 * nearest of another; labels int64 [batch]. A sample without a rival in its batch gives the margin or nothing.
 */
export function tripletLoss(margin = 0.2): Loss {
  checkSettings('notNegative', { margin });
  return {
    name: 'triplet',
    targetType: 'int64',
    perSample: ({ m, prediction, target }) => {
      const column = m.op('Unsqueeze', [target, m.int64([1])]);
      const same = m.cast(m.op('Equal', [column, m.op('Unsqueeze', [target, m.int64([0])])]), 'float32');
      const distance = m.sqrt(m.add(squaredDistances(m, prediction), 1e-12));
      const farthest = m.op('ReduceMax', [m.mul(distance, same), m.int64([1])], { keepdims: 0 });
      const nearest = m.op('ReduceMin', [m.add(distance, m.mul(same, 1e6)), m.int64([1])], { keepdims: 0 });
      return m.relu(m.add(m.sub(farthest, nearest), margin));
    },
  };
}
