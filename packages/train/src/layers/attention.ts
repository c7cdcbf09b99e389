// Multi-head attention (Vaswani et al. 2017): every step asks all steps of a sequence, its own or another one.
import { tensorOf, type Value } from '@sanderling/onnx';
import { checkMultiple, checkSettings, wrongSetting } from '../settings.ts';
import type { Layers } from './layers.ts';
import { sizeOf } from './sizes.ts';

/** Settings of attention. */
export interface AttentionOptions {
  /** What is asked: [batch, other steps, other width] (cross-attention). @default the steps themselves (self-attention) */
  readonly context?: Value;
  /** No step sees a later one; for self-attention. @default false */
  readonly causal?: boolean;
}

/** Added to the scores of steps that must not be seen; finite, lest anything becomes NaN. */
const never = -3e38;

/** Writes the layer; see `Layers.attention`. */
export function attend(layers: Layers, x: Value, heads: number, at: AttentionOptions & { name: string }): Value {
  const { m } = layers;
  const { context = x, causal = false, name } = at;
  const [steps, width, asked] = [sizeOf(x, 1), sizeOf(x, 2), sizeOf(context, 1)];
  checkSettings('count', { heads });
  checkMultiple('the width of attention', width, { name: 'heads', number: heads });
  if (causal && context !== x) throw wrongSetting('attention to another sequence cannot be causal', 'causal');
  const project = (value: Value, part: string, [units, bound]: readonly [number, number]) =>
    m.add(
      m.matmul(value, layers.uniform(`${name}.${part}_weight`, [sizeOf(value, 2), units], bound)),
      layers.uniform(`${name}.${part}_bias`, [units], 0),
    );
  // PyTorch draws the three projections of self-attention as one matrix (Glorot & Bengio 2010)
  const glorot = Math.sqrt(6 / (4 * width));
  const [query, key, value] = (
    context === x
      ? m.split(project(x, 'in', [3 * width, glorot]), 2, [width, width, width])
      : [
          project(x, 'query', [width, glorot]),
          ...m.split(project(context, 'key_value', [2 * width, glorot]), 2, [width, width]),
        ]
  ) as [Value, Value, Value];
  const depth = width / heads;
  const byHead = (of: Value, count: number, perm: number[]) =>
    m.transpose(m.reshape(of, [0, count, heads, depth]), perm);
  const scores = m.mul(
    m.matmul(byHead(query, steps, [0, 2, 1, 3]), byHead(key, asked, [0, 2, 3, 1])),
    1 / Math.sqrt(depth),
  );
  const seen = causal ? m.add(scores, laterSteps(layers, steps)) : scores;
  const mixed = m.matmul(m.op('Softmax', [seen], { axis: -1 }), byHead(value, asked, [0, 2, 1, 3]));
  const joined = m.reshape(m.transpose(mixed, [0, 2, 1, 3]), [0, steps, width]);
  return project(joined, 'out', [width, 1 / Math.sqrt(width)]);
}

/** `never` above the diagonal, [steps, steps]. */
function laterSteps({ m }: Layers, steps: number): Value {
  const mask = Float32Array.from({ length: steps * steps }, (_, i) => (i % steps > Math.floor(i / steps) ? never : 0));
  return m.scope.constant(tensorOf('float32', [steps, steps], mask));
}
