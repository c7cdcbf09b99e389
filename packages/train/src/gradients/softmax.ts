// Gradients of softmax and its logarithm.
import { intAttribute } from '@sanderling/onnx';
import { unary, type GradientRule } from './rule.ts';

export const softmax = {
  // y = softmax(x): dx = y ∘ (dy − Σ dy y)
  Softmax: unary(({ m, y, dy, node }) => {
    const weighted = m.mul(dy, y);
    return m.sub(weighted, m.mul(y, m.sum(weighted, [intAttribute(node, 'axis', -1)], true)));
  }),
  // y = ln softmax(x): dx = dy − e^y Σ dy
  LogSoftmax: unary(({ m, y, dy, node }) =>
    m.sub(dy, m.mul(m.exp(y), m.sum(dy, [intAttribute(node, 'axis', -1)], true))),
  ),
} as const satisfies Record<string, GradientRule>;
