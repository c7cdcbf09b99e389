// The gradient of Einsum: the gradient of an operand is a sum of products of the others and dy, with the subscripts exchanged.
import { stringAttribute, tensorOf, type Node, type Value } from '@sanderling/onnx';
import { dimsOf, product } from '../algebra.ts';
import { inputOf, single, unsupported, type Call, type GradientRule } from './rule.ts';

/** Subscripts of the operands and of the result; without an arrow the result has the letters that occur once, in order. */
function subscriptsOf(node: Node): { readonly operands: readonly string[]; readonly result: string } {
  const equation = stringAttribute(node, 'equation', '').replaceAll(' ', '');
  const [from = '', to] = equation.split('->');
  const letters = from
    .split('')
    .filter((letter) => letter !== ',')
    .sort();
  const once = letters.filter((letter, i) => letter !== letters[i - 1] && letter !== letters[i + 1]);
  const found = { operands: from.split(','), result: to ?? once.join('') };
  if (equation.includes('.')) throw unsupported(node, `the ellipsis in ${equation} has no gradient rule`);
  if (found.operands.some((term) => new Set(term).size < term.length))
    throw unsupported(node, `the diagonal in ${equation} has no gradient rule`);
  return found;
}

/** dx_i = Σ dy · Π x_j over all j ≠ i. What was summed over x_i alone is spread again, by ones. */
function operandGradient(call: Call, dy: Value, i: number): Value {
  const { operands, result } = subscriptsOf(call.node);
  const own = operands[i] as string;
  const others = operands.flatMap((term, j) => (j === i ? [] : [{ term, value: inputOf(call, j) }]));
  const known = new Set([result, ...others.map(({ term }) => term)].join(''));
  const alone = own.split('').filter((letter) => !known.has(letter));
  const sizes = alone.map((letter) => dimsOf(inputOf(call, i))[own.indexOf(letter)] as number);
  const ones = tensorOf('float32', sizes, new Float32Array(product(sizes)).fill(1));
  const spread = alone.length === 0 ? [] : [{ term: alone.join(''), value: call.m.scope.constant(ones) }];
  const factors = [{ term: result, value: dy }, ...others, ...spread];
  const equation = `${factors.map(({ term }) => term).join(',')}->${own}`;
  return call.m.op(
    'Einsum',
    factors.map(({ value }) => value),
    { equation },
  );
}

export const einsum = {
  Einsum: single((call, dy) => call.inputs.map((_, i) => (call.wants(i) ? operandGradient(call, dy, i) : undefined))),
} as const satisfies Record<string, GradientRule>;
