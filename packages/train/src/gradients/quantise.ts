// Gradients through quantisation, straight through (Bengio et al. 2013): rounding counts as the identity within the range that the codes
// cover, and stops the gradient outside. The pair QuantizeLinear, DequantizeLinear shares its scale, so the scales cancel.
import { intAttribute, tensorOf, toNumbers, type Value } from '@sanderling/onnx';
import { dimsOf } from '../algebra.ts';
import { inputOf, outputOf, single, unsupported, type Call, type GradientRule } from './rule.ts';

const codeRanges: Readonly<Record<string, readonly [low: number, high: number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
};

/** What the lowest and highest codes stand for, shaped to broadcast over x. */
function rangeOf(call: Call): readonly [Value, Value] {
  const { m, node } = call;
  const codes = codeRanges[outputOf(call).dtype];
  const scale = call.constant(1);
  if (codes === undefined || scale === undefined)
    throw unsupported(node, 'only 8- and 16-bit codes of constant scales have a gradient rule');
  const scales = toNumbers(scale);
  const zero = call.constant(2);
  const zeros = zero === undefined ? scales.map(() => 0) : toNumbers(zero);
  const rank = dimsOf(inputOf(call, 0)).length;
  const axis = (intAttribute(node, 'axis', 1) + rank) % rank;
  const dims = scales.length === 1 ? [] : Array.from({ length: rank }, (_, i) => (i === axis ? scales.length : 1));
  const bound = (code: number, half: number) =>
    m.scope.constant(
      tensorOf(
        'float32',
        dims,
        scales.map((s, i) => (code - (zeros[i] as number) + half) * s),
      ),
    );
  return [bound(codes[0], -0.5), bound(codes[1], 0.5)];
}

export const quantise = {
  // dx = dy where x lies within the codes
  QuantizeLinear: single((call, dy) => {
    const { m } = call;
    const x = inputOf(call, 0);
    const [low, high] = rangeOf(call);
    return [m.mul(m.mul(dy, m.mask('GreaterOrEqual', x, low)), m.mask('LessOrEqual', x, high))];
  }),
  // the other half of the pair
  DequantizeLinear: single((_, dy) => [dy]),
} as const satisfies Record<string, GradientRule>;
