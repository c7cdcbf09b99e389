// Gradients of the elementwise operators. Written once as a table; the formula stands beside each rule.
import { floatAttribute, stringAttribute, type Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { binary, inputOf, single, unary, type GradientRule, type UnaryTerms } from './rule.ts';
import { numbersOf } from './constants.ts';

const twoOverRootPi = 2 / Math.sqrt(Math.PI);

/** dy where y > 0, else 0. A hard sigmoid of huge slope is a mask in one multi-threaded pass; Where and Sign run on one thread. */
function whereOutputPositive({ m, y, dy }: UnaryTerms) {
  return m.mul(
    dy,
    m.op('HardSigmoid', [y], { alpha: { type: 'float', value: 3e38 }, beta: { type: 'float', value: 0 } }),
  );
}

/** The larger or smaller of many: the gradient goes to every operand that equals the result. */
const pick: GradientRule = single((call, dy) =>
  call.inputs.map((input, i) => {
    if (input === undefined || !call.wants(i)) return undefined;
    return call.m.unbroadcast(
      call.m.mul(dy, call.m.mask('Equal', call.m.expandLike(input, dy), call.outputs[0] ?? dy)),
      input,
    );
  }),
);

function geluSlope(m: Algebra, x: Value): Value {
  const cumulative = m.mul(m.add(m.op('Erf', [m.mul(x, Math.SQRT1_2)]), 1), 0.5);
  const density = m.mul(m.exp(m.mul(m.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return m.add(cumulative, m.mul(x, density));
}

function tanhGeluSlope(m: Algebra, x: Value): Value {
  const root = Math.sqrt(2 / Math.PI);
  const square = m.square(x);
  const t = m.tanh(m.mul(m.mul(x, m.add(m.mul(square, 0.044715), 1)), root));
  const inner = m.mul(m.add(m.mul(square, 0.134145), 1), root);
  return m.mul(m.add(m.add(t, 1), m.mul(m.mul(x, m.oneMinus(m.square(t))), inner)), 0.5);
}

export const elementwise = {
  Identity: unary(({ dy }) => dy),
  // d(a+b) = da + db
  Add: binary(
    ({ dy }) => dy,
    ({ dy }) => dy,
  ),
  // d(a−b) = da − db
  Sub: binary(
    ({ dy }) => dy,
    ({ m, dy }) => m.neg(dy),
  ),
  // d(ab) = b da + a db
  Mul: binary(
    ({ m, b, dy }) => m.mul(dy, b),
    ({ m, a, dy }) => m.mul(dy, a),
  ),
  // d(a/b) = da / b − (a/b) db / b
  Div: binary(
    ({ m, b, dy }) => m.div(dy, b),
    ({ m, b, y, dy }) => m.neg(m.div(m.mul(dy, y), b)),
  ),
  // d(a^b) = b a^(b−1) da + a^b ln(a) db
  Pow: binary(
    ({ m, a, b, dy }) => m.mul(dy, m.mul(b, m.pow(a, m.sub(b, 1)))),
    ({ m, a, y, dy }) => m.mul(dy, m.mul(y, m.log(a))),
  ),
  // d max(a, b): to the one that equals the maximum
  Max: pick,
  Min: pick,
  // d Σ xᵢ = Σ dxᵢ
  Sum: single((call, dy) =>
    call.inputs.map((input, i) => (input && call.wants(i) ? call.m.unbroadcast(dy, input) : undefined)),
  ),
  // d where(c, a, b) = c da + (1−c) db
  Where: single((call, dy) => {
    const [condition, zero] = [inputOf(call, 0), call.m.number(0, dy.dtype)];
    const part = (i: 1 | 2) => {
      const kept = call.m.op('Where', i === 1 ? [condition, dy, zero] : [condition, zero, dy]);
      return call.wants(i) ? call.m.unbroadcast(kept, inputOf(call, i)) : undefined;
    };
    return [undefined, part(1), part(2)];
  }),
  Neg: unary(({ m, dy }) => m.neg(dy)),
  // d e^x = e^x dx
  Exp: unary(({ m, y, dy }) => m.mul(dy, y)),
  // d ln x = dx / x
  Log: unary(({ m, x, dy }) => m.div(dy, x)),
  // d √x = dx / (2√x)
  Sqrt: unary(({ m, y, dy }) => m.div(m.mul(dy, 0.5), y)),
  // d (1/x) = −dx / x²
  Reciprocal: unary(({ m, y, dy }) => m.neg(m.mul(dy, m.square(y)))),
  // d |x| = sign(x) dx
  Abs: unary(({ m, x, dy }) => m.mul(dy, m.sign(x))),
  // d sin x = cos(x) dx
  Sin: unary(({ m, x, dy }) => m.mul(dy, m.op('Cos', [x]))),
  // d cos x = −sin(x) dx
  Cos: unary(({ m, x, dy }) => m.neg(m.mul(dy, m.op('Sin', [x])))),
  // d tanh x = (1 − y²) dx
  Tanh: unary(({ m, y, dy }) => m.mul(dy, m.oneMinus(m.square(y)))),
  // d σ(x) = y (1 − y) dx
  Sigmoid: unary(({ m, y, dy }) => m.mul(dy, m.timesOneMinus(y))),
  // d ln(1 + e^x) = σ(x) dx
  Softplus: unary(({ m, x, dy }) => m.mul(dy, m.sigmoid(x))),
  // d x/(1+|x|) = dx / (1+|x|)²
  Softsign: unary(({ m, x, dy }) => m.div(dy, m.square(m.add(m.abs(x), 1)))),
  // d erf(x) = 2/√π e^(−x²) dx
  Erf: unary(({ m, x, dy }) => m.mul(dy, m.mul(m.exp(m.neg(m.square(x))), twoOverRootPi))),
  // d max(x, 0) = [y > 0] dx
  Relu: unary(whereOutputPositive),
  // slope α below 0
  LeakyRelu: unary(({ m, x, dy, node }) => {
    const alpha = floatAttribute(node, 'alpha', 0.01);
    return m.mul(dy, m.add(m.mul(m.mask('Greater', x, 0), 1 - alpha), alpha));
  }),
  // slope s below 0; ds = Σ min(x, 0) dy
  PRelu: binary(
    ({ m, a, b, dy }) => {
      const above = m.mask('Greater', a, 0);
      return m.mul(dy, m.add(above, m.mul(b, m.oneMinus(above))));
    },
    ({ m, a, dy }) => m.mul(dy, m.min(a, 0)),
  ),
  // below 0: α e^x = y + α
  Elu: unary(({ m, x, y, dy, node }) => {
    const above = m.mask('Greater', x, 0);
    return m.mul(dy, m.add(above, m.mul(m.oneMinus(above), m.add(y, floatAttribute(node, 'alpha', 1)))));
  }),
  // below 0: e^(x/α) = y/α + 1
  Celu: unary(({ m, x, y, dy, node }) => {
    const above = m.mask('Greater', x, 0);
    const below = m.add(m.mul(y, 1 / floatAttribute(node, 'alpha', 1)), 1);
    return m.mul(dy, m.add(above, m.mul(m.oneMinus(above), below)));
  }),
  // γ above 0; below: γ α e^x = y + γα
  Selu: unary(({ m, x, y, dy, node }) => {
    const [alpha, gamma] = [
      floatAttribute(node, 'alpha', 1.67326319217681884765625),
      floatAttribute(node, 'gamma', 1.05070102214813232421875),
    ];
    const above = m.mask('Greater', x, 0);
    return m.mul(dy, m.add(m.mul(above, gamma), m.mul(m.oneMinus(above), m.add(y, alpha * gamma))));
  }),
  // α inside the linear part (0 < y < 1), 0 outside
  HardSigmoid: unary(({ m, y, dy, node }) => {
    const inside = m.mul(m.mask('Greater', y, 0), m.mask('Less', y, 1));
    return m.mul(dy, m.mul(inside, floatAttribute(node, 'alpha', 0.2)));
  }),
  // d x·h(x), h = clip(x/6 + 1/2, 0, 1): h + x/6 where 0 < h < 1
  HardSwish: unary(({ m, x, dy }) => {
    const h = m.op('HardSigmoid', [x], { alpha: { type: 'float', value: 1 / 6 }, beta: { type: 'float', value: 0.5 } });
    const inside = m.mul(m.mask('Greater', h, 0), m.mask('Less', h, 1));
    return m.mul(dy, m.add(h, m.mul(inside, m.mul(x, 1 / 6))));
  }),
  // x·Φ(x): Φ(x) + x φ(x); or with t = tanh(√(2/π) (x + 0.044715 x³)): ½ (1 + t) + ½ x (1 − t²) √(2/π) (1 + 0.134145 x²)
  Gelu: unary(({ m, x, dy, node }) =>
    m.mul(dy, stringAttribute(node, 'approximate', 'none') === 'tanh' ? tanhGeluSlope(m, x) : geluSlope(m, x)),
  ),
  // x·tanh(s), s = softplus(x): tanh(s) + x (1 − tanh²(s)) σ(x)
  Mish: unary(({ m, x, dy }) => {
    const t = m.tanh(m.op('Softplus', [x]));
    return m.mul(dy, m.add(t, m.mul(m.mul(x, m.oneMinus(m.square(t))), m.sigmoid(x))));
  }),
  // dx where low < x < high
  Clip: single((call, dy) => {
    const { m } = call;
    const x = inputOf(call, 0);
    const bounds = [
      ['Greater', 1],
      ['Less', 2],
    ] as const;
    const masks = bounds.flatMap(([comparison, i]) => {
      const bound = call.inputs[i];
      return bound === undefined ? [] : [m.mask(comparison, x, numbersOf(call.constant(i))?.[0] ?? bound)];
    });
    return [masks.reduce((gradient, mask) => m.mul(gradient, mask), dy)];
  }),
  // a change of type passes the gradient back in the old type
  Cast: single((call, dy) => {
    const to = inputOf(call, 0).dtype;
    return [to === 'float32' || to === 'float64' ? call.m.cast(dy, to) : undefined];
  }),
} as const satisfies Record<string, GradientRule>;
