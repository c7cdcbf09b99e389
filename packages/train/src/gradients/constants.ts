// Numbers of constants that are known when compiling.
import { intsAttribute, toNumbers, type Tensor } from '@sanderling/onnx';
import type { Call } from './rule.ts';
import { unsupported } from './rule.ts';

/** The numbers of a known constant; undefined when there is none. */
export function numbersOf(tensor: Tensor | undefined): number[] | undefined {
  return tensor === undefined ? undefined : Array.from(toNumbers(tensor), Number);
}

/** Numbers that a rule needs when compiling: an input that must be constant. @throws UNSUPPORTED when it is computed at run time. */
export function constantNumbers(call: Call, input: number): number[] {
  const numbers = numbersOf(call.constant(input));
  if (numbers === undefined) throw unsupported(call.node, `input ${input} must be a constant for a gradient`);
  return numbers;
}

/** Axes from an input (today's form) or an attribute (the older one), counted from the front; undefined when not given. */
export function axesOf(call: Call, input: number, rank: number): number[] | undefined {
  const axes = call.inputs[input] === undefined ? intsAttribute(call.node, 'axes') : constantNumbers(call, input);
  return axes?.map((axis) => (axis < 0 ? axis + rank : axis));
}
