// Dropout in training: a mask from the step's uniform numbers, scaled so that the expectation stays.
import { floatAttribute } from '@sanderling/onnx';
import { dimsOf } from '../algebra.ts';
import { numbersOf } from './constants.ts';
import { inputOf, type Call, type GradientRule } from './rule.ts';

/** The share of numbers to drop. */
function ratioOf(call: Call): number {
  return numbersOf(call.constant(1))?.[0] ?? floatAttribute(call.node, 'ratio', 0.5);
}

/** y = x k, k = [u ≥ p] / (1 − p);  dx = k dy */
export const dropout: GradientRule = {
  train: (call, training) => {
    const x = inputOf(call, 0);
    const ratio = ratioOf(call);
    if (ratio === 0) return { outputs: [x] };
    const uniform = training.uniform(call.m, dimsOf(x));
    const kept = call.m.mul(call.m.mask('GreaterOrEqual', uniform, ratio), 1 / (1 - ratio));
    return { outputs: [call.m.mul(x, kept)], saved: { kept } };
  },
  pull: (call, [dy]) => {
    const { kept } = call.saved;
    if (dy === undefined) return [];
    return [kept === undefined ? dy : call.m.mul(dy, kept)];
  },
};
