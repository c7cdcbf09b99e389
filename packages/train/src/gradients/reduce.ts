// Gradients of reductions: the gradient is spread over the axes that were reduced.
import { intAttribute, type Value } from '@sanderling/onnx';
import { dimsOf, product } from '../algebra.ts';
import { axesOf } from './constants.ts';
import { inputOf, outputOf, single, type Call, type GradientRule } from './rule.ts';

/** A reduction seen from its input: the reduced axes, and a value of the output's shape brought back to rank with ones. */
interface Reduction {
  readonly dims: readonly number[];
  readonly axes: readonly number[];
  /** Numbers that went into one result. */
  readonly count: number;
  widen(value: Value): Value;
}

function reductionOf(call: Call): Reduction {
  const dims = dimsOf(inputOf(call, 0));
  const given = axesOf(call, 1, dims.length);
  const none = given === undefined || given.length === 0;
  const all = intAttribute(call.node, 'noop_with_empty_axes', 0) === 1 ? [] : dims.map((_, i) => i);
  const axes = none ? all : given;
  const kept = dims.map((dim, i) => (axes.includes(i) ? 1 : dim));
  return {
    dims,
    axes,
    count: product(axes.map((i) => dims[i] as number)),
    widen: (value) => call.m.reshape(value, kept),
  };
}

/** A rule dx = g(call, dy widened, y widened), broadcast over the reduced axes. */
function reduction(dx: (call: Call, dy: Value, y: Value, about: Reduction) => Value): GradientRule {
  return single((call, dy) => {
    const about = reductionOf(call);
    return [call.m.expand(dx(call, about.widen(dy), about.widen(outputOf(call)), about), about.dims)];
  });
}

/** The extreme's gradient goes in equal parts to all inputs that equal it. */
const extreme = reduction(({ m, inputs }, dy, y, { axes }) => {
  const x = inputs[0] as Value;
  const chosen = m.mask('Equal', x, y);
  return m.mul(m.div(dy, m.sum(chosen, axes, true)), chosen);
});

export const reduce = {
  // d Σx = Σ dx
  ReduceSum: reduction((_, dy) => dy),
  // d mean(x) = Σ dx / n
  ReduceMean: reduction(({ m }, dy, _, { count }) => m.mul(dy, 1 / count)),
  ReduceMax: extreme,
  ReduceMin: extreme,
  // d Σx² = 2 Σ x dx
  ReduceSumSquare: reduction(({ m, inputs }, dy) => m.mul(m.mul(dy, 2), inputs[0] as Value)),
  // d √Σx² = Σ x dx / y
  ReduceL2: reduction(({ m, inputs }, dy, y) => m.mul(m.div(dy, y), inputs[0] as Value)),
  // d Σ|x| = Σ sign(x) dx
  ReduceL1: reduction(({ m, inputs }, dy) => m.mul(dy, m.sign(inputs[0] as Value))),
  // d ln Σ e^x = Σ e^(x − y) dx
  ReduceLogSumExp: reduction(({ m, inputs }, dy, y) => m.mul(dy, m.exp(m.sub(inputs[0] as Value, y)))),
} as const satisfies Record<string, GradientRule>;
