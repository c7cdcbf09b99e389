// A convolution's weights for the way back.
import type { Value } from '@sanderling/onnx';
import { dimsOf, product, type Algebra } from '../algebra.ts';

/** Weights for the way back at stride 1: in and out exchanged within each group, every kernel turned round. */
export function turned(m: Algebra, w: Value, groups: number): Value {
  const [out, inGroup, ...kernel] = dimsOf(w) as [number, number, ...number[]];
  const size = product(kernel);
  const grouped = m.reshape(w, [groups, out / groups, inGroup, size]);
  const swapped = m.reshape(m.transpose(grouped, [0, 2, 1, 3]), [groups * inGroup, out / groups, size]);
  const reversed =
    size === 1 ? swapped : m.gather(swapped, m.int64(Array.from({ length: size }, (_, i) => size - 1 - i)), 2);
  return m.reshape(reversed, [groups * inGroup, out / groups, ...kernel]);
}
